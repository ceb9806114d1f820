// Package transport owns every connection to a registry: TLS, proxies,
// timeouts, rate limits, retries, credentials, and the mapping of what fails to
// diagnostics. It knows no artifact and no repository.
package transport

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/access"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Client sends requests to one registry. It is safe for concurrent use, and a
// remote.Client of oras-go.
type Client struct {
	target  *resolve.Target
	policy  policy
	account *account
	auth    *auth.Client
	told    atomic.Value // see Registry
}

// New makes the chain auth(redirects(challenges(retry(limit(guard(stall(proxy(
// TLS)))))))) for a target. Plain HTTP to another machine, and TLS without
// verification to one, fail with diag.Insecure unless pull_policy.allow_insecure
// is set; certificates that cannot be read with diag.CredentialUnread; a proxy
// that is no URL with diag.CheckFailed. Credentials are the config's, for its own
// endpoint, else Docker's; they are read when a host asks for them.
func New(t *resolve.Target) (*Client, error) {
	return newClient(t, &account{target: t, docker: credential.Docker(), known: map[string]lookup{}})
}

func newClient(t *resolve.Target, a *account) (*Client, error) {
	if err := checkSecure(t); err != nil {
		return nil, err
	}
	choose, err := proxies(t)
	if err != nil {
		return nil, err
	}
	base, err := newPools(t, choose)
	if err != nil {
		return nil, err
	}
	c := &Client{target: t, policy: policyOf(t), account: a}
	var chain http.RoundTripper = schemes{viaProxy{base, choose}}
	chain = stall{chain, t.Client.Timeout}
	chain = guard{chain, t}
	if l := t.Client.RateLimit; l != nil {
		chain = newLimit(chain, *l)
	}
	chain = retry{chain, c.policy}
	chain = challenges{chain, a}
	c.auth = authenticate(&http.Client{Transport: chain, CheckRedirect: checkRedirect}, a)
	return c, nil
}

// Do sends a request, and repeats it where that is safe. Its errors are for Err
// to map. The credentials of a registry go to no other scheme, host or port.
//
// An answer of 401 means that credentials are missing or wrong. A token that has
// expired is fetched again, once, and the request repeated; when its body cannot
// be sent twice it fails with an error that Transient knows, for Retry.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	x := &exchange{url: req.URL, streamed: req.Body != nil && req.Body != http.NoBody && req.GetBody == nil}
	req = req.WithContext(context.WithValue(req.Context(), exchangeKey{}, x))
	if token := c.target.Auth.Token; token.IsSet() && c.account.given == nil && isOwn(c.target.Endpoint, req.URL) {
		bearer, err := first(token, c.target.Local != nil)
		if err != nil {
			return nil, err
		}
		req.Header = req.Header.Clone()
		if req.Header == nil {
			req.Header = http.Header{}
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	x.preset = req.Header.Get("Authorization") != ""
	resp, err := c.auth.Do(req)
	if err == nil {
		u := resp.Request.URL
		if path, _ := oci.ParsePath(u.Path); isOwn(c.target.Endpoint, u) && path.Kind != oci.KindBlob && path.Kind != oci.KindUpload {
			c.told.Store(resp.Header.Get(oci.RegistryHeader))
		}
		return resp, nil
	}
	// The query of an address in a storage may be a signature.
	if u, ok := errors.AsType[*url.Error](err); ok {
		u.URL, _, _ = strings.Cut(u.URL, "?")
	}
	if x.streamed && x.challenged && isStale(err) {
		err = expired{err}
	}
	if x.attempts > 1 {
		err = &tried{err, x.attempts}
	}
	return nil, err
}

// first returns the first token of a file, of which a local registry accepts
// several and that may have names there.
func first(file resolve.Secret, named bool) (string, error) {
	lines, err := file.Lines()
	if err != nil {
		return "", err
	}
	if token, fault := access.ParseToken(lines[0]); named && fault == nil {
		return token.Secret, nil
	}
	return lines[0], nil
}

// Registry returns the identity that the endpoint told with its last answer but those
// of blobs, as the registries that berth runs do; "" for none.
func (c *Client) Registry() string {
	id, _ := c.told.Load().(string)
	return id
}

// isStale reports whether all that is left of an exchange is to send the body
// again: no answer, no diagnostic and no failure of the connection says more.
func isStale(err error) bool {
	_, answered := errors.AsType[*errcode.ErrorResponse](err)
	_, told := errors.AsType[*diag.Diagnostic](err)
	_, failed := errors.AsType[*url.Error](err)
	return !answered && !told && !failed && !errors.Is(err, auth.ErrBasicCredentialNotFound) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func checkSecure(t *resolve.Target) error {
	if t.Pull.AllowInsecure || t.Endpoint.IsLoopback() {
		return nil
	}
	const hint = "if you trust the network, set pull_policy.allow_insecure to true"
	switch {
	case t.Endpoint.Scheme == "http":
		return t.Fault(diag.Insecure, "tls_enabled", "plain HTTP to %s, which is not this machine", t.Endpoint.HostPort()).
			WithHint("set tls_enabled to true; %s", hint)
	case !t.Client.VerifyTLS:
		return t.Fault(diag.Insecure, "remote.verify_ssl", "the certificate of %s would not be verified", t.Endpoint.HostPort()).
			WithHint("name the authority in ca_cert_path and set verify_ssl to true; %s", hint)
	}
	return nil
}

package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
)

// Err maps what an exchange with the registry failed with to a diagnostic:
// diag.Unreachable, Unauthorized, Forbidden, NotFound or RegistryRefused. A
// registry that says it is not available or too busy is Unreachable as well. A
// diagnostic, and the end of the caller's context, stay what they are.
func (c *Client) Err(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return err
	}
	host := c.target.Endpoint.HostPort()
	if p, ok := errors.AsType[*proxyError](err); ok {
		return c.proxy(p, err)
	}
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return c.answer(answer, err)
	}
	if _, ok := errors.AsType[expired](err); ok || errors.Is(err, auth.ErrBasicCredentialNotFound) {
		return c.unauthorized(err, "")
	}
	if d := c.tls(err); d != nil {
		return d
	}
	if errors.Is(err, errdef.ErrNotFound) {
		return diag.Errorf(diag.NotFound, "%s: %w", host, err).WithHint("`berth ls` shows what there is")
	}
	if Transient(err) || isTimeout(err) || isDial(err) {
		d := diag.Errorf(diag.Unreachable, "registry %s does not answer: %w", host, err)
		if c.target.Deployment == "local" {
			return d.WithHint("start it with `berth up`")
		}
		return d.WithHint("check endpoint, port and tls_enabled, the network and the proxy")
	}
	return diag.Errorf(diag.Failed, "%s: %w", host, err).WithHint("try again with --verbose")
}

// answer maps a status. err holds the answer.
func (c *Client) answer(answer *errcode.ErrorResponse, err error) error {
	host, words := c.target.Endpoint.HostPort(), said(answer)
	asked := answer.URL.Path
	if !isOwn(c.target.Endpoint, answer.URL) { // where a redirect or token server led
		host = answer.URL.Host
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return c.unauthorized(err, words)
	case http.StatusForbidden:
		return diag.Errorf(diag.Forbidden, "%s denies access: %s", host, words).
			WithHint("ask for access to %s, or use other credentials", asked)
	case http.StatusNotFound:
		return diag.Errorf(diag.NotFound, "%s has no %s: %s", host, asked, words).WithHint("`berth ls` shows what there is")
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		d := diag.Errorf(diag.Unreachable, "%s is not available: it answered %d to %s %s: %s%s", host, answer.StatusCode, answer.Method, asked, words, attempts(err))
		d.Cause = err
		return d.WithHint("try again later; the log of the registry, or of the proxy before it, says more")
	}
	d := diag.Errorf(diag.RegistryRefused, "%s answered %d to %s %s: %s%s", host, answer.StatusCode, answer.Method, asked, words, attempts(err))
	d.Cause = err
	return d.WithHint("the registry's log says more")
}

// attempts tells how often something was tried that is not tried once.
func attempts(err error) string {
	n := 1
	if r, ok := errors.AsType[*Refusal](err); ok {
		n = max(n, r.attempts)
	}
	if t, ok := errors.AsType[*tried](err); ok {
		n *= t.attempts
	}
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" (after %d attempts)", n)
}

// unauthorized says whose credentials the registry does not take, or that there
// are none.
func (c *Client) unauthorized(err error, words string) error {
	host := c.target.Endpoint.HostPort()
	if words != "" {
		words = ": " + words
	}
	from := c.account.source()
	if from == "" {
		d := diag.Errorf(diag.Unauthorized, "%s asks for credentials, and there are none for it%s", host, words)
		d.Cause = err
		return d.WithHint("berth login %s; or set username and password_path in the config", Keys(c.target.Endpoint)[0])
	}
	d := diag.Errorf(diag.Unauthorized, "%s refuses the credentials%s", host, words)
	d.Cause = err
	switch from {
	case fromConfig:
		return d.WithHint("check username and password_path, or auth_token_path")
	case fromUser:
		return d.WithHint("check user name and password; many registries want an access token for the password")
	}
	return d.WithHint("they are from %s; store others with: berth login %s", from, Keys(c.target.Endpoint)[0])
}

// proxy maps what a proxy answered, or why it could not be reached.
func (c *Client) proxy(p *proxyError, err error) error {
	const where = "check http_proxy, https_proxy and no_proxy, of the config or the environment"
	switch {
	case p.status == http.StatusProxyAuthRequired:
		return diag.Errorf(diag.Unauthorized, "proxy %s refuses: %s", p.host, http.StatusText(p.status)).
			WithHint("write USER:PASSWORD@ before the proxy's host, with %%XX for special characters; %s", where)
	case p.cause == nil:
		return diag.Errorf(diag.Unreachable, "proxy %s does not connect to %s: it answered %d %s%s",
			p.host, c.target.Endpoint.HostPort(), p.status, http.StatusText(p.status), attempts(err)).WithHint("%s", where)
	}
	if isDial(p.cause) {
		return diag.Errorf(diag.Unreachable, "proxy %s cannot be used: %w%s", p.host, p.cause, attempts(err)).WithHint("%s", where)
	}
	return diag.Errorf(diag.Unreachable, "proxy %s does not connect to %s: %w%s", p.host, c.target.Endpoint.HostPort(), p.cause, attempts(err)).
		WithHint("it may let nobody out without a login page, or the registry may not use TLS; %s", where)
}

// tls maps what is wrong between two that speak, but not the same; nil for
// anything else.
func (c *Client) tls(err error) error {
	host := c.target.Endpoint.HostPort()
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		d := diag.Errorf(diag.Unreachable, "the certificate of %s is not trusted: %w", host, cert)
		if _, ok := errors.AsType[x509.HostnameError](cert); ok {
			return d.WithHint("use a name that the certificate has, or let one be made for %s", c.target.Endpoint.Host)
		}
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](cert); ok && invalid.Reason == x509.Expired {
			if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
				return d.WithHint("it is not valid yet: check the clock of this machine")
			}
			return d.WithHint("it has expired: let it be renewed, or check the clock of this machine")
		}
		return d.WithHint("name the authority that signed it in ca_cert_path")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return diag.Errorf(diag.Unreachable, "%s speaks plain http, not https", hostOf(err, host)).
			WithHint("set tls_enabled to false, or let the registry use TLS")
	}
	if errors.Is(err, errWantsTLS) {
		return diag.Errorf(diag.Unreachable, "%s speaks https, not plain http", hostOf(err, host)).WithHint("set tls_enabled to true")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return diag.Errorf(diag.Unreachable, "%s refuses the TLS connection: %w", host, op.Err).
			WithHint("where it asks for a client certificate, give tls_cert_path and tls_key_path")
	}
	return nil
}

// hostOf returns the host that an error of net/http is about, which redirects
// may have led to.
func hostOf(err error, otherwise string) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if at, err := url.Parse(u.URL); err == nil && at.Host != "" {
			return at.Host
		}
	}
	return otherwise
}

// isDial reports whether no connection came about at all.
func isDial(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// Package transport owns every connection to a registry: TLS, proxies,
// timeouts, rate limits, retries, credentials, and the mapping of what fails to
// diagnostics. It knows no artifact and no repository.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/http/httpproxy"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/resolve"
)

// Client sends requests to one registry. It is safe for concurrent use, and a
// remote.Client of oras-go.
type Client struct {
	target *resolve.Target
	policy policy
	do     func(*http.Request) (*http.Response, error)
}

// New makes the chain auth(retry(limit(stall(TLS)))) for a target. Plain HTTP
// to another machine, and TLS without verification, fail with diag.Insecure
// unless pull_policy.allow_insecure is set; certificates that cannot be read
// with diag.CredentialUnread.
func New(t *resolve.Target) (*Client, error) {
	if err := checkSecure(t); err != nil {
		return nil, err
	}
	base, err := baseTransport(t)
	if err != nil {
		return nil, err
	}
	c := &Client{target: t, policy: policyOf(t)}
	var chain http.RoundTripper = stall{base, t.Client.Timeout}
	chain = guard{chain, t}
	if l := t.Client.RateLimit; l != nil {
		chain = newLimit(chain, *l)
	}
	chain = retry{chain, c.policy}
	if t.Auth.Token.IsSet() {
		chain = bearer{chain, t}
	}
	plain := &http.Client{Transport: chain, CheckRedirect: checkRedirect}
	c.do = plain.Do
	if !t.Auth.Token.IsSet() {
		c.do = (&auth.Client{Client: plain, Cache: auth.NewCache(), Credential: credential(t)}).Do
	}
	return c, nil
}

// Do sends a request. Its errors are for Err to map.
func (c *Client) Do(req *http.Request) (*http.Response, error) { return c.do(req) }

func checkSecure(t *resolve.Target) error {
	if t.Pull.AllowInsecure {
		return nil
	}
	const hint = "if you trust the network, set pull_policy.allow_insecure to true"
	switch {
	case t.Endpoint.Scheme == "http" && !t.Endpoint.IsLoopback():
		return t.Fault(diag.Insecure, "tls_enabled", "plain HTTP to %s, which is not this machine", t.Endpoint.HostPort()).
			WithHint("set tls_enabled to true; %s", hint)
	case t.Endpoint.Scheme == "https" && !t.Client.VerifyTLS:
		return t.Fault(diag.Insecure, "remote.verify_ssl", "the certificate of %s would not be verified", t.Endpoint.HostPort()).
			WithHint("name the authority in ca_cert_path and set verify_ssl to true; %s", hint)
	}
	return nil
}

func baseTransport(t *resolve.Target) (*http.Transport, error) {
	config, err := tlsConfig(t)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:               proxy(t.Client),
		DialContext:         (&net.Dialer{Timeout: t.Client.Timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: t.Client.Timeout,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
		WriteBufferSize:     256 << 10,
		ReadBufferSize:      256 << 10,
		DisableCompression:  true, // digests are of the bytes as stored
		ForceAttemptHTTP2:   true,
	}, nil
}

func tlsConfig(t *resolve.Target) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !t.Client.VerifyTLS}
	if len(t.Client.CACerts) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		for _, file := range t.Client.CACerts {
			pem, err := os.ReadFile(file.Path)
			if err != nil {
				return nil, t.Fault(diag.CredentialUnread, file.Attr, "cannot read certificate: %w", err).WithHint("check the path")
			}
			if !pool.AppendCertsFromPEM(pem) {
				return nil, t.Fault(diag.CredentialUnread, file.Attr, "%s holds no certificate", file.Path).WithHint("it must be PEM")
			}
		}
		config.RootCAs = pool
	}
	if t.Client.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Client.Cert, t.Client.Key)
		if err != nil {
			return nil, t.Fault(diag.CredentialUnread, "tls_cert_path", "cannot use client certificate: %w", err).
				WithHint("tls_cert_path and tls_key_path must be a PEM pair")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// proxy uses the config's proxies, or the environment's when it has none.
func proxy(c resolve.Client) func(*http.Request) (*url.URL, error) {
	if c.HTTPProxy == "" && c.HTTPSProxy == "" && len(c.NoProxy) == 0 {
		return http.ProxyFromEnvironment
	}
	config := httpproxy.FromEnvironment()
	if c.HTTPProxy != "" || c.HTTPSProxy != "" {
		config = &httpproxy.Config{HTTPProxy: c.HTTPProxy, HTTPSProxy: c.HTTPSProxy}
	}
	for _, host := range c.NoProxy {
		config.NoProxy += "," + host
	}
	choose := config.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return choose(req.URL) }
}

func credential(t *resolve.Target) auth.CredentialFunc {
	return func(_ context.Context, hostport string) (auth.Credential, error) {
		if !t.Auth.Password.IsSet() || hostport != t.Endpoint.HostPort() {
			return auth.EmptyCredential, nil
		}
		password, err := t.Auth.Password.Read()
		return auth.Credential{Username: t.Auth.Username, Password: password}, err
	}
}

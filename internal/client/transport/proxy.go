package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/net/http/httpproxy"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// noProxyURL says how the URL of a proxy is written. What stands before a host in a
// URL is never shown, so it has no example of that.
const noProxyURL = "write http://HOST:PORT, with USER:PASSWORD@ before HOST where it wants them, and %%XX for special characters in these"

// proxies says which proxy a URL is reached through, nil for none: the config's,
// else the environment's. It fails with diag.CheckFailed for one that is no URL; for
// the environment's, which other programs use as well, what it returns does, where
// that proxy would be used.
func proxies(t *resolve.Target) (func(*url.URL) (*url.URL, error), error) {
	c := t.Client
	exempt := strings.Join(c.NoProxy, ",")
	plain, secure := c.HTTPProxy.Reveal(), c.HTTPSProxy.Reveal()
	if plain == "" && secure == "" {
		return environment(exempt), nil
	}
	for _, p := range []struct{ attr, value string }{{"remote.http_proxy", plain}, {"remote.https_proxy", secure}} {
		if p.value != "" && !isProxy(p.value) { // without the value, which may hold a password
			return nil, t.Fault(diag.CheckFailed, p.attr, "the value is not a proxy's URL").
				WithHint(noProxyURL)
		}
	}
	config := &httpproxy.Config{HTTPProxy: plain, HTTPSProxy: secure, NoProxy: exempt}
	choose := config.ProxyFunc()
	return func(u *url.URL) (*url.URL, error) {
		// httpproxy takes no proxy to this machine, ever. Who wrote one into the
		// config of a registry here means it.
		if (resolve.Endpoint{Host: u.Hostname()}).IsLoopback() {
			if isExempt(u, strings.Split(exempt, ",")) {
				return nil, nil
			}
			elsewhere := &url.URL{Scheme: u.Scheme, Host: "elsewhere.invalid"}
			return (&httpproxy.Config{HTTPProxy: plain, HTTPSProxy: secure}).ProxyFunc()(elsewhere)
		}
		return choose(u)
	}, nil
}

// environment chooses as the variables http_proxy, https_proxy and no_proxy say.
func environment(exempt string) func(*url.URL) (*url.URL, error) {
	config := httpproxy.FromEnvironment()
	config.NoProxy += "," + exempt
	broken := map[string]bool{} // by the scheme of what it is for
	for scheme, value := range map[string]*string{"http": &config.HTTPProxy, "https": &config.HTTPSProxy} {
		// httpproxy goes without a proxy that it cannot parse. With another in its
		// place it tells who is exempt.
		if *value != "" && proxyURL(*value) == nil {
			broken[scheme], *value = true, "http://proxy.invalid"
		}
	}
	choose := config.ProxyFunc()
	return func(u *url.URL) (*url.URL, error) {
		proxy, err := choose(u)
		if proxy != nil && broken[u.Scheme] { // without the value, which may hold a password
			return nil, diag.Errorf(diag.CheckFailed, "%s_proxy of the environment is not a proxy's URL", u.Scheme).WithHint(noProxyURL)
		}
		return proxy, err
	}
}

func isProxy(value string) bool {
	u := proxyURL(value)
	return u != nil && (u.Path == "" || u.Path == "/") && u.RawQuery == ""
}

// proxyURL parses the URL of a proxy, whose scheme may be left out; nil for none.
func proxyURL(value string) *url.URL {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u
	}
	return nil
}

// isExempt reports whether no_proxy has an address of this machine: localhost or
// an IP address, with or without a port; a network; or * for everything.
func isExempt(u *url.URL, noProxy []string) bool {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	ip := net.ParseIP(host)
	for _, entry := range noProxy {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if _, network, err := net.ParseCIDR(entry); err == nil {
			if ip != nil && network.Contains(ip) {
				return true
			}
			continue
		}
		name, only, err := net.SplitHostPort(entry)
		if err != nil {
			name, only = strings.Trim(entry, "[]"), ""
		}
		same := name == host || ip != nil && ip.Equal(net.ParseIP(name))
		if entry == "*" || same && (only == "" || only == port) {
			return true
		}
	}
	return false
}

// proxyError is what went wrong between here and a proxy, or the proxy's refusal.
type proxyError struct {
	host   string // host:port, never the user information
	status int    // the proxy's answer; 0 for none
	cause  error  // nil for an answer
}

func (e *proxyError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("proxy %s: %v", e.host, e.cause)
	}
	return fmt.Sprintf("proxy %s answered %d %s", e.host, e.status, http.StatusText(e.status))
}

func (e *proxyError) Unwrap() error { return e.cause }

// connected judges a proxy's answer to CONNECT.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{host: proxy.Host, status: resp.StatusCode}
}

// viaProxy tells a proxy's failures from the registry's.
type viaProxy struct {
	next   http.RoundTripper
	choose func(*url.URL) (*url.URL, error)
}

func (v viaProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := v.choose(req.URL)
	if err != nil || proxy == nil {
		return v.next.RoundTrip(req)
	}
	var connected atomic.Bool // to the registry, where there is a tunnel
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err := v.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		if isDial(err) || !connected.Load() && req.Context().Err() == nil && !fromFarEnd(err) {
			err = &proxyError{host: proxy.Host, cause: err}
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusProxyAuthRequired { // RFC 9110, section 15.5.8: only proxies say so
		resp.Body.Close()
		return nil, &proxyError{host: proxy.Host, status: resp.StatusCode}
	}
	return resp, nil
}

// fromFarEnd reports whether a connection failed by what only one that speaks TLS
// says, or by what is known to be the proxy's already.
func fromFarEnd(err error) bool {
	_, told := errors.AsType[*proxyError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	op, alert := errors.AsType[*net.OpError](err)
	return told || certificate || alert && op.Op == "remote error"
}

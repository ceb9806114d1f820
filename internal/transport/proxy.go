package transport

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/resolve"
)

// proxies says which proxy a URL is reached through, nil for none: the config's,
// else the environment's. It fails with diag.CheckFailed for one that is no URL.
func proxies(t *resolve.Target) (func(*url.URL) (*url.URL, error), error) {
	c := t.Client
	exempt := strings.Join(c.NoProxy, ",")
	plain, secure := c.HTTPProxy.Reveal(), c.HTTPSProxy.Reveal()
	if plain == "" && secure == "" {
		config := httpproxy.FromEnvironment()
		config.NoProxy += "," + exempt
		return config.ProxyFunc(), nil
	}
	for _, p := range []struct{ attr, value string }{{"remote.http_proxy", plain}, {"remote.https_proxy", secure}} {
		if p.value != "" && !isProxy(p.value) { // without the value, which may hold a password
			return nil, t.Fault(diag.CheckFailed, p.attr, "the value is not a proxy's URL").
				WithHint("write http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with %%XX for special characters")
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

func isProxy(value string) bool {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	return err == nil && u.Hostname() != "" && (u.Path == "" || u.Path == "/") && u.RawQuery == "" &&
		(u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "socks5" || u.Scheme == "socks5h")
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
	resp, err := v.next.RoundTrip(req)
	proxy, chosen := v.choose(req.URL)
	if chosen != nil || proxy == nil {
		return resp, err
	}
	if err != nil {
		if isDial(err) {
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

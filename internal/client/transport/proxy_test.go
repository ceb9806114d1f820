package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/spec"
)

// proxyServer is a proxy that wants me:p@ss when it wants a password: plain HTTP
// is forwarded, CONNECT makes a tunnel.
type proxyServer struct {
	*httptest.Server
	password bool
	refuse   int // status for everything; 0 for none

	mu   sync.Mutex
	seen []string
}

func newProxy(t *testing.T) *proxyServer {
	p := &proxyServer{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// url returns the proxy's URL with a user, if any.
func (p *proxyServer) url(user string) string {
	return strings.Replace(p.URL, "http://", "http://"+user, 1)
}

func (p *proxyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.Host)
	p.mu.Unlock()
	if p.refuse != 0 {
		w.WriteHeader(p.refuse)
		return
	}
	if p.password && r.Header.Get("Proxy-Authorization") != "Basic bWU6cEBzcw==" {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		tunnel(w, r.Host)
		return
	}
	r.RequestURI = ""
	r.Header.Del("Proxy-Authorization")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func tunnel(w http.ResponseWriter, host string) {
	far, err := net.Dial("tcp", host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	near, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		far.Close()
		return
	}
	fmt.Fprint(near, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(far, near); far.Close() }()
	_, _ = io.Copy(near, far)
	near.Close()
}

func TestProxies(t *testing.T) {
	for name, tls := range map[string]bool{"plain": false, "tunnel": true} {
		for _, test := range []struct {
			name     string
			user     string
			password bool
			refuse   int
			gone     bool
			noProxy  []string
			want     diag.Code // "" for success
			through  bool
		}{
			{name: "no password", through: true},
			{name: "password", user: "me:p%40ss@", password: true, through: true},
			{name: "wrong password", user: "me:gue55@", password: true, want: diag.Unauthorized, through: true},
			{name: "missing password", password: true, want: diag.Unauthorized, through: true},
			{name: "refused", user: "me:p%40ss@", gone: true, want: diag.Unreachable},
			{name: "exempt", noProxy: []string{"127.0.0.0/8"}},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
				server := httptest.NewServer(h)
				if tls {
					server.Close()
					server = httptest.NewTLSServer(h)
				}
				defer server.Close()
				p := newProxy(t)
				p.password, p.refuse = test.password, test.refuse
				if test.gone {
					p.Close()
				}
				target := targetOf(t, server)
				target.Client.VerifyTLS, target.Client.NoProxy = false, test.noProxy
				target.Client.HTTPProxy, target.Client.HTTPSProxy = spec.NewURL(p.url(test.user)), spec.NewURL(p.url(test.user))
				err := fetch(t, target)
				if test.want == "" && err != nil {
					t.Error(err)
				}
				if test.want != "" {
					wantCode(t, err, test.want)
					d, _ := errors.AsType[*diag.Diagnostic](err)
					if !strings.Contains(d.Message, p.Listener.Addr().String()) || strings.Contains(d.Message+d.Hint, "p%40ss") || strings.Contains(d.Message+d.Hint, "gue55") {
						t.Errorf("%s (%s)", d.Message, d.Hint)
					}
				}
				if p.mu.Lock(); (len(p.seen) > 0) != test.through {
					t.Errorf("the proxy saw %q", p.seen)
				}
				p.mu.Unlock()
			})
		}
	}
}

// A proxy that cannot reach the registry says so with a status of its own.
func TestProxyWithoutRegistry(t *testing.T) {
	for status, calls := range map[int]int{502: 3, 503: 3, 403: 1} {
		p := newProxy(t)
		p.refuse = status
		target := &resolve.Target{
			Deployment: "remote", Endpoint: resolve.Endpoint{Scheme: "https", Host: "registry.example", Port: 443},
			Client: resolve.Client{VerifyTLS: true, HTTPSProxy: spec.NewURL(p.URL), Retries: 2, RetryDelay: 1, RetryBackoff: 1},
		}
		err := fetch(t, target)
		wantCode(t, err, diag.Unreachable)
		if len(p.seen) != calls || !strings.Contains(err.Error(), fmt.Sprint(status)) || (calls > 1) != strings.Contains(err.Error(), "after 3 attempts") {
			t.Errorf("asked %d times: %v", len(p.seen), err)
		}
	}
}

func TestWhichProxy(t *testing.T) {
	const a, b, env = "http://user:pw@a.example:1", "b.example:2", "http://env.example:3"
	for _, test := range []struct {
		http, https string
		no          []string
		url, want   string // the proxy's host
	}{
		{a, b, nil, "http://registry.example", "a.example:1"},
		{a, b, nil, "https://registry.example", "b.example:2"},
		{a, "", nil, "https://registry.example", ""},
		{a, b, []string{"registry.example"}, "https://registry.example:5000", ""},
		{a, b, []string{"registry.example"}, "https://other.example", "b.example:2"},
		{a, b, []string{".example"}, "https://registry.example", ""},
		{a, b, []string{".registry.example"}, "https://registry.example", "b.example:2"},
		{a, b, []string{"registry.example:5000"}, "https://registry.example:5000", ""},
		{a, b, []string{"registry.example:5000"}, "https://registry.example", "b.example:2"},
		{a, b, []string{"10.0.0.0/8"}, "https://10.1.2.3:5000", ""},
		{a, b, []string{"10.0.0.0/8"}, "https://11.1.2.3:5000", "b.example:2"},
		{a, b, []string{"*"}, "https://registry.example", ""},
		// This machine: the config's proxy counts, the environment's does not.
		{a, b, nil, "http://127.0.0.1:5000", "a.example:1"},
		{a, b, nil, "http://localhost:5000", "a.example:1"},
		{a, b, nil, "https://[::1]:5000", "b.example:2"},
		{a, b, []string{"127.0.0.1"}, "http://127.0.0.1:5000", ""},
		{a, b, []string{"127.0.0.1:5000"}, "http://127.0.0.1:5000", ""},
		{a, b, []string{"127.0.0.1:5001"}, "http://127.0.0.1:5000", "a.example:1"},
		{a, b, []string{"x, localhost"}, "http://localhost:5000", ""},
		{a, b, []string{"[::1]:5000"}, "http://[::1]:5000", ""},
		{a, b, []string{"::1"}, "http://[::1]:5000", ""},
		{a, b, []string{"127.0.0.0/8"}, "http://127.3.2.1:5000", ""},
		{a, b, []string{"127.0.0.1"}, "http://localhost:5000", "a.example:1"},
		{a, b, []string{"*"}, "http://127.0.0.1:5000", ""},
		{"", "", nil, "http://registry.example", "env.example:3"},
		{"", "", []string{"registry.example"}, "http://registry.example", ""},
		{"", "", nil, "http://env-exempt.example", ""},
		{a, b, nil, "http://env-exempt.example", "a.example:1"},
		{"", "", nil, "http://127.0.0.1:5000", ""},
	} {
		for _, name := range []string{"http_proxy", "https_proxy"} {
			t.Setenv(name, env)
		}
		t.Setenv("no_proxy", "env-exempt.example")
		t.Setenv("REQUEST_METHOD", "")
		choose, err := proxies(&resolve.Target{Client: resolve.Client{HTTPProxy: spec.NewURL(test.http), HTTPSProxy: spec.NewURL(test.https), NoProxy: test.no}})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := choose(u)
		got := ""
		if proxy != nil {
			got = proxy.Host
		}
		if err != nil || got != test.want {
			t.Errorf("%+v: got %q, %v", test, got, err)
		}
	}
}

// A proxy that is none is not left out in silence.
func TestProxyThatIsNone(t *testing.T) {
	for _, value := range []string{"http://user:secret@", "ftp://user:secret@proxy.example", "http://user:sec ret%zz@proxy:1", "http://proxy.example/secret/path", "://secret"} {
		_, err := New(&resolve.Target{Endpoint: resolve.Endpoint{Scheme: "http", Host: "127.0.0.1", Port: 1}, Client: resolve.Client{HTTPProxy: spec.NewURL(value)}})
		wantCode(t, err, diag.CheckFailed)
		if err != nil && strings.Contains(err.Error(), "sec") {
			t.Error(err)
		}
	}
}

// Neither is one of the environment, where it would be used.
func TestEnvironmentProxyThatIsNone(t *testing.T) {
	t.Setenv("REQUEST_METHOD", "")
	t.Setenv("HTTP_PROXY", "")
	t.Setenv("http_proxy", "")
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("no_proxy", "exempt.example")
	for _, value := range []string{"http://user:secret%zz@proxy:1", "http://user:secret@", "ftp://user:secret@proxy.example", "://secret"} {
		t.Setenv("https_proxy", value)
		choose, err := proxies(&resolve.Target{Client: resolve.Client{NoProxy: []string{"also.example"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, free := range []string{"https://exempt.example", "https://also.example:5000", "https://127.0.0.1:5000", "http://registry.example"} {
			u, _ := url.Parse(free)
			if proxy, err := choose(u); proxy != nil || err != nil {
				t.Errorf("%s: %s needs no proxy: %v, %v", value, free, proxy, err)
			}
		}
		target := &resolve.Target{Deployment: "remote", Endpoint: resolve.Endpoint{Scheme: "https", Host: "registry.invalid", Port: 443}, Client: resolve.Client{VerifyTLS: true, Retries: 1, RetryDelay: 1, RetryBackoff: 1}}
		err = fetch(t, target)
		wantCode(t, err, diag.CheckFailed)
		if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "https_proxy")) {
			t.Error(err)
		}
	}
}

// A proxy that says it has connected, and has not, is what the error is about.
func TestProxyThatDoesNotConnect(t *testing.T) {
	for name, answer := range map[string]string{
		"a page":          "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>please log in</html>",
		"a second answer": "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"the end":         "HTTP/1.1 200 OK\r\n\r\n",
		"nothing":         "",
	} {
		t.Run(name, func(t *testing.T) {
			p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					return
				}
				fmt.Fprint(conn, answer)
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn) // or what was written may be lost
				conn.Close()
			}))
			defer p.Close()
			err := fetch(t, &resolve.Target{
				Deployment: "remote", Endpoint: resolve.Endpoint{Scheme: "https", Host: "registry.example", Port: 443},
				Client: resolve.Client{VerifyTLS: true, HTTPSProxy: spec.NewURL(p.URL), Timeout: 5 * time.Second},
			})
			wantCode(t, err, diag.Unreachable)
			d, _ := errors.AsType[*diag.Diagnostic](err)
			if !strings.Contains(d.Message, "proxy "+p.Listener.Addr().String()+" does not connect to registry.example") || strings.Contains(d.Hint, "tls_enabled") {
				t.Errorf("%s (%s)", d.Message, d.Hint)
			}
		})
	}
}

// A hint shows where a password goes, which is hidden in what looks like a URL.
func TestProxyHint(t *testing.T) {
	p := newProxy(t)
	p.password = true
	for _, proxy := range []string{p.URL, "http://proxy/path"} {
		err := fetch(t, &resolve.Target{
			Deployment: "remote", Endpoint: resolve.Endpoint{Scheme: "https", Host: "registry.example", Port: 443},
			Client: resolve.Client{VerifyTLS: true, HTTPSProxy: spec.NewURL(proxy)},
		})
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || !strings.Contains(d.Hint, "USER:PASSWORD@") || strings.Contains(d.Hint, "***") {
			t.Errorf("%v: %+v", err, d)
		}
	}
}

// Who is told that a certificate has expired looks for no authority.
func TestExpiredCertificate(t *testing.T) {
	for name, test := range map[string]struct {
		from, to time.Duration // from now
		want     string
	}{
		"expired": {-48 * time.Hour, -24 * time.Hour, "it has expired"},
		"early":   {24 * time.Hour, 48 * time.Hour, "not valid yet"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			cert := &x509.Certificate{
				SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
				NotBefore: time.Now().Add(test.from), NotAfter: time.Now().Add(test.to),
			}
			der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			err = fetch(t, targetOf(t, server))
			wantCode(t, err, diag.Unreachable)
			if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || !strings.Contains(d.Hint, test.want) || strings.Contains(d.Hint, "ca_cert_path") {
				t.Errorf("%v: %+v", err, d)
			}
		})
	}
}

// Token requests take the config's proxy and count for its rate as all others.
func TestTokenRequestsAreLikeOthers(t *testing.T) {
	s, p := newTokenServer(t), newProxy(t)
	target := targetOf(t, s.registry)
	target.Client.HTTPProxy = spec.NewURL(p.URL)
	target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
	// Two requests to the registry and one for a token are one too many.
	target.Client.RateLimit = &spec.RateLimit{RequestsPerSecond: 1, Burst: 2}
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.registry.URL+"/v2/", nil)
	if _, err := c.Do(req); err == nil {
		t.Error("three requests fit into a burst of two")
	}
	want := []string{"GET " + target.Endpoint.HostPort(), "GET " + strings.TrimPrefix(s.tokens.URL, "http://")}
	if !slices.Equal(p.seen, want) {
		t.Errorf("the proxy saw %q, want %q", p.seen, want)
	}
}

package transport

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/resolve"
	"github.com/berth-oci/berth/spec"
)

func targetOf(t *testing.T, server *httptest.Server) *resolve.Target {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	return &resolve.Target{
		Deployment: "local", Endpoint: resolve.Endpoint{Scheme: u.Scheme, Host: u.Hostname(), Port: port},
		Client: resolve.Client{VerifyTLS: true, Timeout: 5 * time.Second, Retries: 2},
	}
}

func get(t *testing.T, target *resolve.Target) (int, error) {
	t.Helper()
	c, err := New(target)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.Endpoint.URL().String()+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, c.Err(err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func wantCode(t *testing.T, err error, code diag.Code) {
	t.Helper()
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != code || d.Hint == "" {
		t.Errorf("got %v, want %s with a hint", err, code)
	}
}

func TestInsecureNeedsLeave(t *testing.T) {
	target := &resolve.Target{Endpoint: resolve.Endpoint{Scheme: "http", Host: "registry.example", Port: 80}}
	_, err := New(target)
	wantCode(t, err, diag.Insecure)
	target.Endpoint.Scheme = "https"
	_, err = New(target)
	wantCode(t, err, diag.Insecure)
	target.Pull.AllowInsecure = true
	if _, err := New(target); err != nil {
		t.Error(err)
	}
}

// A redirect to plain HTTP elsewhere needs the same leave.
func TestRedirectToPlainHTTP(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://registry.example/", http.StatusFound))
	defer server.Close()
	_, err := get(t, targetOf(t, server))
	wantCode(t, err, diag.Insecure)
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	target := targetOf(t, server)
	_, err := get(t, target)
	wantCode(t, err, diag.Unreachable)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	target.Client.CACerts = []resolve.PEMFile{{Attr: "ca_cert_path", Path: ca}}
	if status, err := get(t, target); status != http.StatusOK || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	target.Client.CACerts = []resolve.PEMFile{{Attr: "ca_cert_path", Path: ca + ".missing"}}
	_, err = get(t, target)
	wantCode(t, err, diag.CredentialUnread)
}

func TestBasicAndTokenChallenge(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, scheme := range map[string]string{"basic": "Basic", "token": "Bearer"} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			server := httptest.NewServer(mux)
			defer server.Close()
			right := func(r *http.Request) bool {
				user, pass, _ := r.BasicAuth()
				return user == "me" && pass == "pw"
			}
			mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
				if right(r) {
					io.WriteString(w, `{"token":"t"}`)
					return
				}
				w.WriteHeader(http.StatusUnauthorized)
			})
			mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
				if scheme == "Basic" && right(r) || r.Header.Get("Authorization") == "Bearer t" {
					return
				}
				w.Header().Set("Www-Authenticate", scheme+` realm="`+server.URL+`/token",service="registry"`)
				w.WriteHeader(http.StatusUnauthorized)
			})
			target := targetOf(t, server)
			target.Auth = resolve.Auth{Username: "me", Password: resolve.SecretFile(password)}
			if status, err := get(t, target); status != http.StatusOK || err != nil {
				t.Errorf("got %d, %v", status, err)
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	start := time.Now()
	if status, err := get(t, targetOf(t, server)); status != http.StatusOK || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("waited %v, want a second", waited)
	}
}

func TestPostIsNotRepeated(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	target := targetOf(t, server)
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("x"))
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if calls != 1 {
		t.Errorf("sent %d times", calls)
	}
}

func TestRateLimitAndProxy(t *testing.T) {
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = append(seen, r.URL.Host) }))
	defer proxy.Close()
	target := &resolve.Target{
		Deployment: "remote", Endpoint: resolve.Endpoint{Scheme: "http", Host: "registry.example", Port: 80},
		Client: resolve.Client{Timeout: time.Second, HTTPProxy: proxy.URL, RateLimit: &spec.RateLimit{RequestsPerSecond: 10, Burst: 1}},
	}
	target.Pull.AllowInsecure = true
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for range 3 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.example:80/v2/", nil)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if len(seen) != 3 || seen[0] != "registry.example:80" {
		t.Errorf("proxy saw %v", seen)
	}
	if took := time.Since(start); took < 190*time.Millisecond {
		t.Errorf("three requests at 10 a second took %v", took)
	}
}

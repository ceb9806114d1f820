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
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
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
	for _, test := range []struct {
		scheme, host  string
		verify, leave bool
		refused       bool
	}{
		{"http", "registry.example", true, false, true},
		{"http", "registry.example", true, true, false},
		{"http", "127.0.0.1", true, false, false},
		{"https", "registry.example", true, false, false},
		{"https", "registry.example", false, false, true},
		{"https", "registry.example", false, true, false},
		{"https", "localhost", false, false, false},
	} {
		target := &resolve.Target{Endpoint: resolve.Endpoint{Scheme: test.scheme, Host: test.host, Port: 5000}}
		target.Client.VerifyTLS, target.Pull.AllowInsecure = test.verify, test.leave
		_, err := New(target)
		if test.refused {
			wantCode(t, err, diag.Insecure)
		} else if err != nil {
			t.Errorf("%+v: %v", test, err)
		}
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

package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

func wantHint(t *testing.T, err error, code diag.Code, hint string) {
	t.Helper()
	wantCode(t, err, code)
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok && !strings.Contains(d.Hint, hint) {
		t.Errorf("the hint is %q, want %q", d.Hint, hint)
	}
}

// The scheme is wrong: the hint says which attribute makes it right.
func TestWrongScheme(t *testing.T) {
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	plain, secure := httptest.NewServer(h), httptest.NewTLSServer(h)
	defer plain.Close()
	defer secure.Close()
	for name, test := range map[string]struct {
		server *httptest.Server
		scheme string
		hint   string
	}{
		"TLS to plain": {plain, "https", "set tls_enabled to false"},
		"plain to TLS": {secure, "http", "set tls_enabled to true"},
	} {
		t.Run(name, func(t *testing.T) {
			target := targetOf(t, test.server)
			target.Endpoint.Scheme = test.scheme
			wantHint(t, fetch(t, target), diag.Unreachable, test.hint)
		})
	}
}

// Servers other than Go's say it in other words, or with a TLS alert.
func TestServersThatWantTLS(t *testing.T) {
	for name, answer := range map[string]string{
		"nginx":  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html><body>The plain HTTP request was sent to HTTPS port</body></html>",
		"Apache": "HTTP/1.1 400 Bad Request\r\n\r\nYou're speaking plain HTTP to an SSL-enabled server port.",
		"alert":  "\x15\x03\x01\x00\x02\x02\x46",
	} {
		t.Run(name, func(t *testing.T) {
			wantHint(t, fetch(t, rawServer(t, answer)), diag.Unreachable, "set tls_enabled to true")
		})
	}
	// Any other 400 keeps its body.
	err := fetch(t, rawServer(t, "HTTP/1.1 400 Bad Request\r\n\r\n"+`{"errors":[{"code":"NAME_INVALID","message":"too long"}]}`))
	wantCode(t, err, diag.RegistryRefused)
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

// rawServer answers every connection with the same bytes.
func rawServer(t *testing.T, answer string) *resolve.Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			fmt.Fprint(conn, answer)
			conn.Close()
		}
	}()
	return &resolve.Target{
		Endpoint: resolve.Endpoint{Scheme: "http", Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port},
		Client:   resolve.Client{Timeout: 5 * time.Second},
	}
}

func TestUnverifiedOnLoopback(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	target := targetOf(t, server)
	target.Client.VerifyTLS = false
	if err := fetch(t, target); err != nil {
		t.Error(err)
	}
}

func TestCertificateOfAnotherName(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	target := targetOf(t, server)
	target.Client.CACerts = []resolve.PEMFile{{Attr: "ca_cert_path", Path: pemFile(t, "CERTIFICATE", server.Certificate().Raw)}}
	target.Endpoint.Host = "localhost" // the certificate is for 127.0.0.1 and example.com
	wantHint(t, fetch(t, target), diag.Unreachable, "use a name that the certificate has")
}

func pemFile(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The registry is shown the client certificate; the storage that it redirects to
// is not, though it asks.
func TestClientCertificate(t *testing.T) {
	shown := map[string]int{}
	start := func(h http.HandlerFunc, ask tls.ClientAuthType) *httptest.Server {
		server := httptest.NewUnstartedServer(h)
		server.TLS = &tls.Config{ClientAuth: ask}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	storage := start(func(w http.ResponseWriter, r *http.Request) { shown["storage"] += len(r.TLS.PeerCertificates) }, tls.RequestClientCert)
	server := start(func(w http.ResponseWriter, r *http.Request) {
		shown["registry"] += len(r.TLS.PeerCertificates)
		http.Redirect(w, r, storage.URL, http.StatusTemporaryRedirect)
	}, tls.RequireAnyClientCert)
	target := targetOf(t, server)
	ca := pemFile(t, "CERTIFICATE", server.Certificate().Raw)
	target.Client.CACerts = []resolve.PEMFile{{Attr: "ca_cert_path", Path: ca}}
	wantHint(t, fetch(t, target), diag.Unreachable, "tls_cert_path")
	target.Client.Cert, target.Client.Key = clientPair(t)
	if err := fetch(t, target); err != nil {
		t.Error(err)
	}
	if shown["registry"] != 1 || shown["storage"] != 0 {
		t.Errorf("shown %v", shown)
	}
}

func clientPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pemFile(t, "CERTIFICATE", der), pemFile(t, "PRIVATE KEY", text)
}

// The error of the last attempt says how many there were.
func TestAttemptsAreTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	target := targetOf(t, server)
	err := fetch(t, target)
	wantCode(t, err, diag.Unreachable)
	if err == nil || !strings.Contains(err.Error(), "after 3 attempts") {
		t.Error(err)
	}
	server.Close()
	if err := fetch(t, target); err == nil || !strings.Contains(err.Error(), "after 3 attempts") {
		t.Error(err)
	}
}

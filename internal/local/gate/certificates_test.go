package gate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/local/gate"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue returns a certificate and its key in PEM.
func (a authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// startTLS answers with the protocol and the name of the client's certificate.
func startTLS(t *testing.T, c gate.Certificates, log io.Writer) string {
	t.Helper()
	config, err := c.TLS(logTo(log))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{TLSConfig: config, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.ProtoMajor)
		for _, cert := range r.TLS.PeerCertificates {
			fmt.Fprint(w, " ", cert.Subject.CommonName)
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeTLS(l, "", "")
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return l.Addr().String()
}

// serverName is that in the server's certificate, seen by a new connection.
func serverName(t *testing.T, addr string, config *tls.Config) (name string, resumed bool, err error) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return "", false, err
	}
	defer conn.Close()
	// With TLS 1.3 tickets, and refusals of a client certificate, come after the handshake.
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		return "", false, fmt.Errorf("answer %q: %w", answer, err)
	}
	state := conn.ConnectionState()
	return state.PeerCertificates[0].Subject.CommonName, state.DidResume, nil
}

func TestCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	first, firstKey := ca.issue(t, "first")
	second, secondKey := ca.issue(t, "second")
	certFile, keyFile := file(t, "cert.pem", first), file(t, "key.pem", firstKey)
	log := new(safeBuffer)
	addr := startTLS(t, gate.Certificates{Cert: certFile, Key: keyFile}, log)
	trust := &tls.Config{RootCAs: ca.pool(), ClientSessionCache: tls.NewLRUClientSessionCache(1)}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool()}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	get := func() {
		t.Helper()
		resp, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "2" || resp.TLS.PeerCertificates[0].Subject.CommonName != "first" {
			t.Errorf("over HTTP/%s, %v", body, err)
		}
	}
	get()
	for _, resume := range []bool{false, true} {
		name, resumed, err := serverName(t, addr, trust)
		if err != nil || name != "first" || resumed != resume {
			t.Errorf("got %s, resumed %v, %v", name, resumed, err)
		}
	}
	// Half a pair.
	write(t, certFile, second)
	fresh := &tls.Config{RootCAs: ca.pool()}
	eventually(t, func() bool {
		name, _, err := serverName(t, addr, fresh)
		if err != nil || name != "first" {
			t.Fatalf("got %s, %v", name, err)
		}
		return strings.Contains(log.String(), "cannot be used")
	})
	write(t, keyFile, secondKey)
	eventually(t, func() bool {
		name, _, err := serverName(t, addr, fresh)
		if err != nil {
			t.Fatal(err)
		}
		return name == "second"
	})
	get() // the connection from before
	if _, resumed, err := serverName(t, addr, trust); err != nil || !resumed {
		t.Errorf("sessions do not outlive a change: %v", err)
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	if _, _, err := serverName(t, addr, &tls.Config{RootCAs: ca.pool(), MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestClientCertificates(t *testing.T) {
	ca, clients, others := newAuthority(t, "ca"), newAuthority(t, "clients"), newAuthority(t, "others")
	cert, key := ca.issue(t, "server")
	issuers := file(t, "clients.pem", clients.pem())
	addr := startTLS(t, gate.Certificates{
		Cert: file(t, "cert.pem", cert), Key: file(t, "key.pem", key), ClientCAs: []string{issuers},
	}, io.Discard)
	with := func(a authority) *tls.Config {
		pair, err := tls.X509KeyPair(func() ([]byte, []byte) { c, k := a.issue(t, "client"); return []byte(c), []byte(k) }())
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{
			RootCAs: ca.pool(), ClientSessionCache: tls.NewLRUClientSessionCache(1),
			// Whatever issuers the server asks for.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
		}
	}
	known, unknown := with(clients), with(others)
	if _, _, err := serverName(t, addr, &tls.Config{RootCAs: ca.pool()}); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
	for _, resume := range []bool{false, true} {
		if _, resumed, err := serverName(t, addr, known); err != nil || resumed != resume {
			t.Errorf("with one: resumed %v, %v", resumed, err)
		}
	}
	if _, _, err := serverName(t, addr, unknown); err == nil {
		t.Error("a foreign certificate is taken")
	}
	write(t, issuers, others.pem())
	eventually(t, func() bool {
		_, _, err := serverName(t, addr, unknown)
		return err == nil
	})
	if _, _, err := serverName(t, addr, known); err == nil {
		t.Error("a certificate of an issuer that is gone is taken, in a resumed session")
	}
}

func TestBadCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, key := ca.issue(t, "a")
	_, otherKey := ca.issue(t, "b")
	certFile, keyFile := file(t, "cert.pem", cert), file(t, "key.pem", key)
	for _, c := range []gate.Certificates{
		{Cert: certFile, Key: file(t, "key.pem", otherKey)},
		{Cert: certFile, Key: "no-such-file"},
		{Cert: keyFile, Key: keyFile},
		{Cert: certFile, Key: keyFile, ClientCAs: []string{"no-such-file"}},
		{Cert: certFile, Key: keyFile, ClientCAs: []string{keyFile}},
	} {
		if _, err := c.TLS(logTo(io.Discard)); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

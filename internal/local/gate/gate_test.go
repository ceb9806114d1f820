package gate_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/local/gate"
)

const (
	password = "right"
	token    = "static-token-1"
)

// safeBuffer is a log that handlers write while the test reads.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// wait returns when the log has the text.
func (b *safeBuffer) wait(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(b.String(), text) })
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to be")
		}
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// file writes a file of a test's own.
func file(t testing.TB, name string, content string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	write(t, name, content)
	return name
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// line is one of a password file.
func line(t testing.TB, user, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + string(hash) + "\n"
}

// start serves the chain in front of next, as the built-in registry does.
func start(t *testing.T, next http.HandlerFunc, o gate.Options) *httptest.Server {
	t.Helper()
	h, err := gate.New(next, o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ReadHeaderTimeout = timeout
	s.Config.MaxHeaderBytes = 64 << 10
	s.Config.DisableGeneralOptionsHandler = true
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func whoami(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, gate.User(r.Context())) }

// raw sends bytes and returns all that is answered.
func raw(t *testing.T, s *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.WriteString(conn, request) }() // which may be cut off
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func TestChain(t *testing.T) {
	log := new(safeBuffer)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/panic" {
			panic("oops")
		}
		whoami(w, r)
	}, gate.Options{
		Log:         logTo(log),
		Credentials: gate.Credentials{Passwords: file(t, "htpasswd", line(t, "ann", password, bcrypt.MinCost))},
		Headers:     http.Header{"X-Content-Type-Options": {"nosniff"}},
	})
	for _, test := range []struct {
		method, path, user string
		status             int
		body               string
	}{
		{"GET", "/v2/", "", 401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}`},
		{"OPTIONS", "/v2/", "", 401, `UNAUTHORIZED`},
		{"GET", "/", "", 401, `UNAUTHORIZED`},
		{"GET", "/livez/", "", 401, `UNAUTHORIZED`},
		{"GET", "/v2/", "ann", 200, `ann`},
		{"GET", "/livez", "", 200, "ok\n"},
		{"GET", "/readyz", "", 200, "ok\n"},
		{"POST", "/readyz", "", 405, `UNSUPPORTED`},
		{"GET", "/v2/../x", "", 400, `NAME_INVALID`},
		{"GET", "/v2/panic", "ann", 500, `{"errors":[{"code":"UNKNOWN"`},
	} {
		req, _ := http.NewRequest(test.method, s.URL+test.path, nil)
		if test.user != "" {
			req.SetBasicAuth(test.user, password)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.body) {
			t.Errorf("%s %s answers %d %s", test.method, test.path, resp.StatusCode, body)
		}
		if test.status >= 400 && resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s answers %s", test.method, test.path, resp.Header.Get("Content-Type"))
		}
		if resp.Header.Get("Docker-Distribution-Api-Version") != "registry/2.0" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s has not the fixed headers: %v", test.method, test.path, resp.Header)
		}
		log.wait(t, fmt.Sprintf("method=%s path=%s status=%d", test.method, test.path, test.status))
	}
	log.wait(t, "user=ann")
	log.wait(t, "cause=oops")
}

// A client that sends its header byte by byte is cut.
func TestSlowHeader(t *testing.T) {
	s := start(t, whoami, gate.Options{Read: time.Minute, Write: time.Minute})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	go func() {
		for _, c := range "GET / HTTP/1.1\r\nHost: x\r\nSlow: " + strings.Repeat("x", 1000) {
			if _, err := conn.Write([]byte{byte(c)}); err != nil {
				return
			}
			time.Sleep(timeout / 10)
		}
	}()
	_ = conn.SetReadDeadline(begin.Add(20 * timeout))
	_, _ = io.Copy(io.Discard, conn)
	if d := time.Since(begin); d > 10*timeout {
		t.Errorf("cut after %s", d)
	}
}

func TestHugeHeader(t *testing.T) {
	s := start(t, whoami, gate.Options{})
	answer := raw(t, s, "GET /v2/ HTTP/1.1\r\nHost: x\r\nBig: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		t.Errorf("got %.100q", answer)
	}
}

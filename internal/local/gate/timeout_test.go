package gate_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/local/gate"
)

const timeout = 300 * time.Millisecond

// send writes a request with a body in pieces, pausing before each, and returns
// the answer's status line.
func send(t *testing.T, addr string, pieces int, pause time.Duration) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", pieces)
	for range pieces {
		time.Sleep(pause)
		if _, err := io.WriteString(conn, "x"); err != nil {
			return "", err
		}
	}
	return bufio.NewReader(conn).ReadString('\n')
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(gate.Timeouts(h, timeout, timeout))
	t.Cleanup(s.Close)
	return s
}

func TestTimeoutsUpload(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
		// Verifying what was sent takes longer than the timeout, and is not the client's fault.
		time.Sleep(2 * timeout)
		if r.Context().Err() != nil {
			t.Errorf("request was cancelled: %v", r.Context().Err())
		}
		w.WriteHeader(http.StatusCreated)
	})
	addr := s.Listener.Addr().String()
	t.Run("slow", func(t *testing.T) {
		status, err := send(t, addr, 6, timeout/3)
		if err != nil || !strings.Contains(status, "201") {
			t.Errorf("got %q, %v", status, err)
		}
		if err := <-failed; err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutsStalledUpload(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
	if err := <-failed; err == nil {
		t.Error("the stalled upload was not cut")
	}
	if d := time.Since(start); d < timeout || d > 10*timeout {
		t.Errorf("cut after %s, want about %s", d, timeout)
	}
}

func TestTimeoutsStalledDownload(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 64<<20)) // more than the sockets hold
		failed <- err
	})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-failed:
		if err == nil {
			t.Error("64 MiB went to a client that reads nothing")
		}
	case <-time.After(30 * timeout):
		t.Error("the stalled download was not cut")
	}
}

// A connection is used again after a request that took its time.
func TestTimeoutsKeepAlive(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	for range 3 {
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		time.Sleep(timeout * 3 / 2)
	}
}

// HTTP/2 has a deadline for each stream, which must not end one that is at work.
func TestTimeoutsHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(gate.Timeouts(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		time.Sleep(2 * timeout)
		fmt.Fprint(w, n, err)
	}), timeout, timeout))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	r, w := io.Pipe()
	go func() {
		for range 6 {
			time.Sleep(timeout / 3)
			_, _ = io.WriteString(w, "x")
		}
		w.Close()
	}()
	resp, err := s.Client().Post(s.URL, "", r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "6 <nil>" || resp.ProtoMajor != 2 {
		t.Errorf("got %q over HTTP/%d, %v", body, resp.ProtoMajor, err)
	}
}

package gate_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/local/gate"
)

// spy is the server's ResponseWriter, and counts the files that are handed to it
// in a form that net sends without reading them.
type spy struct {
	http.ResponseWriter
	files *atomic.Int32
}

func (s spy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s spy) ReadFrom(src io.Reader) (int64, error) {
	if limited, ok := src.(*io.LimitedReader); ok {
		if _, ok := limited.R.(syscall.Conn); ok {
			s.files.Add(1)
		}
	}
	return s.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
}

// blobs serves a file through the whole chain, as the registry serves blobs.
// Path: the number of bytes, or "all".
func blobs(t *testing.T, content []byte, log io.Writer) (s *httptest.Server, files *atomic.Int32, result chan error) {
	t.Helper()
	name := file(t, "blob", string(content))
	result = make(chan error, 10)
	h, err := gate.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		var src io.Reader = f
		size := int64(len(content))
		if n, err := strconv.ParseInt(r.URL.Path[1:], 10, 64); err == nil {
			src, size = io.LimitReader(f, n), n
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		n, err := io.Copy(w, src)
		if err == nil && n != size {
			err = fmt.Errorf("copied %d bytes", n)
		}
		result <- err
	}), gate.Options{Log: logTo(log), Read: timeout, Write: timeout})
	if err != nil {
		t.Fatal(err)
	}
	files = new(atomic.Int32)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(spy{w, files}, r)
	}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew { // small, for a slow client to be noticed
			_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, files, result
}

func random(size int) []byte {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	return content
}

func TestSendFile(t *testing.T) {
	content := random(5<<20 + 77)
	log := new(safeBuffer)
	s, files, result := blobs(t, content, log)
	for path, test := range map[string]struct{ size, pieces int }{
		"all":                      {len(content), 6},
		strconv.Itoa(len(content)): {len(content), 6},
		strconv.Itoa(2 << 20):      {2 << 20, 2},
		strconv.Itoa(1000):         {1000, 1},
		strconv.Itoa(0):            {0, 0},
	} {
		files.Store(0)
		resp, err := s.Client().Get(s.URL + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(body, content[:test.size]) {
			t.Errorf("%s: got %d bytes of %d, or others; %v", path, len(body), test.size, err)
		}
		if err := <-result; err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if n := files.Load(); int(n) != test.pieces {
			t.Errorf("%s: %d pieces of a file reached the server, want %d", path, n, test.pieces)
		}
		log.wait(t, fmt.Sprintf("path=/%s status=200 bytes=%d", path, test.size))
	}
}

// download reads an answer through a small window, with a pause before each
// read.
func download(t *testing.T, s *httptest.Server, pause func() time.Duration) int {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	fmt.Fprint(conn, "GET /all HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	read, buf := 0, make([]byte, 16<<10)
	for {
		time.Sleep(pause())
		n, err := conn.Read(buf)
		read += n
		if err != nil {
			return read
		}
	}
}

// A client may take much longer for a piece than the timeout, if it takes some
// of it.
func TestSendFileSlowly(t *testing.T) {
	const size = 8 << 20 // more than the sockets hold
	s, _, result := blobs(t, make([]byte, size), io.Discard)
	begin := time.Now()
	read := download(t, s, func() time.Duration {
		if time.Since(begin) < 10*timeout {
			return timeout / 10
		}
		return 0
	})
	if err := <-result; err != nil || read < size {
		t.Errorf("a slow client got %d of %d bytes, %v", read, size, err)
	}
}

func TestSendFileStalled(t *testing.T) {
	s, _, result := blobs(t, make([]byte, 64<<20), io.Discard)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /all HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-result:
		if err == nil {
			t.Error("64 MiB went to a client that reads nothing")
		}
	case <-time.After(30 * timeout):
		t.Error("the stalled download was not cut")
	}
}

// Each request passes the whole chain, so that it must not cost much.
func TestRequestIsCheap(t *testing.T) {
	h, err := gate.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
		gate.Options{Log: logTo(io.Discard), Read: timeout, Write: timeout})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodHead, "/v2/a/blobs/sha256:aa", nil)
	w := httptest.NewRecorder()
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 20 {
		t.Errorf("%v allocations for each request", n)
	}
}

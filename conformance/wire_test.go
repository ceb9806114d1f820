package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Requests that net/http would not send are written to the connection as they are.

func (s *server) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
	return conn
}

// send writes a request and reads the answer while it writes, as the registry
// may answer before it has read everything. Without an answer the registry has
// closed the connection.
func (s *server) send(t testing.TB, request io.Reader) (a answer, answered bool) {
	t.Helper()
	conn := s.dial(t)
	go func() { _, _ = io.Copy(conn, request) }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
			t.Errorf("no answer: %v", err)
		}
		return a, false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body}, true
}

// tricks are paths that must lead nowhere.
var tricks = func() []string {
	digest := "sha256:" + strings.Repeat("a", 64)
	paths := []string{
		"/v2/../../../../etc/passwd", "/v2/..%2f..%2f..%2fetc%2fpasswd", "/v2/%2e%2e/%2e%2e/etc/passwd", "/../../etc/passwd",
		"/v2/a/blobs/sha256:../../../../../../etc/passwd", "/v2/a/blobs/sha256:..%2f..%2f..%2fdata", "/v2/a/blobs/" + digest + "%2f..",
		"/v2/a/blobs/../../" + digest, "/v2/a/blobs/sha256:", "/v2/a/blobs/:", "/v2/a/blobs/md5:" + strings.Repeat("a", 32),
		"/v2/a/blobs/sha256:" + strings.Repeat("A", 64), "/v2/a/blobs/sha256:" + strings.Repeat("a", 100_000/2),
		"/v2/a/blobs/uploads/..", "/v2/a/blobs/uploads/..%2f..%2f..", "/v2/a/blobs/uploads/%2e%2e", "/v2/a/blobs/uploads/x%00",
		"/v2/a/manifests/..", "/v2/a/manifests/%2e%2e", "/v2/a/manifests/..%2f..%2f_uploads", "/v2/a/manifests/x%00y", "/v2/a/manifests/a%5cb",
		"/v2/a/manifests/" + strings.Repeat("t", 129), "/v2/a/manifests/-x", "/v2/a/manifests/.x", "/v2/a/manifests/%20",
		"/v2/a/referrers/..", "/v2/a/referrers/sha256:..%2f..", "/v2/a/tags/list/../../../../etc",
	}
	for _, name := range []string{
		"..", "a/..", "../a", "a%2f..%2f..", "%2e%2e", "a%00b", "a%5c..%5cb", `a\..\b`, "A", "a//b", "a/_uploads", "_catalog/..", "a%0d%0ab",
		"a/" + strings.Repeat("b", 300), strings.Repeat("a/", 200) + "a", "-a", "a-", "a/./b", "%c0%ae%c0%ae", "a%20b", "a;b", "é",
	} {
		paths = append(paths, "/v2/"+name+"/tags/list", "/v2/"+name+"/manifests/latest", "/v2/"+name+"/blobs/"+digest, "/v2/"+name+"/blobs/uploads/")
	}
	return paths
}()

// hostilePaths sends each trick with each method. Nothing may be found, made or
// broken by it.
func hostilePaths(t *testing.T) {
	root := &filesystem{root: filepath.Join(t.TempDir(), "root")}
	s := newServer(t, setup{storage: root})
	for _, path := range tricks {
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"} {
			a, answered := s.send(t, strings.NewReader(method+" "+path+" HTTP/1.1\r\nHost: registry\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"))
			if answered && (a.status < 300 || a.status >= 500) {
				t.Errorf("%s %.120s: %v", method, path, a)
				break
			}
			if bytes.Contains(a.body, []byte("root:")) { // a line of /etc/passwd
				t.Fatalf("%s %s: %s", method, path, a.body)
			}
		}
	}
	made, err := filepath.Glob(filepath.Join(root.root, "docker/registry/v2/repositories/*"))
	if err != nil || len(made) > 0 {
		t.Errorf("repositories were made: %v, %v", made, err)
	}
	entries, err := os.ReadDir(root.root)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{"docker", ".berth-tmp", "berth.engine.lock"}, e.Name()) {
			t.Errorf("%s has %s", root.root, e)
		}
	}
}

// hostileHeaders sends headers that never end, and headers that are too big.
// Others are served meanwhile.
func hostileHeaders(t *testing.T) {
	s := newServer(t, setup{})
	if a, answered := s.send(t, strings.NewReader("GET /v2/ HTTP/1.1\r\nHost: registry\r\nX-Big: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")); answered && a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("1 MiB of headers: %v", a)
	}
	started := time.Now()
	var slow []net.Conn
	for range 100 {
		conn := s.dial(t)
		fmt.Fprint(conn, "GET /v2/ HTTP/1.1\r\nHost: registry\r\n")
		slow = append(slow, conn)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
			for n, conn := range slow {
				fmt.Fprintf(conn, "X-%d: 1\r\n", n)
			}
		}
	}()
	if a, err := s.client.get("/v2/"); err != nil || a.status != http.StatusOK {
		t.Errorf("beside slow headers: %v, %v", a, err)
	}
	for _, conn := range slow {
		_ = conn.SetReadDeadline(started.Add(20 * time.Second))
		_, err := io.Copy(io.Discard, conn)
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
			t.Fatalf("headers that do not end keep a connection for %s", time.Since(started))
		}
	}
}

// hostileBodies uploads bodies that stop in the middle.
func hostileBodies(t *testing.T) {
	s := newServer(t, setup{extra: map[string]any{"read_timeout": 2}})
	location, err := s.client.begin(t.Context(), "hostile/body")
	if err != nil {
		t.Fatal(err)
	}
	path := location[strings.Index(location, "/v2/"):]
	started := time.Now()
	a, answered := s.send(t, strings.NewReader("PATCH "+path+" HTTP/1.1\r\nHost: registry\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n0123456789"))
	if took := time.Since(started); took > 8*time.Second {
		t.Errorf("a stalled body keeps a connection for %s", took)
	}
	if answered && a.status < 400 {
		t.Errorf("a stalled body: %v", a)
	}
}

// hostileManifests sends manifests that are far too big: they are refused with
// an error of the spec, and the registry does not hold them in memory.
func hostileManifests(t *testing.T) {
	s := newServer(t, setup{})
	before := peakMemory(t, s)
	const size = 100 << 20
	head := "PUT /v2/hostile/big/manifests/latest HTTP/1.1\r\nHost: registry\r\nContent-Type: " + v1.MediaTypeImageManifest + "\r\n"
	for name, request := range map[string]io.Reader{
		"with its length": io.MultiReader(strings.NewReader(head+"Content-Length: "+strconv.Itoa(size)+"\r\n\r\n"), spaces(size)),
		"in one chunk": io.MultiReader(strings.NewReader(head+fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size)), spaces(size),
			strings.NewReader("\r\n0\r\n\r\n")),
	} {
		a, answered := s.send(t, request)
		if !answered || a.status != http.StatusRequestEntityTooLarge || len(a.codes()) == 0 {
			t.Errorf("100 MiB manifest %s: answered %t: %v", name, answered, a)
		}
	}
	// The race detector makes memory bigger several times.
	if grown, limit := peakMemory(t, s)-before, int64(48<<20); grown > limit && buildFlags == nil {
		t.Errorf("the registry's memory grew by %d MiB", grown>>20)
	}
}

// spaces is the white space that JSON allows before a value.
func spaces(n int64) io.Reader { return io.LimitReader(endless{}, n) }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// peakMemory returns the most memory that the server had, in bytes; 0 where the
// system does not tell.
func peakMemory(t testing.TB, s *server) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.proc.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands before a registry, on a port of its own, and spoils what it is
// told to. It counts what passes.
type proxy struct {
	t     testing.TB
	port  int
	front *httputil.ReverseProxy

	sent, received atomic.Int64 // bytes of bodies: of requests to blobs, of answers about blobs

	mu     sync.Mutex
	fault  fault
	left   int // how many more requests it spoils; below 0 all
	hits   int // how many it has spoilt
	seen   []exchange
	spoilt exchange      // the last one
	ended  chan struct{} // closed at the end of the test: what stalls ends
}

// fault spoils one exchange.
type fault struct {
	on    func(x exchange) bool
	serve func(p *proxy, w http.ResponseWriter, r *http.Request)
}

// exchange is a request as a fault sees it.
type exchange struct {
	at     time.Time
	method string
	part   string // manifests, blobs, uploads, referrers, tags; "" for others
	path   string
	later  bool   // of an upload that has got bytes before
	nth    int    // of its method, from 1
	auth   string // the header Authorization
}

// newProxy puts a proxy before the registry at an URL.
func newProxy(t testing.TB, upstream string) *proxy {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, ended: make(chan struct{})}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	p.front = &httputil.ReverseProxy{
		Transport: transport,
		// Locations in answers keep leading to the proxy: the registry goes by Host.
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval: -1,
		ErrorLog:      quiet(),
	}
	p.port = serveHTTP(t, http.HandlerFunc(p.serve))
	t.Cleanup(func() { close(p.ended); transport.CloseIdleConnections() })
	return p
}

// serveHTTP serves on a free port of 127.0.0.1 until the test ends.
func serveHTTP(t testing.TB, handler http.Handler) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, ErrorLog: quiet()}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

// host is how a client writes the place of the proxy.
func (p *proxy) host() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// alias is another name of the same: for berth it is another registry.
func (p *proxy) alias() string { return fmt.Sprintf("localhost:%d", p.port) }

// spoil lets a fault happen to the next exchanges that it is about; below 0 to all.
func (p *proxy) spoil(f fault, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.left, p.hits, p.seen = f, times, 0, nil
}

func (p *proxy) heal() (hits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault{}
	return p.hits
}

// requests returns what was asked since the last spoil.
func (p *proxy) requests(of func(exchange) bool) (list []exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.seen {
		if of(x) {
			list = append(list, x)
		}
	}
	return list
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	if f := p.pick(r); f != nil {
		f(p, w, r)
		return
	}
	p.forward(w, r)
}

// pick notes an exchange and returns what spoils it, or nil.
func (p *proxy) pick(r *http.Request) func(*proxy, http.ResponseWriter, *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := exchange{at: time.Now(), method: r.Method, path: r.URL.Path, part: partOf(r.URL.Path), nth: 1, auth: r.Header.Get("Authorization")}
	for _, before := range p.seen {
		if before.method == x.method {
			x.nth++
		}
		x.later = x.later || x.part == "uploads" && before.method == http.MethodPatch && before.path == x.path
	}
	p.seen = append(p.seen, x)
	if p.fault.on == nil || p.left == 0 || !p.fault.on(x) {
		return nil
	}
	p.left--
	p.hits++
	p.spoilt = x
	return p.fault.serve
}

// partOf says which part of the API a path belongs to.
func partOf(path string) string {
	if strings.Contains(path, "/blobs/uploads") {
		return "uploads"
	}
	for _, part := range []string{"manifests", "blobs", "referrers", "tags"} {
		if strings.Contains(path, "/"+part+"/") {
			return part
		}
	}
	return ""
}

// forward passes an exchange on as it is.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	p.through(w, r, nil, nil)
}

// through passes an exchange on with bodies that pass through others; nil for as
// they are.
func (p *proxy) through(w http.ResponseWriter, r *http.Request, request func(io.Reader) io.Reader, answer func(*http.Response)) {
	part := partOf(r.URL.Path)
	body := io.Reader(r.Body)
	if part == "uploads" {
		body = &counting{body, &p.sent}
	}
	if request != nil {
		body = request(body)
	}
	if r.ContentLength != 0 {
		r.Body = struct {
			io.Reader
			io.Closer
		}{body, r.Body}
	}
	front := *p.front
	front.ModifyResponse = func(resp *http.Response) error {
		if answer != nil {
			answer(resp)
		}
		if part == "blobs" && r.Method == http.MethodGet {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{&counting{resp.Body, &p.received}, resp.Body}
		}
		return nil
	}
	front.ServeHTTP(w, r)
}

type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// What exchanges a fault is about.

func gets(part string) func(exchange) bool {
	return func(x exchange) bool { return x.method == http.MethodGet && x.part == part }
}

func methods(method string) func(exchange) bool {
	return func(x exchange) bool { return x.method == method && x.part != "" }
}

// uploads are the requests that carry content of blobs.
func uploads(x exchange) bool {
	return x.part == "uploads" && (x.method == http.MethodPatch || x.method == http.MethodPut)
}

func puts(part string) func(exchange) bool {
	return func(x exchange) bool { return x.method == http.MethodPut && x.part == part }
}

// tagged are the requests that set the tag v1.
func tagged(x exchange) bool {
	return x.method == http.MethodPut && strings.HasSuffix(x.path, "/manifests/v1")
}

// after is on for the requests from the nth of a method on.
func after(n int, on func(exchange) bool) func(exchange) bool {
	return func(x exchange) bool { return x.nth >= n && on(x) }
}

// What spoils them.

var errCut = errors.New("cut")

// cutAnswer ends the connection after n bytes of a longer answer, whose length is
// said to be what it was.
func cutAnswer(n int64) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(p *proxy, w http.ResponseWriter, r *http.Request) {
		p.through(w, r, nil, func(resp *http.Response) {
			if resp.ContentLength <= n {
				return
			}
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(resp.Body, n), failing{}), resp.Body}
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

// unranged cuts answers, and serves the whole when a part is asked for.
func unranged(p *proxy, w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Range") == "" {
		cutAnswer(4*mib)(p, w, r)
		return
	}
	r.Header.Del("Range")
	p.forward(w, r)
}

// shifted cuts answers, and serves parts that begin one byte later than was asked
// for.
func shifted(p *proxy, w http.ResponseWriter, r *http.Request) {
	var first int64
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &first); err != nil {
		cutAnswer(4*mib)(p, w, r)
		return
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-", first+1))
	p.forward(w, r)
}

// shorten leaves out the last n bytes of an answer, and says so in its length.
func shorten(n int64) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(p *proxy, w http.ResponseWriter, r *http.Request) {
		p.through(w, r, nil, func(resp *http.Response) {
			size := max(resp.ContentLength-n, 0)
			resp.ContentLength = size
			resp.Header.Set("Content-Length", fmt.Sprint(size))
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(resp.Body, size), resp.Body}
		})
	}
}

// cutRequest ends both connections after n bytes of the request.
func cutRequest(n int64) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(p *proxy, w http.ResponseWriter, r *http.Request) {
		p.through(w, r, func(body io.Reader) io.Reader { return &cutting{body, n} }, nil)
		panic(http.ErrAbortHandler) // where the body was shorter
	}
}

// cutting fails after so many bytes; what is shorter ends as it does.
type cutting struct {
	io.Reader
	left int64
}

func (c *cutting) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errCut
	}
	n, err := c.Reader.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// flipAnswer changes one bit of the answer's byte at an offset; flipRequest of the
// request's.
func flipAnswer(at int64) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(p *proxy, w http.ResponseWriter, r *http.Request) {
		p.through(w, r, nil, func(resp *http.Response) {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{&flipping{Reader: resp.Body, at: at}, resp.Body}
		})
	}
}

func flipRequest(at int64) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(p *proxy, w http.ResponseWriter, r *http.Request) {
		p.through(w, r, func(body io.Reader) io.Reader { return &flipping{Reader: body, at: at} }, nil)
	}
}

type flipping struct {
	io.Reader
	pos, at int64
}

func (f *flipping) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if f.pos <= f.at && f.at < f.pos+int64(n) {
		b[f.at-f.pos] ^= 1
	}
	f.pos += int64(n)
	return n, err
}

// answers answers in the registry's place, which hears of nothing.
func answers(status int, header ...string) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(_ *proxy, w http.ResponseWriter, r *http.Request) {
		for n := 0; n+1 < len(header); n += 2 {
			w.Header().Set(header[n], header[n+1])
		}
		w.WriteHeader(status)
	}
}

// stalls takes the request and says nothing.
func stalls(p *proxy, _ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	case <-p.ended:
	}
	panic(http.ErrAbortHandler)
}

// lost does what is asked and ends the connection instead of answering.
func lost(p *proxy, w http.ResponseWriter, r *http.Request) {
	p.through(w, r, nil, func(*http.Response) { panic(http.ErrAbortHandler) })
}

// redirects leads to another port, where the content is.
func redirects(storage string) func(*proxy, http.ResponseWriter, *http.Request) {
	return func(_ *proxy, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, storage+r.URL.Path, http.StatusTemporaryRedirect)
	}
}

// until polls for something that another process does.
func until(ctx context.Context, what func() bool) bool {
	for !what() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

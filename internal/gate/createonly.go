package gate

import (
	"net/http"
	"strings"
	"sync"
)

// CreateOnly makes the registry behind next honour `If-None-Match: *` on a
// manifest PUT by tag (RFC 9110, section 13.1.2): the request fails with 412
// when the tag is there already. PUTs of one tag pass one after the other, so
// that of two clients that create it exactly one succeeds.
func CreateOnly(next http.Handler) http.Handler {
	c := &createOnly{next: next, tags: map[string]*turn{}}
	return http.HandlerFunc(c.serve)
}

type createOnly struct {
	next http.Handler

	mu   sync.Mutex
	tags map[string]*turn // by path: those with a PUT under way
}

// turn lets the PUTs of one tag pass one by one.
type turn struct {
	sync.Mutex
	waiting int
}

func (c *createOnly) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || !isTagPath(r.URL.Path) {
		c.next.ServeHTTP(w, r)
		return
	}
	defer c.enter(r.URL.Path)()
	if r.Header.Get("If-None-Match") == "*" {
		head := r.Clone(r.Context())
		head.Method, head.Body, head.ContentLength = http.MethodHead, http.NoBody, 0
		head.Header.Del("If-None-Match")
		head.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "+
			"application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json")
		answer := &statusOnly{header: http.Header{}}
		c.next.ServeHTTP(answer, head)
		if answer.status == http.StatusOK || answer.status == 0 { // 0: nothing written means 200
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"the tag exists"}]}`))
			return
		}
	}
	c.next.ServeHTTP(w, r)
}

// enter waits for the turn of a PUT; the function it returns ends it.
func (c *createOnly) enter(path string) func() {
	c.mu.Lock()
	t := c.tags[path]
	if t == nil {
		t = &turn{}
		c.tags[path] = t
	}
	t.waiting++
	c.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(c.tags, path)
		}
	}
}

// isTagPath reports whether a path names a manifest by tag: a digest has a
// colon, a tag has none.
func isTagPath(path string) bool {
	i := strings.LastIndex(path, "/manifests/")
	return i >= 0 && strings.HasPrefix(path, "/v2/") && !strings.Contains(path[i:], ":")
}

// statusOnly is a ResponseWriter that keeps nothing but the status.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header { return s.header }

func (s *statusOnly) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
}

func (s *statusOnly) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return len(p), nil
}

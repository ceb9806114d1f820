package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestCreateOnly lets many clients create one tag at once: one succeeds.
func TestCreateOnly(t *testing.T) {
	var mu sync.Mutex
	tags := map[string]bool{}
	server := httptest.NewServer(CreateOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodHead && !tags[r.URL.Path]:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodPut:
			tags[r.URL.Path] = true
			w.WriteHeader(http.StatusCreated)
		}
	})))
	defer server.Close()
	put := func(path, condition string) int {
		req, err := http.NewRequest(http.MethodPut, server.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			return 0
		}
		if condition != "" {
			req.Header.Set("If-None-Match", condition)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	var created, refused atomic.Int32
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			switch status := put("/v2/demo/manifests/1.0", "*"); status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusPreconditionFailed:
				refused.Add(1)
			default:
				t.Errorf("status %d", status)
			}
		})
	}
	clients.Wait()
	if created.Load() != 1 || refused.Load() != 19 {
		t.Errorf("%d created the tag, %d were refused", created.Load(), refused.Load())
	}
	for _, path := range []string{"/v2/demo/manifests/1.0", "/v2/demo/manifests/sha256:aa"} {
		if status := put(path, ""); status != http.StatusCreated {
			t.Errorf("without the condition, PUT %s answers %d", path, status)
		}
	}
	if status := put("/v2/demo/manifests/sha256:aa", "*"); status != http.StatusCreated {
		t.Errorf("a digest always names the same content, PUT answers %d", status)
	}
}

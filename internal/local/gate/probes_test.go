package gate_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-oci/berth/internal/local/gate"
)

func probe(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var fault error
		h := gate.Probes(http.NotFoundHandler(), func(context.Context) error {
			calls.Add(1)
			time.Sleep(100 * time.Millisecond)
			return fault
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if w := probe(h, "/readyz"); w.Code != 200 || w.Body.String() != "ok\n" {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
			})
		}
		all.Wait()
		fault = errors.New("the disk is gone")
		if w := probe(h, "/readyz"); w.Code != 200 || calls.Load() != 1 {
			t.Errorf("the result was not kept: %d after %d calls", w.Code, calls.Load())
		}
		time.Sleep(2 * time.Second)
		if w := probe(h, "/readyz"); w.Code != 503 || !strings.Contains(w.Body.String(), "the disk is gone") {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if w := probe(h, "/livez"); w.Code != 200 {
			t.Errorf("/livez answers %d", w.Code)
		}
	})
}

// A check may hang, panic, or heed its context.
func TestReadinessFails(t *testing.T) {
	end := make(chan struct{})
	for name, check := range map[string]func(context.Context) error{
		"does not end": func(context.Context) error { <-end; return nil },
		"oops":         func(context.Context) error { panic("oops") },
		"deadline":     func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			end = make(chan struct{})
			h := gate.Probes(http.NotFoundHandler(), check)
			for range 2 {
				begin := time.Now()
				w := probe(h, "/readyz")
				if w.Code != 503 || !strings.Contains(w.Body.String(), name) {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
				if d := time.Since(begin); d > 6*time.Second {
					t.Errorf("answered after %s", d)
				}
			}
			close(end)
		})
	}
}

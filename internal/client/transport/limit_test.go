package transport

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-oci/berth/spec"
)

type answer struct{}

func (answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// send sends a request through a layer.
func send(t *testing.T, layer http.RoundTripper, method string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://registry.example/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := layer.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// Ten a second is ten a second over a minute, whoever asks and however long the
// answers take; the burst comes on top, once.
func TestRateOverAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(answer{}, spec.RateLimit{RequestsPerSecond: 10, Burst: 20})
		var sent atomic.Int32
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				for {
					req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://registry.example/v2/", nil)
					resp, err := l.RoundTrip(req)
					if err != nil {
						return
					}
					resp.Body.Close()
					sent.Add(1)
					time.Sleep(time.Duration(i) * 17 * time.Millisecond)
				}
			})
		}
		clients.Wait()
		if rate := float64(sent.Load()-20) / 60; rate < 9.5 || rate > 10.5 {
			t.Errorf("%d requests in a minute: %.2f a second", sent.Load(), rate)
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(answer{}, spec.RateLimit{RequestsPerSecond: 1, Burst: 1})
		send(t, l, http.MethodGet)
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(100*time.Millisecond, cancel)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://registry.example/v2/", nil)
		if _, err := l.RoundTrip(req); !errors.Is(err, context.Canceled) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// Time is synctest's: it passes only in the limiters.
func TestPullAndPushLimits(t *testing.T) {
	of := func(n int) *int { return &n }
	both := spec.RateLimit{RequestsPerSecond: 1000, Burst: 1000, PullLimit: of(10), PushLimit: of(2)}
	for _, c := range []struct {
		name, method string
		limits       spec.RateLimit
		want         time.Duration // of 22 requests
	}{
		{"pull", http.MethodGet, both, 1200 * time.Millisecond},  // 10 at once, 12 at 10 a second
		{"head", http.MethodHead, both, 1200 * time.Millisecond}, // reads as well
		{"push", http.MethodPut, both, 10 * time.Second},         // 2 at once, 20 at 2 a second
		{"post", http.MethodPost, both, 10 * time.Second},
		{"none", http.MethodGet, spec.RateLimit{RequestsPerSecond: 1000, Burst: 1000}, 0},
		{"total", http.MethodGet, spec.RateLimit{RequestsPerSecond: 1, Burst: 2, PullLimit: of(10)}, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimit(answer{}, c.limits)
				start := time.Now()
				for range 22 {
					send(t, l, c.method)
				}
				if took := time.Since(start); (took - c.want).Abs() > time.Millisecond {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}

package transport

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-oci/berth/spec"
)

type answer struct{}

func (answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
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
					req, err := http.NewRequestWithContext(t.Context(), c.method, "http://registry.example/v2/", nil)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := l.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
				}
				if took := time.Since(start); (took - c.want).Abs() > time.Millisecond {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}

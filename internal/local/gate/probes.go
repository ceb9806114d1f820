package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/berth-oci/berth/internal/base/oci"
)

// How long an answer of readiness holds, and how long it may take to find.
const (
	readyFor   = time.Second
	readyLimit = 5 * time.Second
)

// Probes answers GET and HEAD of /livez, as long as the process answers at all,
// and of /readyz: 200 if ready returns nil, else 503 with its error. They ask
// for no credentials, so ready runs once a second at most, and gets a context
// that is done after five. A nil ready is always so.
func Probes(next http.Handler, ready func(context.Context) error) http.Handler {
	if ready == nil {
		ready = func(context.Context) error { return nil }
	}
	readiness := &readiness{check: ready}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var fault error
		switch r.URL.Path {
		case "/livez":
		case "/readyz":
			fault = readiness.get(r.Context())
		default:
			next.ServeHTTP(w, r)
			return
		}
		answerProbe(w, r, fault)
	})
}

func answerProbe(w http.ResponseWriter, r *http.Request, fault error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, oci.CodeUnsupported, "a probe is read with GET or HEAD")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if fault != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintf(w, "not ready: %v\n", fault)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// readiness keeps the last result of check, and runs it once for all who ask at
// the same time.
type readiness struct {
	check func(context.Context) error

	mu      sync.Mutex
	running chan struct{} // closed when the check under way ends; else nil
	until   time.Time
	fault   error
}

// get returns the result of check. A check that does not heed its context, as one
// that hangs in the kernel, is not waited for.
func (r *readiness) get(ctx context.Context) error {
	r.mu.Lock()
	if r.running == nil && time.Now().Before(r.until) {
		defer r.mu.Unlock()
		return r.fault
	}
	if r.running == nil {
		r.running = make(chan struct{})
		// Not the context of the request: others wait for the result, too.
		go r.run(context.WithoutCancel(ctx), r.running)
	}
	running := r.running
	r.mu.Unlock()

	limit := time.NewTimer(readyLimit + readyLimit/10) // for check to return its own error
	defer limit.Stop()
	select {
	case <-running:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.fault
	case <-limit.C:
		return errors.New("the check does not end")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *readiness) run(ctx context.Context, running chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	var fault error
	defer func() {
		if cause := recover(); cause != nil {
			fault = fmt.Errorf("the check failed: %v", cause)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.fault, r.until, r.running = fault, time.Now().Add(readyFor), nil
		close(running)
	}()
	fault = r.check(ctx)
}

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/spec"
)

// maxRedirects is how often a request is led on, as net/http has it.
const maxRedirects = 10

// checkRedirect drops credentials when redirects leave the registry, and for
// good: who led away must not choose what they are shown to. net/http does so
// too, but counts other ports, schemes and subdomains as the same host. Range and
// all other headers stay.
func checkRedirect(req *http.Request, via []*http.Request) error {
	const hint = "the registry, or a proxy on the way, is set up wrongly: its log says more"
	if len(via) >= maxRedirects {
		return diag.Errorf(diag.RegistryRefused, "%s leads from one place to the next, %d times", via[0].URL.Host, len(via)).WithHint(hint)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return diag.Errorf(diag.RegistryRefused, "%s leads to a place of %.20q, and not of the web", via[0].URL.Host, req.URL.Scheme).WithHint(hint)
	}
	for _, hop := range append(via[1:len(via):len(via)], req) {
		if !sameOrigin(hop.URL, via[0].URL) {
			for _, name := range []string{"Authorization", "Cookie", "Referer"} {
				req.Header.Del(name)
			}
		}
	}
	return nil
}

// guard keeps redirects and token servers from leaving TLS unnoticed.
type guard struct {
	next   http.RoundTripper
	target *resolve.Target
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	host := resolve.Endpoint{Host: req.URL.Hostname()}
	if req.URL.Scheme == "http" && !host.IsLoopback() && !g.target.Pull.AllowInsecure {
		return nil, g.target.Fault(diag.Insecure, "tls_enabled", "the registry leads to plain HTTP at %s", req.URL.Host).
			WithHint("let the registry use https there, or set pull_policy.allow_insecure to true")
	}
	return g.next.RoundTrip(req)
}

// limit keeps to the config's request rates; each retry counts. A request has
// to pass all, and its own kind's, which is by its method: what reads is a pull,
// what writes a push. So the questions that a push asks count as pulls.
type limit struct {
	next            http.RoundTripper
	all, pull, push *rate.Limiter
}

func newLimit(next http.RoundTripper, l spec.RateLimit) limit {
	return limit{
		next: next, all: rate.NewLimiter(rate.Limit(l.RequestsPerSecond), l.Burst),
		pull: limiterOf(l.PullLimit), push: limiterOf(l.PushLimit),
	}
}

// limiterOf lets a second's worth through at once; without a limit, everything.
func limiterOf(perSecond *int) *rate.Limiter {
	if perSecond == nil || *perSecond <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(*perSecond), *perSecond)
}

func (l limit) RoundTrip(req *http.Request) (*http.Response, error) {
	kind := l.push
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		kind = l.pull
	}
	// The slower one first: what waits for it holds no place of the other.
	for _, limiter := range []*rate.Limiter{kind, l.all} {
		if err := limiter.Wait(req.Context()); err != nil {
			return nil, err
		}
	}
	return l.next.RoundTrip(req)
}

// stalled is the error of a connection on which nothing moved for too long.
type stalled struct{ after time.Duration }

func (s stalled) Error() string   { return fmt.Sprintf("no answer within %v", s.after) }
func (s stalled) Timeout() bool   { return true }
func (s stalled) Temporary() bool { return true }

type patienceKey struct{}

// Patient allows a registry more time, beyond the timeout, between the end of a
// request of the context and its answer.
func Patient(ctx context.Context, more time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, more)
}

// stall ends an exchange on which nothing moves for as long as timeout: not
// while connecting, not in the request's body, not before the response's
// headers, not in its body. The whole may take as long as it takes.
type stall struct {
	next    http.RoundTripper
	timeout time.Duration // 0 for none
}

func (s stall) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.timeout <= 0 {
		return s.next.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	more, _ := ctx.Value(patienceKey{}).(time.Duration)
	timer := time.AfterFunc(s.timeout+more, func() { cancel(stalled{s.timeout + more}) })
	watch := watched{ctx: ctx, timer: timer, timeout: s.timeout, cancel: cancel}
	out := req.WithContext(ctx)
	var body *requestBody
	if req.Body != nil && req.Body != http.NoBody {
		body = &requestBody{ReadCloser: req.Body, watched: watch, more: more}
		out.Body = body
	}
	resp, err := s.next.RoundTrip(out)
	body.answered()
	timer.Stop()
	if err != nil {
		err = watch.cause(err)
		cancel(nil)
		return nil, err
	}
	resp.Body = &responseBody{resp.Body, watch}
	return resp, nil
}

type watched struct {
	ctx     context.Context
	timer   *time.Timer
	timeout time.Duration
	cancel  context.CancelCauseFunc
}

func (w watched) cause(err error) error {
	if s, ok := errors.AsType[stalled](context.Cause(w.ctx)); ok && err != nil && err != io.EOF {
		return s
	}
	return err
}

// requestBody stops the timer while it waits for what is to be sent: a slow source
// is not the registry's fault.
type requestBody struct {
	io.ReadCloser
	watched
	more time.Duration // to wait for the answer

	mu   sync.Mutex
	done bool // the answer is there: the timer is the response's
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.run(0)
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.run(b.timeout + b.more)
	} else {
		b.run(b.timeout)
	}
	return n, err
}

// run lets the timer run for d; 0 stops it.
func (b *requestBody) run(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.done:
	case d == 0:
		b.timer.Stop()
	default:
		b.timer.Reset(d)
	}
}

// answered ends the use of the timer. The body may still be read.
func (b *requestBody) answered() {
	if b != nil {
		b.mu.Lock()
		b.done = true
		b.mu.Unlock()
	}
}

// responseBody runs the timer only while it waits for bytes: a slow consumer is
// not the registry's fault.
type responseBody struct {
	io.ReadCloser
	watched
}

func (b *responseBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.timeout)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	return n, b.cause(err)
}

func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.timer.Stop()
	b.cancel(nil)
	return err
}

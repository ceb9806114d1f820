package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/resolve"
	"github.com/berth-oci/berth/spec"
)

// bearer adds a static token to requests to the registry's own host: the first
// of its file, where a local registry accepts several.
type bearer struct {
	next   http.RoundTripper
	target *resolve.Target
}

func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.target.Endpoint.HostPort() || req.URL.Scheme != b.target.Endpoint.Scheme {
		return b.next.RoundTrip(req)
	}
	tokens, err := b.target.Auth.Token.Lines()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+tokens[0])
	return b.next.RoundTrip(req)
}

// checkRedirect drops credentials when a redirect leaves the host. net/http
// does so too, but counts other ports and subdomains as the same host.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		req.Header.Del("Authorization")
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
	timer := time.AfterFunc(s.timeout, func() { cancel(stalled{s.timeout}) })
	watch := watched{ctx: ctx, timer: timer, timeout: s.timeout, cancel: cancel}
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = &requestBody{req.Body, watch}
	}
	resp, err := s.next.RoundTrip(out)
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

type requestBody struct {
	io.ReadCloser
	watched
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.timeout)
	return b.ReadCloser.Read(p)
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

package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http2"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/internal/config/resolve"
)

// policy says how often and after how long something is tried again.
type policy struct {
	retries int
	delay   time.Duration
	growth  float64
}

// maxDelay bounds a single wait, so that a registry cannot ask for a day.
const maxDelay = 5 * time.Minute

// policyOf takes the config's numbers. A registry on this machine is there or is
// not: it gets a few fast retries.
func policyOf(t *resolve.Target) policy {
	if t.Deployment == "local" || t.Endpoint.IsLoopback() {
		return policy{min(t.Client.Retries, 3), 50 * time.Millisecond, 2}
	}
	return policy{t.Client.Retries, t.Client.RetryDelay, t.Client.RetryBackoff}
}

// wait sleeps before the given retry, counted from 0: exponential, and between
// half and the whole of it at random, so that clients do not return together.
// What the registry asked for in after goes before.
func (p policy) wait(ctx context.Context, retry int, after time.Duration) error {
	grown := float64(p.delay) * math.Pow(p.growth, float64(retry)) * (0.5 + rand.Float64()/2)
	d := max(time.Duration(min(grown, float64(maxDelay))), min(after, maxDelay))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Retry calls f again, by the target's policy, while it fails with something
// that may pass: for exchanges of several requests, or whose body only the
// caller can replay, or that have to ask first what the registry has got, as
// uploads do. A Refusal among the errors says how long to wait at least. The
// last error tells how many attempts there were.
func (c *Client) Retry(ctx context.Context, f func() error) error {
	for n := 0; ; n++ {
		err := f()
		if err == nil || ctx.Err() != nil || n >= c.policy.retries || !Transient(err) {
			if err != nil && n > 0 && ctx.Err() == nil {
				err = &tried{err, n + 1}
			}
			return err
		}
		var after time.Duration
		if r, ok := errors.AsType[*Refusal](err); ok {
			after = r.After
		}
		if err := c.policy.wait(ctx, n, after); err != nil {
			return err
		}
	}
}

// tried is an error that persisted.
type tried struct {
	error
	attempts int
}

func (t *tried) Error() string { return fmt.Sprintf("%v (after %d attempts)", t.error, t.attempts) }
func (t *tried) Unwrap() error { return t.error }

// Transient reports whether a second attempt may succeed: the connection
// failed, the registry or a proxy answered that it is busy or broken, or a token
// has been renewed.
func Transient(err error) bool {
	if _, ok := errors.AsType[expired](err); ok {
		return true
	}
	if p, ok := errors.AsType[*proxyError](err); ok && p.cause == nil {
		return busy(p.status)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert: the other side says no
		return false
	}
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return busy(answer.StatusCode)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if isHTTP2(err) {
		return true
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return !dns.IsNotFound
	}
	_, network := errors.AsType[net.Error](err)
	_, op := errors.AsType[*net.OpError](err)
	return !errors.Is(err, context.Canceled) && (op || network && isTimeout(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// isHTTP2 reports whether a stream, or the connection that carries it, was ended by
// the other side. net/http has types for these that nobody else can name.
func isHTTP2(err error) bool {
	if _, ok := errors.AsType[http2.StreamError](err); ok {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		for _, beginning := range []string{"server sent GOAWAY", "client connection lost", "Transport: cannot retry err", "Transport received Server's graceful shutdown"} {
			if strings.HasPrefix(err.Error(), "http2: "+beginning) {
				return true
			}
		}
	}
	return false
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func busy(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retry repeats single requests that may be repeated without harm.
type retry struct {
	next http.RoundTripper
	policy
}

func (r retry) RoundTrip(req *http.Request) (*http.Response, error) {
	for n := 0; ; n++ {
		if x := exchangeOf(req.Context()); x != nil {
			x.attempts = n + 1
		}
		resp, err := r.next.RoundTrip(req)
		if n >= r.retries || !repeatable(req, resp) || !passing(resp, err) || req.Context().Err() != nil {
			return resp, err
		}
		var after time.Duration
		if resp != nil {
			after = retryAfter(resp.Header.Get("Retry-After"))
			_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // lets the connection be used again
			resp.Body.Close()
		}
		if err := r.wait(req.Context(), n, after); err != nil {
			return nil, err
		}
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			req = req.Clone(req.Context())
			req.Body = body
		}
	}
}

func passing(resp *http.Response, err error) bool {
	if err != nil {
		return Transient(err)
	}
	return busy(resp.StatusCode)
}

// repeatable: a POST only when the registry said that it did nothing. After a
// PUT or PATCH that the registry failed at, or one of an upload that was cut, only
// the caller can find out what of it is there. A body that can be sent only once
// is the caller's as well.
func repeatable(req *http.Request, resp *http.Response) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	nothingDone := resp != nil && resp.StatusCode == http.StatusTooManyRequests
	switch req.Method {
	case http.MethodPost:
		return nothingDone || resp != nil && resp.StatusCode == http.StatusServiceUnavailable
	case http.MethodPatch:
		return nothingDone
	case http.MethodPut:
		return resp == nil && !isBulk(req.Context()) || resp != nil && resp.StatusCode < 500
	}
	return true
}

// retryAfter parses RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return min(time.Duration(min(seconds, 86400))*time.Second, maxDelay)
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

// Pause waits as the target's policy has it before a retry, counted from 0: for
// exchanges whose progress only the caller knows.
func (c *Client) Pause(ctx context.Context, retry int) error { return c.policy.wait(ctx, retry, 0) }

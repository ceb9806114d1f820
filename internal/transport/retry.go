package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/internal/resolve"
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
	d := time.Duration(float64(p.delay) * math.Pow(p.growth, float64(retry)) * (0.5 + rand.Float64()/2))
	d = min(max(d, after), maxDelay)
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
// caller can replay.
func (c *Client) Retry(ctx context.Context, f func() error) error {
	for n := 0; ; n++ {
		err := f()
		if err == nil || n >= c.policy.retries || ctx.Err() != nil || !Transient(err) {
			return err
		}
		if err := c.policy.wait(ctx, n, 0); err != nil {
			return err
		}
	}
}

// Transient reports whether a second attempt may succeed: the connection
// failed, or the registry answered that it is busy or broken.
func Transient(err error) bool {
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return busy(answer.StatusCode)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
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

// repeatable: a POST or PATCH only when the registry said that it did nothing.
func repeatable(req *http.Request, resp *http.Response) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case http.MethodPost, http.MethodPatch:
		return resp != nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable)
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

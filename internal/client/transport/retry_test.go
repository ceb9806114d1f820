package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

// script answers requests one after the other; the last one forever.
type script struct {
	answers []func() (*http.Response, error)
	calls   int
	at      []time.Time
	bodies  []string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		data, _ := io.ReadAll(req.Body)
		body = string(data)
	}
	s.bodies, s.at = append(s.bodies, body), append(s.at, time.Now())
	resp, err := s.answers[min(s.calls, len(s.answers)-1)]()
	s.calls++
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

func status(code int, retryAfter ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		header := http.Header{}
		if len(retryAfter) > 0 {
			header.Set("Retry-After", retryAfter[0])
		}
		return &http.Response{StatusCode: code, Header: header, Body: http.NoBody}, nil
	}
}

func broken() (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
}

// What is sent again, and what is the caller's.
func TestRepeatedRequests(t *testing.T) {
	for name, test := range map[string]struct {
		method string
		stream bool // the body can be sent once
		first  func() (*http.Response, error)
		calls  int
	}{
		"GET 408":             {http.MethodGet, false, status(408), 2},
		"GET 429":             {http.MethodGet, false, status(429), 2},
		"GET 500":             {http.MethodGet, false, status(500), 2},
		"GET 501":             {http.MethodGet, false, status(501), 1},
		"GET 502":             {http.MethodGet, false, status(502), 2},
		"GET 503":             {http.MethodGet, false, status(503), 2},
		"GET 504":             {http.MethodGet, false, status(504), 2},
		"GET 404":             {http.MethodGet, false, status(404), 1},
		"GET broken":          {http.MethodGet, false, broken, 2},
		"HEAD 503":            {http.MethodHead, false, status(503), 2},
		"DELETE 503":          {http.MethodDelete, false, status(503), 2},
		"POST 429":            {http.MethodPost, false, status(429), 2},
		"POST 503":            {http.MethodPost, false, status(503), 2},
		"POST 500":            {http.MethodPost, false, status(500), 1},
		"POST 502":            {http.MethodPost, false, status(502), 1},
		"POST broken":         {http.MethodPost, false, broken, 1},
		"PATCH 429":           {http.MethodPatch, false, status(429), 2},
		"PATCH 503":           {http.MethodPatch, false, status(503), 1},
		"PATCH broken":        {http.MethodPatch, false, broken, 1},
		"PUT 429":             {http.MethodPut, false, status(429), 2},
		"PUT 500":             {http.MethodPut, false, status(500), 1},
		"PUT 503":             {http.MethodPut, false, status(503), 1},
		"PUT broken":          {http.MethodPut, false, broken, 2},
		"PUT 429, a stream":   {http.MethodPut, true, status(429), 1},
		"PATCH 429, a stream": {http.MethodPatch, true, status(429), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []func() (*http.Response, error){test.first, status(200)}}
				var body io.Reader
				if test.method != http.MethodGet && test.method != http.MethodHead {
					body = strings.NewReader("content")
				}
				if test.stream {
					body = io.MultiReader(body)
				}
				req, _ := http.NewRequestWithContext(t.Context(), test.method, "http://registry.example/", body)
				_, err := retry{s, policy{3, time.Second, 2}}.RoundTrip(req)
				if s.calls != test.calls || test.calls > 1 && err != nil {
					t.Errorf("sent %d times, want %d: %v", s.calls, test.calls, err)
				}
				for _, sent := range s.bodies {
					if body != nil && sent != "content" {
						t.Errorf("sent %q", s.bodies)
					}
				}
			})
		})
	}
}

// How long the pauses between four attempts are.
func TestPauses(t *testing.T) {
	type span struct{ least, most time.Duration }
	grown := []span{{500 * time.Millisecond, time.Second}, {time.Second, 2 * time.Second}, {2 * time.Second, 4 * time.Second}}
	exactly := func(d time.Duration) []span { return []span{{d, d}, {d, d}, {d, d}} }
	for name, test := range map[string]struct {
		policy policy
		first  func() (*http.Response, error)
		want   []span
	}{
		"backoff":        {policy{3, time.Second, 2}, broken, grown},
		"429 says none":  {policy{3, time.Second, 2}, status(429), grown},
		"seconds":        {policy{3, time.Second, 2}, status(429, "7"), exactly(7 * time.Second)},
		"503 as well":    {policy{3, time.Second, 2}, status(503, "7"), exactly(7 * time.Second)},
		"no less":        {policy{3, time.Second, 2}, status(429, "0"), grown},
		"negative":       {policy{3, time.Second, 2}, status(429, "-5"), grown},
		"nonsense":       {policy{3, time.Second, 2}, status(429, "soon"), grown},
		"a date gone by": {policy{3, time.Second, 2}, status(429, "Sat, 01 Jan 2000 00:00:00 GMT"), grown},
		"a day":          {policy{3, time.Second, 2}, status(429, "86400"), exactly(maxDelay)},
		"a century":      {policy{3, time.Second, 2}, status(429, "Fri, 01 Jan 2100 00:00:00 GMT"), exactly(maxDelay)},
		"overflow":       {policy{3, time.Hour, 1e9}, broken, exactly(maxDelay)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []func() (*http.Response, error){test.first}}
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://registry.example/", nil)
				_, _ = retry{s, test.policy}.RoundTrip(req)
				if s.calls != 4 {
					t.Fatalf("sent %d times", s.calls)
				}
				for i, want := range test.want {
					if got := s.at[i+1].Sub(s.at[i]); got < want.least || got > want.most {
						t.Errorf("pause %d is %v, want %v to %v", i, got, want.least, want.most)
					}
				}
			})
		})
	}
}

// A date is as good as seconds. Clocks of synctest start at the whole second.
func TestRetryAfterDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(42 * time.Second)
		if got := retryAfter(at.UTC().Format(http.TimeFormat)); got != 42*time.Second {
			t.Errorf("got %v", got)
		}
	})
}

func TestRetryOfCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{policy: policy{3, time.Second, 2}}
		refused := func(code int, after string) error {
			resp, _ := status(code, after)()
			resp.Request, _ = http.NewRequestWithContext(t.Context(), http.MethodPut, "http://registry.example/v2/x?_state=secret", nil)
			return Refused(resp)
		}
		calls, start := 0, time.Now()
		err := c.Retry(t.Context(), func() error { calls++; return refused(503, "9") })
		if calls != 4 || time.Since(start) != 27*time.Second {
			t.Errorf("%d calls in %v", calls, time.Since(start))
		}
		if answer, ok := errors.AsType[*errcode.ErrorResponse](err); !ok || answer.StatusCode != 503 {
			t.Errorf("got %v", err)
		}
		if text := err.Error(); !strings.Contains(text, "after 4 attempts") || strings.Contains(text, "secret") {
			t.Error(text)
		}
		calls = 0
		if err := c.Retry(t.Context(), func() error { calls++; return refused(404, "") }); calls != 1 || strings.Contains(err.Error(), "attempts") {
			t.Errorf("%d calls: %v", calls, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := c.Retry(ctx, func() error { return refused(429, "60") }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

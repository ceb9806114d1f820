package transport

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slow reads a request as it comes, and answers later.
type slow struct{ after time.Duration }

func (s slow) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
	}
	select {
	case <-time.After(s.after):
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// source gives a byte after each pause.
type source struct {
	pause time.Duration
	left  int
}

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	s.left--
	return copy(p, "x"), nil
}

// What counts against the registry: that it does not answer, and not that it is
// given time, nor that what it is sent is slow to come.
func TestStalled(t *testing.T) {
	const timeout = time.Minute
	for name, test := range map[string]struct {
		body  io.Reader
		after time.Duration // the answer
		more  time.Duration // that it is given
		fails bool
	}{
		"in time":                            {nil, timeout - 1, 0, false},
		"too late":                           {nil, timeout + 1, 0, true},
		"late, and given time":               {nil, timeout + time.Second, time.Hour, false},
		"later than that":                    {nil, timeout + time.Hour + 1, time.Hour, true},
		"content":                            {strings.NewReader("x"), timeout - 1, 0, false},
		"content, too late":                  {strings.NewReader("x"), timeout + 1, 0, true},
		"content, late, and given time":      {strings.NewReader("x"), timeout + time.Second, time.Hour, false},
		"a slow source":                      {&source{time.Hour, 10}, timeout - 1, 0, false},
		"a slow source, too late":            {&source{time.Hour, 10}, timeout + 1, 0, true},
		"a slow source, late and given time": {&source{time.Hour, 10}, time.Hour, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.more > 0 {
					ctx = Patient(ctx, test.more)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://registry.example/", test.body)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := stall{slow{test.after}, timeout}.RoundTrip(req)
				if _, ended := errors.AsType[stalled](err); ended != test.fails {
					t.Errorf("got %v", err)
				}
				if err == nil {
					resp.Body.Close()
				}
			})
		})
	}
}

// stuck reads some of a request, and no more.
type stuck struct{}

func (stuck) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = req.Body.Read(make([]byte, 1))
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// What the registry does not take is against it, whatever it was given for its
// answer.
func TestStalledWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		req, _ := http.NewRequestWithContext(Patient(t.Context(), time.Hour), http.MethodPut, "http://registry.example/", strings.NewReader("content"))
		_, err := stall{stuck{}, time.Minute}.RoundTrip(req)
		if _, ended := errors.AsType[stalled](err); !ended || time.Since(begun) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}

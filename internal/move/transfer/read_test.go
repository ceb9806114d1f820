package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// TestSteady is about bytes that arrive in spite of connections that break, each
// once and in order.
func TestSteady(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100)
	denied := errors.New("denied")
	for name, c := range map[string]struct {
		open  func(n int, rest []byte) (io.Reader, error) // the n-th time
		opens int
		fails error
	}{
		"at once":        {func(_ int, rest []byte) (io.Reader, error) { return bytes.NewReader(rest), nil }, 1, nil},
		"byte by byte":   {func(_ int, rest []byte) (io.Reader, error) { return iotest.OneByteReader(bytes.NewReader(rest)), nil }, 1, nil},
		"with its end":   {func(_ int, rest []byte) (io.Reader, error) { return iotest.DataErrReader(bytes.NewReader(rest)), nil }, 1, nil},
		"ends too early": {func(_ int, rest []byte) (io.Reader, error) { return bytes.NewReader(rest[:min(300, len(rest))]), nil }, 4, nil},
		"more than there is": {func(_ int, rest []byte) (io.Reader, error) {
			return io.MultiReader(bytes.NewReader(rest), bytes.NewReader([]byte("and more"))), nil
		}, 1, nil},
		"breaks": {func(_ int, rest []byte) (io.Reader, error) {
			return io.MultiReader(bytes.NewReader(rest[:min(400, len(rest))]), failing{io.ErrUnexpectedEOF}), nil
		}, 3, nil},
		"never a byte":     {func(int, []byte) (io.Reader, error) { return bytes.NewReader(nil), nil }, maxBroken + 1, io.ErrUnexpectedEOF},
		"a byte each time": {func(_ int, rest []byte) (io.Reader, error) { return bytes.NewReader(rest[:1]), nil }, len(data), nil},
		"refused":          {func(int, []byte) (io.Reader, error) { return nil, denied }, 1, denied},
		"refused later": {func(n int, rest []byte) (io.Reader, error) {
			if n > 1 {
				return nil, denied
			}
			return bytes.NewReader(rest[:5]), nil
		}, 2, denied},
		"fails for good": {func(int, []byte) (io.Reader, error) { return failing{denied}, nil }, 1, denied},
		"gives nothing":  {func(int, []byte) (io.Reader, error) { return failing{nil}, nil }, 1, io.ErrNoProgress},
	} {
		t.Run(name, func(t *testing.T) {
			opens, closed := 0, 0
			s := &steady{ctx: t.Context(), end: int64(len(data)), open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
				opens++
				body, err := c.open(opens, data[offset:])
				if err != nil {
					return nil, err
				}
				return closing{body, &closed}, nil
			}}
			got, err := io.ReadAll(s)
			if !errors.Is(err, c.fails) {
				t.Errorf("got %v, want %v", err, c.fails)
			}
			if c.fails == nil && !bytes.Equal(got, data) {
				t.Errorf("%d bytes, want %d", len(got), len(data))
			}
			if opens != c.opens {
				t.Errorf("opened %d times, want %d", opens, c.opens)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if want := opens; c.fails != denied && closed < want {
				t.Errorf("closed %d of %d", closed, want)
			}
		})
	}
}

type closing struct {
	io.Reader
	n *int
}

func (c closing) Close() error {
	*c.n++
	return nil
}

// TestSteadyPart: a part ends where it is to, and a context that ended asks nobody
// again.
func TestSteadyPart(t *testing.T) {
	open := func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte("0123456789")[offset:])), nil
	}
	got, err := io.ReadAll(&steady{ctx: t.Context(), open: open, offset: 3, end: 7})
	if err != nil || string(got) != "3456" {
		t.Errorf("%q (%v)", got, err)
	}
	if got, err = io.ReadAll(&steady{ctx: t.Context(), open: open, offset: 7, end: 7}); err != nil || len(got) > 0 {
		t.Errorf("%q (%v) of nothing", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opens := 0
	s := &steady{ctx: ctx, end: 100, open: func(context.Context, int64) (io.ReadCloser, error) {
		opens++
		cancel()
		return io.NopCloser(bytes.NewReader(nil)), nil
	}}
	if _, err := io.ReadAll(s); !errors.Is(err, context.Canceled) || opens != 1 {
		t.Errorf("got %v after %d", err, opens)
	}
}

// TestSteadyClosed: net/http closes what it still reads. Reading ends then, and asks
// for nothing again.
func TestSteadyClosed(t *testing.T) {
	for name, whileOpening := range map[string]bool{"while it reads": false, "while it opens": true} {
		t.Run(name, func(t *testing.T) {
			var opens, closed atomic.Int32
			reading, ended := make(chan struct{}), make(chan struct{})
			s := &steady{ctx: t.Context(), end: 100, open: func(context.Context, int64) (io.ReadCloser, error) {
				opens.Add(1)
				if whileOpening {
					close(reading)
					<-ended
				}
				r, w := io.Pipe()
				go func() {
					_, _ = w.Write([]byte("0123456789"))
					if !whileOpening {
						close(reading)
					}
				}()
				return cutOff{r, &closed}, nil
			}}
			failed := make(chan error)
			var came int64
			go func() {
				n, err := io.Copy(io.Discard, s)
				came = n
				failed <- err
			}()
			<-reading
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			close(ended)
			if err := <-failed; !errors.Is(err, errClosed) {
				t.Errorf("got %v", err)
			}
			if whileOpening && came > 0 {
				t.Errorf("%d bytes came", came)
			}
			if opens.Load() != 1 || closed.Load() != 1 {
				t.Errorf("%d opened, %d closed", opens.Load(), closed.Load())
			}
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, errClosed) {
				t.Errorf("then %v", err)
			}
		})
	}
}

// cutOff is a body whose reading breaks when it is closed, as if the connection
// did.
type cutOff struct {
	*io.PipeReader
	closed *atomic.Int32
}

func (c cutOff) Close() error {
	c.closed.Add(1)
	return c.CloseWithError(io.ErrUnexpectedEOF)
}

func (c cutOff) Read(p []byte) (int, error) {
	n, err := c.PipeReader.Read(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

package artifact

import (
	"io"
	"sync/atomic"
)

const (
	// aheadSize is that of one buffer, in bytes. All of them fit into the cache of
	// a core: what falls out of it costs a good part of its hash.
	aheadSize  = 128 << 10
	aheadCount = 4
)

// ahead writes to w what is written to it, in a goroutine of its own: reading files
// and hashing what was read take about as long. It must be closed, after a
// failure too.
type ahead struct {
	w     io.Writer
	buf   []byte      // being filled
	free  chan []byte // to be filled again
	queue chan []byte // filled
	ended chan struct{}

	// Of the goroutine; err may be read when failed is true or ended is closed.
	failed atomic.Bool
	err    error
}

func newAhead(w io.Writer) *ahead {
	a := &ahead{w: w, free: make(chan []byte, aheadCount), queue: make(chan []byte, aheadCount), ended: make(chan struct{})}
	for range aheadCount - 1 {
		a.free <- make([]byte, 0, aheadSize)
	}
	a.buf = make([]byte, 0, aheadSize)
	go a.writeAll()
	return a
}

// Write implements io.Writer. What is reported may have failed earlier.
func (a *ahead) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if a.failed.Load() {
			return n, a.err
		}
		filled := min(len(p)-n, cap(a.buf)-len(a.buf))
		a.buf = append(a.buf, p[n:n+filled]...)
		n += filled
		if len(a.buf) == cap(a.buf) {
			a.queue <- a.buf
			a.buf = <-a.free
		}
	}
	return n, nil
}

// writeAll goes on to take buffers after a failure, as Write waits for them.
func (a *ahead) writeAll() {
	defer close(a.ended)
	for buf := range a.queue {
		if a.err == nil {
			if _, a.err = a.w.Write(buf); a.err != nil {
				a.failed.Store(true)
			}
		}
		a.free <- buf[:0]
	}
}

// Close writes what is left, and must be called once. It does not close the
// writer below.
func (a *ahead) Close() error {
	a.queue <- a.buf
	close(a.queue)
	<-a.ended
	return a.err
}

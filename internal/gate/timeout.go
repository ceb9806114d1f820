package gate

import (
	"io"
	"net/http"
	"time"
)

// Timeouts cuts a request when its client sends no byte for read, or takes no
// byte of the answer for write; zero means never. They are rolling: each byte
// starts them anew, so that a slow upload of any size survives and a stalled
// one does not. http.Server's own timeouts cover whole requests and would cut
// both. A deadline is in force only while a read or write waits for the client,
// or the time that the registry takes to verify a blob would count as well.
func Timeouts(next http.Handler, read, write time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		t := timer{ctl: ctl, read: read, write: write}
		t.writing(false) // of the connection's previous request
		// The server flushes the answer and drops the rest of the body after us.
		defer func() {
			t.writing(true)
			t.reading(true)
		}()
		r.Body = &timedBody{ReadCloser: r.Body, timer: t}
		next.ServeHTTP(&timedWriter{ResponseWriter: w, timer: t}, r)
	})
}

// timer sets deadlines. Errors are ignored: a connection that cannot have
// deadlines is a test's, and a broken one fails at the read or write itself.
type timer struct {
	ctl         *http.ResponseController
	read, write time.Duration
}

func (t timer) reading(on bool) {
	if t.read > 0 {
		_ = t.ctl.SetReadDeadline(deadline(on, t.read))
	}
}

func (t timer) writing(on bool) {
	if t.write > 0 {
		_ = t.ctl.SetWriteDeadline(deadline(on, t.write))
	}
}

func deadline(on bool, d time.Duration) time.Time {
	if !on {
		return time.Time{}
	}
	return time.Now().Add(d)
}

type timedBody struct {
	io.ReadCloser
	timer
}

func (b *timedBody) Read(p []byte) (int, error) {
	b.reading(true)
	n, err := b.ReadCloser.Read(p)
	b.reading(false)
	return n, err
}

type timedWriter struct {
	http.ResponseWriter
	timer
}

func (w *timedWriter) Write(p []byte) (n int, err error) {
	// In pieces, or a large write would have to be taken in one timeout.
	for {
		w.writing(true)
		m, err := w.ResponseWriter.Write(p[:min(len(p), 32<<10)])
		w.writing(false)
		n += m
		if p = p[m:]; err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// Flush implements http.Flusher.
func (w *timedWriter) Flush() {
	w.writing(true)
	_ = w.ctl.Flush()
	w.writing(false)
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

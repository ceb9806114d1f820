package gate

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"syscall"
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
		body := r.Body != http.NoBody
		if body {
			// Of the connection's previous request: the server may ask for the body.
			t.writing(false)
			r.Body = &timedBody{ReadCloser: r.Body, timer: t}
		}
		// The server flushes the answer and drops the rest of the body after us.
		defer func() {
			t.writing(true)
			if body {
				t.reading(true)
			}
		}()
		next.ServeHTTP(&timedWriter{ResponseWriter: w, timer: t, r: r}, r)
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
	r *http.Request
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

// filePiece is what one deadline is set for at first. It bounds nothing: a slow
// client gets more of them for it.
const filePiece = 1 << 20

// ReadFrom implements io.ReaderFrom. A file over plain HTTP is handed to the
// server in pieces that the kernel sends by itself: net knows a file, or an
// io.LimitedReader right above one.
func (w *timedWriter) ReadFrom(src io.Reader) (n int64, err error) {
	server, ok := w.ResponseWriter.(io.ReaderFrom)
	if limited, isFile := limitedFile(src); ok && isFile && w.r.TLS == nil {
		return w.sendFile(server, limited)
	}
	return io.Copy(struct{ io.Writer }{w}, src) // hides ReadFrom, which would call itself
}

// limitedFile returns src as the io.LimitedReader above a file, if that is what
// it is. As in net, a file is what has a descriptor: io.Copy hides *os.File.
func limitedFile(src io.Reader) (*io.LimitedReader, bool) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	_, isFile := limited.R.(syscall.Conn)
	return limited, isFile
}

func (w *timedWriter) sendFile(server io.ReaderFrom, file *io.LimitedReader) (n int64, err error) {
	for file.N > 0 {
		piece := io.LimitedReader{R: file.R, N: min(file.N, filePiece)}
		w.writing(true)
		m, err := server.ReadFrom(&piece)
		w.writing(false)
		n += m
		file.N -= m
		// A client that took some of the piece is slow and not stalled. If it was
		// the header that could not be sent, the server has cancelled the request.
		slow := m > 0 && errors.Is(err, os.ErrDeadlineExceeded) && w.r.Context().Err() == nil
		if slow {
			continue
		}
		if err != nil || piece.N > 0 { // or the file is at its end
			return n, err
		}
	}
	return n, nil
}

// Flush implements http.Flusher.
func (w *timedWriter) Flush() {
	w.writing(true)
	_ = w.ctl.Flush()
	w.writing(false)
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package gate

import (
	"io"
	"net/http"
)

// recorder notes what was answered. Like every ResponseWriter of this package it
// hands files on as they are: with io.Copy they reach the server's ReadFrom,
// which lets the kernel send them (sendfile) without reading them here.
type recorder struct {
	http.ResponseWriter
	status  int // 0 as long as the answer has not begun
	bytes   int64
	private bool // to whom it was given alone
}

// record returns w itself when a handler further out records already.
func record(w http.ResponseWriter) *recorder {
	if r, ok := w.(*recorder); ok {
		return r
	}
	return &recorder{ResponseWriter: w}
}

func (r *recorder) begin(status int) {
	if r.status == 0 {
		r.status = status
		if r.private {
			keepPrivate(r.Header())
		}
	}
}

// keepPrivate lets nobody but the client keep an answer, for as long as was said.
// By RFC 9111, section 3.5, shared caches keep no answer to a request with
// credentials anyway; those that look only at max-age do. Vary is not needed for
// credentials (RFC 9110, section 12.5.5).
func keepPrivate(h http.Header) {
	private := "private"
	if said := h.Get("Cache-Control"); said != "" {
		private += ", " + said
	}
	h["Cache-Control"] = []string{private}
}

func (r *recorder) WriteHeader(status int) {
	if status >= 200 { // 1xx go before the answer
		r.begin(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.begin(http.StatusOK)
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	r.begin(http.StatusOK)
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

// Flush implements http.Flusher.
func (r *recorder) Flush() {
	r.begin(http.StatusOK)
	_ = http.NewResponseController(r.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

package gate

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Recover turns a panic of a handler into a 500, and logs it with its stack.
// When the answer has begun the connection is cut instead, as the client must
// not take half an answer for a whole one. http.ErrAbortHandler asks for that
// and passes.
func Recover(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record(w)
		r, from := withCaller(r)
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // the value itself, as net/http has it
				panic(cause)
			}
			log.Error("panic", "cause", cause, "method", r.Method, "path", brief(r.URL.Path), "client", from.named,
				"stack", string(debug.Stack()))
			if rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			refuse(rec, http.StatusInternalServerError, oci.CodeUnknown, "the registry failed; its log says why")
		}()
		next.ServeHTTP(rec, r)
	})
}

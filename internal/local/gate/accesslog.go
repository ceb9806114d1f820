package gate

import (
	"log/slog"
	"net/http"
	"time"
)

// AccessLog writes one line for each request when it is finished, with the user
// where Auth found one. It logs no headers: they hold credentials. The query of
// a URL is left out for the same reason. Requests have no id, as one line tells
// all there is of one; what else is logged names method, path and client.
func AccessLog(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := record(w)
		r, from := withCaller(r)
		finished := false
		defer func() {
			status := rec.status
			if status == 0 && finished {
				status = http.StatusOK // as the server answers for a handler that wrote nothing
			}
			attrs := append(make([]slog.Attr, 0, 9),
				slog.String("method", r.Method), slog.String("path", brief(r.URL.Path)),
				slog.Int("status", status), slog.Int64("bytes", rec.bytes),
				slog.Duration("duration", time.Since(start).Round(time.Microsecond)),
				slog.String("client", from.named), slog.String("agent", brief(r.UserAgent())))
			if from.user != "" {
				attrs = append(attrs, slog.String("user", from.user))
			}
			if !finished { // a panic passes: the server closes the connection
				attrs = append(attrs, slog.Bool("cut", true))
			}
			log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
		}()
		next.ServeHTTP(rec, r)
		finished = true
	})
}

// brief cuts what a client sent before it is logged. What a registry is really
// asked for is shorter; the rest would let anyone fill the disk.
func brief(s string) string {
	const most = 512
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

package gate

import "net/http"

// Headers sets the fixed headers on every answer.
func Headers(next http.Handler, fixed http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range fixed {
			// The capacity ends with the values, so that a handler that adds one
			// does not write into what all requests share.
			h[http.CanonicalHeaderKey(name)] = values[:len(values):len(values)]
		}
		next.ServeHTTP(w, r)
	})
}

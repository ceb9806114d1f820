package gate

import (
	"maps"
	"net/http"
)

// Headers sets the fixed headers on every answer. They must not change any more.
func Headers(next http.Handler, fixed http.Header) http.Handler {
	canonical := make(http.Header, len(fixed))
	for name, values := range fixed {
		// The capacity ends with the values, so that a handler that adds one
		// does not write into what all requests share.
		canonical[http.CanonicalHeaderKey(name)] = values[:len(values):len(values)]
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), canonical)
		next.ServeHTTP(w, r)
	})
}

package gate

import (
	"context"
	"net/http"
)

type userKey struct{}

// User returns who a request comes from: the name in the password file, or
// `token:N` for the token on line N of the token file, whatever name a client
// gave with it. It is empty when the registry asks for no credentials, and
// before Auth.
func User(ctx context.Context) string {
	if name, ok := ctx.Value(userKey{}).(*string); ok {
		return *name
	}
	return ""
}

// withUser returns the request with a place for its user. Handlers further out
// that have made the place see the name there once Auth knows it.
func withUser(r *http.Request) (*http.Request, *string) {
	if name, ok := r.Context().Value(userKey{}).(*string); ok {
		return r, name
	}
	name := new(string)
	return r.WithContext(context.WithValue(r.Context(), userKey{}, name)), name
}

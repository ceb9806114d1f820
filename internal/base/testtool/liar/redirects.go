package liar

import (
	"fmt"
	"net/http"
)

// redirectLies are about where things are. Each leads on from every request.
var redirectLies = map[Lie]teller{
	"redirects to itself": to(func(_ *Registry, req *http.Request) string { return req.URL.String() }),
	"redirects without end": to(func(r *Registry, req *http.Request) string {
		return fmt.Sprintf("%s?hop=%d", req.URL.Path, r.count.Add(1))
	}),
	"redirects to nowhere":    to(func(*Registry, *http.Request) string { return "" }),
	"redirects elsewhere":     to(func(r *Registry, req *http.Request) string { return r.Elsewhere + req.URL.String() }),
	"redirects to plain HTTP": to(func(_ *Registry, req *http.Request) string { return "http://registry.invalid" + req.URL.String() }),
	"redirects to a file":     to(func(*Registry, *http.Request) string { return "file:///etc/passwd" }),
}

func to(place func(r *Registry, req *http.Request) string) teller {
	return func(r *Registry, w http.ResponseWriter, req *http.Request) {
		if at := place(r, req); at != "" {
			w.Header().Set("Location", at)
		}
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

package api

import (
	"net/http"
	"strings"
)

// locate tells the client of a place. It is a whole URL, as that of distribution
// is: there are scripts that go there without looking at it. A proxy that
// changes scheme or host has to say so in the usual headers (X-Forwarded-Proto
// and -Host, or Forwarded, RFC 7239).
func (h *Handler) locate(w http.ResponseWriter, r *http.Request, path string) {
	if !h.Relative {
		scheme, host := origin(r)
		path = scheme + "://" + host + path
	}
	w.Header()["Location"] = []string{path}
}

// origin is where the client believes to be.
func origin(r *http.Request) (scheme, host string) {
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	first := func(name string) string {
		value, _, _ := strings.Cut(r.Header.Get(name), ",")
		return strings.TrimSpace(value)
	}
	forwarded := first("Forwarded")
	for pair := range strings.SplitSeq(forwarded, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if value = strings.Trim(value, `"`); value == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "proto":
			scheme = value
		case "host":
			host = value
		}
	}
	if forwarded == "" {
		if v := first("X-Forwarded-Proto"); v != "" {
			scheme = v
		}
		if v := first("X-Forwarded-Host"); v != "" {
			host = v
		}
	}
	if scheme != "https" {
		scheme = "http"
	}
	return scheme, host
}

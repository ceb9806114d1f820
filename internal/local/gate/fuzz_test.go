package gate_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/local/gate"
)

// FuzzChain sends any method, target and header through the whole chain, as a
// server parses them and as no server would. Nothing panics, nothing unknown
// reaches the registry, and no path that leads elsewhere does.
func FuzzChain(f *testing.F) {
	good := []string{basic("ann", password), "Bearer " + token, basic("x", token)}
	for _, authorization := range append(good, "", basic("ann", "wrong"), basic("eve", password), "Bearer", "Basic x", "bearer  "+token) {
		f.Add("GET", "/v2/", "Authorization", authorization)
	}
	for _, target := range []string{
		"/v2/a/../b", "/v2/%2e%2e/a", "/v2/a%2f..%2fb", "//v2", "*", "http://x/..", "/v2/a/.", `/v2/..\a`, "/livez", "/livez/../v2/", "/%2e", "?", "",
	} {
		f.Add("OPTIONS", target, "authorization", good[0])
		f.Add("GET", target, "Range", "bytes=0-")
	}
	f.Add("PUT", "/v2/a/manifests/b", "Content-Length", "99999999")
	f.Add("DELETE", "/v2/a/manifests/b", "Transfer-Encoding", "chunked")

	var reached *http.Request
	h, err := gate.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r }), gate.Options{
		Credentials: gate.Credentials{
			Passwords: file(f, "htpasswd", line(f, "ann", password, bcrypt.MinCost)),
			Tokens:    file(f, "tokens", token),
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	send := func(t *testing.T, r *http.Request) {
		reached = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code >= 500 || w.Header().Get("Docker-Distribution-Api-Version") == "":
			t.Fatalf("answer %d %v %s", w.Code, w.Header(), w.Body)
		case reached == nil:
			return
		case !known(reached):
			t.Fatalf("%q comes through as %q", r.Header, gate.User(reached.Context()))
		case leads(reached.URL):
			t.Fatalf("path %q comes through", reached.URL.Path)
		}
	}
	f.Fuzz(func(t *testing.T, method, target, name, value string) {
		text := method + " " + target + " HTTP/1.1\r\nHost: x\r\n" + name + ": " + value + "\r\n\r\n"
		if r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text))); err == nil {
			r.RemoteAddr = "127.0.0.1:1"
			send(t, r)
		}
		send(t, (&http.Request{
			Method: method, URL: &url.URL{Path: target}, RequestURI: target, RemoteAddr: value,
			Header: http.Header{name: {value}}, Body: http.NoBody,
		}).WithContext(t.Context()))
		if name == "Authorization" {
			send(t, (&http.Request{
				Method: method, URL: &url.URL{Path: "/v2/" + target}, Header: http.Header{name: {good[0]}}, Body: http.NoBody,
			}).WithContext(t.Context()))
		}
	})
}

// known tells by the request itself whether its credentials are good.
func known(r *http.Request) bool {
	user, secret, _ := r.BasicAuth()
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch gate.User(r.Context()) {
	case "ann":
		return user == "ann" && secret == password
	case "token:00c1b5ed":
		return secret == token || strings.EqualFold(scheme, "bearer") && strings.TrimSpace(bearer) == token
	}
	return false
}

// leads reports whether a path is not just the names it shows.
func leads(u *url.URL) bool {
	segments := strings.Split(strings.ReplaceAll(u.Path, `\`, "/"), "/")
	return u.Path == "" || slices.Contains(segments, "..") || slices.Contains(segments, ".") ||
		slices.Contains(segments[1:len(segments)-1], "") || strings.ContainsAny(u.Path, "\x00\r\n%") ||
		strings.Contains(strings.ToLower(u.EscapedPath()), "%2f")
}

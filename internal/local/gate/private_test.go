package gate_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/local/gate"
)

// Nobody but the client may keep what was given to a known user, whatever the
// registry says of how long it holds.
func TestPrivate(t *testing.T) {
	blob := file(t, "blob", strings.Repeat("x", 1<<20))
	h, err := gate.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/silent":
		case "/v2/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/v2/panic":
			panic("oops")
		case "/v2/flush":
			_ = http.NewResponseController(w).Flush()
		case "/v2/blob":
			f, err := os.Open(blob)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
			http.ServeContent(w, r, "", time.Time{}, f)
		}
	}), gate.Options{Credentials: gate.Credentials{
		Passwords: file(t, "htpasswd", line(t, "ann", password, bcrypt.MinCost)), Tokens: file(t, "tokens", token),
	}})
	if err != nil {
		t.Fatal(err)
	}
	files := new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(spy{w, files}, r) }))
	t.Cleanup(s.Close)
	for _, test := range []struct {
		path, authorization, span string
		status                    int
		want                      string
	}{
		{"/v2/silent", basic("ann", password), "", 200, "private"},
		{"/v2/silent", "Bearer " + token, "", 200, "private"},
		{"/v2/missing", basic("ann", password), "", 404, "private"},
		{"/v2/flush", basic("ann", password), "", 200, "private"},
		{"/v2/panic", basic("ann", password), "", 500, "private, no-store"},
		{"/v2/blob", basic("ann", password), "", 200, "private, max-age=31536000, immutable"},
		{"/v2/blob", basic("ann", password), "bytes=1-2", 206, "private, max-age=31536000, immutable"},
		{"/v2/blob", basic("ann", password), "bytes=9999999-", 416, "private"},
		{"/v2/blob", basic("ann", "wrong"), "", 401, "no-store"},
		{"/v2/blob", "", "", 401, "no-store"},
	} {
		r, _ := http.NewRequest(http.MethodGet, s.URL+test.path, nil)
		r.Header.Set("Authorization", test.authorization)
		if test.span != "" {
			r.Header.Set("Range", test.span)
		}
		if test.authorization == "" {
			r.Header.Del("Authorization")
		}
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if got := strings.Join(resp.Header["Cache-Control"], "; "); resp.StatusCode != test.status || got != test.want {
			t.Errorf("%s %s: %d %q, want %d %q", test.path, test.authorization, resp.StatusCode, got, test.status, test.want)
		}
	}
	if files.Load() == 0 {
		t.Error("no file was handed to the server as it is")
	}
}

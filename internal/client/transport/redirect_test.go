package transport

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berth-oci/berth/internal/config/resolve"

	"github.com/berth-oci/berth/diag"
)

// Storage gets the range that is asked for and nothing that proves who asks,
// also when it is the same host with another port, or leads back.
func TestRedirectKeepsRangeOnly(t *testing.T) {
	for name, kind := range map[string]string{"static token": "token", "basic": "basic"} {
		t.Run(name, func(t *testing.T) {
			var seen, back http.Header
			var home string
			storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = r.Header.Clone()
				if r.URL.Path == "/back" {
					http.Redirect(w, r, home+"/end", http.StatusTemporaryRedirect)
				}
			}))
			defer storage.Close()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/end" {
					back = r.Header.Clone()
					return
				}
				if r.Header.Get("Authorization") == "" {
					w.Header().Set("Www-Authenticate", `Basic realm="x"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				http.Redirect(w, r, storage.URL+r.URL.Path+"?X-Signature=secret", http.StatusTemporaryRedirect)
			}))
			defer server.Close()
			home = server.URL
			target := targetOf(t, server)
			target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
			if kind == "token" {
				target.Auth = resolve.Auth{Token: secretFile(t, "token")}
			}
			c, err := New(target)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/blob", "/back"} {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
				req.Header.Set("Range", "bytes=5-")
				req.Header.Set("Cookie", "session=secret")
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			for at, header := range map[string]http.Header{"the storage": seen, "the way back": back} {
				if header.Get("Range") != "bytes=5-" || header.Get("Authorization")+header.Get("Cookie")+header.Get("Referer") != "" {
					t.Errorf("%s sees %v", at, header)
				}
			}
		})
	}
}

// Who is led on and on, or out of the web, is told by whom.
func TestRedirectsEnd(t *testing.T) {
	hops := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops++
		http.Redirect(w, r, fmt.Sprintf("/hop/%d", hops), http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	_, err := get(t, targetOf(t, server))
	wantCode(t, err, diag.RegistryRefused)
	if hops > maxRedirects {
		t.Errorf("%d requests", hops)
	}
	outside := httptest.NewServer(http.RedirectHandler("file:///etc/hostname", http.StatusFound))
	defer outside.Close()
	_, err = get(t, targetOf(t, outside))
	wantCode(t, err, diag.RegistryRefused)
}

// The signature in a storage's address does not get into errors.
func TestSignatureIsNotShown(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	server := httptest.NewServer(http.RedirectHandler(gone.URL+"/blob?X-Signature=secret", http.StatusTemporaryRedirect))
	defer server.Close()
	target := targetOf(t, server)
	target.Client.Retries = 0
	if err := fetch(t, target); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// What carries much gets connections of its own, in HTTP/1.1.
func TestBulkConnections(t *testing.T) {
	var one, two atomic.Int32
	arrived, release := make(chan string, 8), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			two.Add(1)
		} else {
			one.Add(1)
		}
		arrived <- r.RemoteAddr
		<-release
		fmt.Fprint(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	target := targetOf(t, server)
	target.Client.VerifyTLS = false
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	get := func(bulk bool) error {
		ctx := t.Context()
		if bulk {
			ctx = Bulk(ctx)
		}
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return err
	}
	for _, bulk := range []bool{true, false} {
		done := make(chan error)
		addresses := map[string]bool{}
		for range 4 {
			go func() { done <- get(bulk) }()
		}
		for range 4 {
			addresses[<-arrived] = true
		}
		for range 4 {
			release <- struct{}{}
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if bulk && len(addresses) != 4 {
			t.Errorf("bulk went over %d connections", len(addresses))
		}
	}
	if one.Load() != 4 || two.Load() != 4 {
		t.Errorf("%d in HTTP/1.1, %d in HTTP/2", one.Load(), two.Load())
	}
}

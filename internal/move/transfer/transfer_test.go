package transfer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/spec"
)

// targetOf serves a handler and returns a target for it.
func targetOf(t *testing.T, h http.Handler) *resolve.Target {
	t.Helper()
	u, err := url.Parse(testtool.Serve(t, h).URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	return &resolve.Target{
		Spec: &spec.Registry{Namespaces: spec.Namespaces{Extensions: "ext"}}, Deployment: "local", Type: "distribution",
		Endpoint: resolve.Endpoint{Scheme: "http", Host: u.Hostname(), Port: port},
		Client:   resolve.Client{VerifyTLS: true, Timeout: 5 * time.Second, Retries: 3},
		Push:     spec.Push{CompressionEnabled: true, CompressionLevel: 6},
	}
}

func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	for name, text := range map[string]string{
		"extension.yaml": "name: aws\nversion: \"1.0.0\"\nkind: provider\n", "sub/run.sh": "#!/bin/sh\n", "big": strings.Repeat("0123456789abcdef", 1<<18),
	} {
		file := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(filepath.Join(dir, "sub/run.sh"), 0o755)
	os.Symlink("sub/run.sh", filepath.Join(dir, "link"))
	return dir
}

func push(t *testing.T, target *resolve.Target, dir string) (*Pushed, error) {
	t.Helper()
	kind, err := artifact.KindOf(target, "extension")
	if err != nil {
		t.Fatal(err)
	}
	return Push(context.Background(), target, PushOptions{Kind: kind, Path: dir})
}

func pull(t *testing.T, target *resolve.Target, arg, out string) (*Pulled, error) {
	t.Helper()
	ref, err := artifact.ParseRef(target, arg)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	return Pull(context.Background(), target, PullOptions{Ref: ref, Path: out, Policy: PullPolicy{Policy: policyAlways, Verify: true}})
}

func wantCode(t *testing.T, err error, code diag.Code) {
	t.Helper()
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != code || d.Hint == "" {
		t.Errorf("got %v, want %s with a hint", err, code)
	}
}

func wantSame(t *testing.T, a, b string) {
	t.Helper()
	if same, err := artifact.SameTree(a, b); err != nil || !same {
		t.Errorf("%s and %s differ (%v)", a, b, err)
	}
}

// misbehave lets fault answer instead of the registry, as long as it does.
func misbehave(t *testing.T, fault func(w http.ResponseWriter, r *http.Request) bool) http.Handler {
	real := testtool.Registry(t.Context())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fault(w, r) {
			real.ServeHTTP(w, r)
		}
	})
}

func TestRetries(t *testing.T) {
	for name, status := range map[string]int{"429": 429, "500": 500, "503": 503} {
		t.Run(name, func(t *testing.T) {
			var failures atomic.Int32
			target := targetOf(t, misbehave(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost && status == 500 || failures.Add(1) > 2 {
					return false
				}
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(status)
				return true
			}))
			dir := tree(t)
			if _, err := push(t, target, dir); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out")
			if _, err := pull(t, target, "extension/aws", out); err != nil {
				t.Fatal(err)
			}
			wantSame(t, dir, out)
		})
	}
}

func TestErrorsOfTheRegistry(t *testing.T) {
	for status, code := range map[int]diag.Code{401: diag.Unauthorized, 403: diag.Forbidden, 404: diag.NotFound, 418: diag.RegistryRefused} {
		target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		_, err := pull(t, target, "extension/aws:1", filepath.Join(t.TempDir(), "out"))
		wantCode(t, err, code)
	}
	target := targetOf(t, http.NotFoundHandler())
	_, err := Repositories(context.Background(), target, artifact.Kinds(target), ListOptions{})
	wantCode(t, err, diag.RegistryRefused)
}

// A download that breaks off goes on where it was; one with other bytes than
// its digest says leaves nothing behind.
func TestDamagedBlobs(t *testing.T) {
	var mode atomic.Value
	mode.Store("")
	real := testtool.Registry(t.Context())
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/sha256") && r.Method == http.MethodGet {
			switch mode.Load() {
			case "cut":
				mode.Store("")
				w = &cut{ResponseWriter: w, left: 100}
			case "flip":
				w = &flip{w}
			}
		}
		real.ServeHTTP(w, r)
	}))
	dir := tree(t)
	if _, err := push(t, target, dir); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	mode.Store("cut")
	if _, err := pull(t, target, "extension/aws", filepath.Join(parent, "out")); err != nil {
		t.Fatal(err)
	}
	wantSame(t, dir, filepath.Join(parent, "out"))
	mode.Store("flip")
	_, err := pull(t, target, "extension/aws", filepath.Join(parent, "bad"))
	wantCode(t, err, diag.DigestMismatch)
	if entries, _ := os.ReadDir(parent); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if len(b) > c.left {
		c.ResponseWriter.Write(b[:c.left])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

type flip struct{ http.ResponseWriter }

func (f *flip) Write(b []byte) (int, error) {
	b = append([]byte(nil), b...)
	b[len(b)-1] ^= 1
	return f.ResponseWriter.Write(b)
}

// Storage redirects lead to other hosts, which must not see the credentials.
func TestRedirectDropsCredentials(t *testing.T) {
	real := testtool.Registry(t.Context())
	var leaked, served atomic.Bool
	other := testtool.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Store(true)
		leaked.Store(r.Header.Get("Authorization") != "")
		real.ServeHTTP(w, r)
	}))
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		real.ServeHTTP(w, r)
	}))
	token := filepath.Join(t.TempDir(), "token")
	os.WriteFile(token, []byte("secret\n"), 0o600)
	target.Auth.Token = resolve.SecretFile(token)
	dir, out := tree(t), filepath.Join(t.TempDir(), "out")
	if _, err := push(t, target, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := pull(t, target, "extension/aws:1.0.0", out); err != nil {
		t.Fatal(err)
	}
	if !served.Load() || leaked.Load() {
		t.Errorf("served %v, leaked %v", served.Load(), leaked.Load())
	}
}

func TestStall(t *testing.T) {
	stop := make(chan struct{})
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-stop }))
	defer close(stop)
	target.Client.Timeout, target.Client.Retries = 50*time.Millisecond, 0
	_, err := pull(t, target, "extension/aws:1", filepath.Join(t.TempDir(), "out"))
	wantCode(t, err, diag.Unreachable)
}

func TestNewest(t *testing.T) {
	for want, tags := range map[string][]string{
		"latest":                  {"2.0.0", "latest"},
		"1.10.0":                  {"1.2.0", "1.10.0", "main"},
		"1.0.0":                   {"1.0.0", "1.0.0-rc.1"},
		"1.0.0-rc.10":             {"1.0.0-rc.10", "1.0.0-rc.9"},
		"v1.0.0-20260102T000000Z": {"v1.0.0-20260101T000000Z", "v1.0.0-20260102T000000Z"},
	} {
		if got, ok := newest(tags); !ok || got != want {
			t.Errorf("newest(%v) = %q, want %q", tags, got, want)
		}
	}
	if got, ok := newest([]string{"main"}); ok {
		t.Errorf("newest(main) = %q", got)
	}
}

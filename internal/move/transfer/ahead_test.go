package transfer

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// large is a directory that is sent while it is packed.
func large(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir := tree(t)
	data := make([]byte, 24<<20)
	_, _ = rand.Read(data)
	if err := os.WriteFile(filepath.Join(dir, "large"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFailedAfterAhead: a push that fails between what is sent ahead and the rest
// leaves all that a later one can go on with.
func TestFailedAfterAhead(t *testing.T) {
	registry := testtool.RegistryIn(t.Context(), t.TempDir())
	var away atomic.Bool
	var deleted, patched atomic.Int32
	away.Store(true)
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete:
			deleted.Add(1)
		case r.Method == http.MethodPatch:
			patched.Add(1)
			defer begin()
		case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/") && away.Load():
			select {
			case <-begun:
			case <-time.After(10 * time.Second):
				t.Error("nothing was sent ahead")
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		registry.ServeHTTP(w, r)
	}))
	target.Client.Retries, target.Push.CompressionEnabled = 0, false
	dir := large(t)
	if _, err := push(t, target, dir); err == nil {
		t.Fatal("a registry that is away was pushed to")
	}
	notes, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_STATE_HOME"), "berth", "uploads", "*.json"))
	if patched.Load() == 0 || deleted.Load() != 0 || len(notes) != 1 {
		t.Errorf("%d pieces, %d deletions, notes %q", patched.Load(), deleted.Load(), notes)
	}
	away.Store(false)
	pushed, err := push(t, target, dir)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if _, err := pull(t, target, pushed.References[0], out); err != nil {
		t.Fatal(err)
	}
	wantSame(t, dir, out)
}

// TestPackingFailsAhead: nothing of what was sent ahead is left.
func TestPackingFailsAhead(t *testing.T) {
	registry := testtool.RegistryIn(t.Context(), t.TempDir())
	var sent, deleted atomic.Bool // an upload that the client knows of
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodDelete:
			deleted.Store(true)
		case http.MethodPatch:
			sent.Store(true)
		}
		registry.ServeHTTP(w, r)
	}))
	target.Push.CompressionEnabled = false
	dir := large(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "zz")); err != nil {
		t.Fatal(err)
	}
	_, err := push(t, target, dir)
	wantCode(t, err, diag.BadArtifact)
	if sent.Load() && !deleted.Load() {
		t.Error("the upload was left")
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want remote.Outcome
	}{
		{nil, remote.Published},
		{errors.New("anything"), remote.Interrupted},
		{diag.Errorf(diag.Unreachable, "away"), remote.Interrupted},
		{diag.Errorf(diag.StorageFailed, "full"), remote.Interrupted},
		{diag.Errorf(diag.BadArtifact, "a link out"), remote.Unwanted},
		{diag.Errorf(diag.TagExists, "taken"), remote.Unwanted},
	} {
		if got := outcomeOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestDamagedImage: a cache that nobody wants verified gives no wrong bytes to a
// layout, which is named by digests.
func TestDamagedImage(t *testing.T) {
	target := targetOf(t, testtool.Registry(t.Context()))
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	kind, err := artifact.KindOf(target, "image")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Push(t.Context(), target, PushOptions{Kind: kind, Path: image(t, 2), Metadata: artifact.Metadata{Name: "app"}}); err != nil {
		t.Fatal(err)
	}
	ref, err := artifact.ParseRef(target, "image/app:1")
	if err != nil {
		t.Fatal(err)
	}
	opts := PullOptions{Ref: ref, Form: OCIDirectory, Policy: PullPolicy{Policy: policyAlways}}
	opts.Path = filepath.Join(t.TempDir(), "first")
	if _, err := Pull(t.Context(), target, opts); err != nil {
		t.Fatal(err)
	}
	layer := digest.FromString("layer 1")
	damage := filepath.Join(os.Getenv("BERTH_CACHE_DIR"), "blobs", "sha256", layer.Encoded())
	if err := os.WriteFile(damage, []byte("LAYER 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts.Path = filepath.Join(t.TempDir(), "second")
	if _, err := Pull(t.Context(), target, opts); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(opts.Path, "blobs", "sha256", layer.Encoded()))
	if err != nil || string(got) != "layer 1" {
		t.Errorf("got %q, %v", got, err)
	}
}

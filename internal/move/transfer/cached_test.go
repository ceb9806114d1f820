package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// blobServer serves one blob, with fault instead as long as it answers.
func blobServer(data []byte, fault func(w http.ResponseWriter, r *http.Request) bool) (http.Handler, *atomic.Int32) {
	var gets atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gets.Add(1)
		if fault == nil || !fault(w, r) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	}), &gets
}

func cachedOf(t *testing.T, h http.Handler, policy PullPolicy) *cached {
	t.Helper()
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	s, err := connect(targetOf(t, h), "ext/aws")
	if err != nil {
		t.Fatal(err)
	}
	c, done, err := openCached(s, policy, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return c
}

func blobOf(size int) (ocispec.Descriptor, []byte) {
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	return ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromBytes(data), Size: int64(len(data))}, data
}

func TestFollow(t *testing.T) {
	d, data := blobOf(3 << 20)
	h, gets := blobServer(data, nil)
	c := cachedOf(t, h, PullPolicy{Policy: policyAlways, Verify: true})
	for _, offset := range []int64{1 << 20, 0, d.Size} {
		body, err := c.Blob(t.Context(), d, offset)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, data[offset:]) {
			t.Errorf("from %d: %d bytes (%v)", offset, len(got), err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := gets.Load(); n != 1 {
		t.Errorf("%d requests: the cache has it after the first", n)
	}
}

// TestFollowAtOnce: several readers of one blob cost one download.
func TestFollowAtOnce(t *testing.T) {
	d, data := blobOf(1 << 20)
	h, gets := blobServer(data, nil)
	c := cachedOf(t, h, PullPolicy{Policy: policyAlways, Verify: true})
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			body, err := c.Blob(t.Context(), d, 0)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := io.ReadAll(body)
			if closed := body.Close(); err != nil || closed != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes (%v, %v)", len(got), err, closed)
			}
		})
	}
	group.Wait()
	if n := gets.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestFollowFails: what a fetch fails with comes to the reader, and nothing of it
// is taken from the cache later.
func TestFollowFails(t *testing.T) {
	d, data := blobOf(1 << 20)
	for name, c := range map[string]struct {
		fault func(w http.ResponseWriter, r *http.Request) bool
		code  diag.Code
	}{
		"missing": {func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(404); return true }, diag.NotFound},
		"denied":  {func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(403); return true }, diag.Forbidden},
		"wrong": {func(w http.ResponseWriter, r *http.Request) bool {
			http.ServeContent(&flip{w}, r, "", time.Time{}, bytes.NewReader(data))
			return true
		}, diag.DigestMismatch},
		"always cut": {func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", fmt.Sprint(d.Size))
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		}, diag.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			var off atomic.Bool
			h, gets := blobServer(data, func(w http.ResponseWriter, r *http.Request) bool { return !off.Load() && c.fault(w, r) })
			source := cachedOf(t, h, PullPolicy{Policy: policyAlways, Verify: true})
			for range 2 { // twice: nothing wrong was kept
				body, err := source.Blob(t.Context(), d, 0)
				if err == nil {
					_, err = io.Copy(io.Discard, body)
					err = errors.Join(err, body.Close())
				}
				wantFault(t, source.Err(err), c.code)
			}
			off.Store(true)
			before := gets.Load()
			body, err := source.Blob(t.Context(), d, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if closed := body.Close(); err != nil || closed != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes afterwards (%v, %v)", len(got), err, closed)
			}
			if gets.Load() == before {
				t.Error("the cache had it")
			}
		})
	}
}

// TestFollowClosed: who closes early ends the download, and it goes on where it
// was.
func TestFollowClosed(t *testing.T) {
	d, data := blobOf(4 << 20)
	release := make(chan struct{})
	var once sync.Once
	h, _ := blobServer(data, func(w http.ResponseWriter, r *http.Request) bool {
		stall := false
		once.Do(func() { stall = true })
		if stall {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			_, _ = w.Write(data[:1<<20])
			w.(http.Flusher).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		return stall
	})
	defer close(release)
	c := cachedOf(t, h, PullPolicy{Policy: policyAlways, Verify: true})
	body, err := c.Blob(t.Context(), d, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, body, 1000); err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	body, err = c.Blob(t.Context(), d, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if closed := body.Close(); err != nil || closed != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes (%v, %v)", len(got), err, closed)
	}
}

// TestNeverAsksNobody: without a request.
func TestNeverAsksNobody(t *testing.T) {
	d, data := blobOf(16)
	h, gets := blobServer(data, nil)
	c := cachedOf(t, h, PullPolicy{Policy: policyNever, Verify: true})
	_, err := c.Blob(t.Context(), d, 0)
	wantCode(t, err, diag.NotFound)
	_, err = c.Manifest(t.Context(), d)
	wantCode(t, err, diag.NotFound)
	if gets.Load() > 0 || !strings.Contains(err.Error(), "no registry is asked") {
		t.Errorf("%d requests; %v", gets.Load(), err)
	}
}

// TestPullsOffline: what was pulled by its tag is there under its digest as well,
// and a fresh tag of an image asks nobody for anything.
func TestPullsOffline(t *testing.T) {
	src := newStore()
	root := src.image(nil, src.blob("layer"))
	var down atomic.Bool
	var asked atomic.Int32
	target := targetOf(t, misbehave(t, func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			asked.Add(1)
			panic(http.ErrAbortHandler)
		}
		return false
	}))
	src.upload(t, target, "img/app", root, "1")
	pushed, err := push(t, target, tree(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	extension, err := artifact.ParseRef(target, "extension/aws:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	image := at(target, "img/app", "1").Ref
	get := func(ref artifact.Ref, form ImageForm, policy string) error {
		out := filepath.Join(t.TempDir(), "out")
		_, err := Pull(t.Context(), target, PullOptions{Ref: ref, Form: form, Path: out, Policy: PullPolicy{Policy: policy, TTL: time.Hour, Verify: true}})
		return err
	}
	for _, ref := range []artifact.Ref{extension, image} {
		if err := get(ref, OCIDirectory, policyAlways); err != nil {
			t.Fatal(err)
		}
	}
	down.Store(true)
	pinned := func(ref artifact.Ref, d digest.Digest) artifact.Ref { ref.Digest = d; return ref }
	untagged := func(ref artifact.Ref) artifact.Ref { ref.Tag = ""; return ref }
	for name, ref := range map[string]artifact.Ref{
		"a tag":                     extension,
		"a tag and its digest":      pinned(extension, pushed.Digest),
		"a digest":                  untagged(pinned(extension, pushed.Digest)),
		"an image":                  image,
		"an image's tag and digest": pinned(image, root.Digest),
	} {
		for _, policy := range []string{policyNever, policyMissing} {
			if err := get(ref, OCIDirectory, policy); err != nil {
				t.Errorf("%s under %s: %v", name, policy, err)
			}
		}
	}
	if err := get(pinned(extension, pushed.Digest), "", policyNever); err != nil {
		t.Error(err)
	}
	wantFault(t, get(pinned(extension, digest.FromString("other")), "", policyNever), diag.NotFound)
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests", n)
	}
}

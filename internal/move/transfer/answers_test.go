package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/layout"
)

// image writes a layout of one image with n layers.
func image(t *testing.T, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "image")
	w, err := layout.Create(path, layout.OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	put := func(mediaType, text string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(text), Size: int64(len(text))}
		err := w.PutBlob(t.Context(), d, func(int64) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: put(ocispec.MediaTypeImageConfig, `{"os":"linux"}`)}
	for i := range n {
		m.Layers = append(m.Layers, put(ocispec.MediaTypeImageLayer, fmt.Sprint("layer ", i)))
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	root := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := errors.Join(w.PutManifest(t.Context(), root, data), w.Tag(t.Context(), root, data, "1"), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAskedAtOnce: what is below a manifest is asked for once, and not after the
// tag was answered.
func TestAskedAtOnce(t *testing.T) {
	const layers = 5
	registry := testtool.Registry(t.Context())
	var mu sync.Mutex
	asked := map[string]int{}
	all := make(chan struct{})
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/") {
			mu.Lock()
			asked[r.URL.Path]++
			if len(asked) == layers+1 {
				close(all)
			}
			mu.Unlock()
		}
		if strings.HasSuffix(r.URL.Path, "/manifests/1") && r.Method == http.MethodHead {
			select {
			case <-all:
			case <-time.After(10 * time.Second):
				t.Error("the tag was waited for")
			}
		}
		registry.ServeHTTP(w, r)
	}))
	path := image(t, layers)
	kind, err := artifact.KindOf(target, "image")
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		pushed, err := Push(t.Context(), target, PushOptions{Kind: kind, Path: path, Metadata: artifact.Metadata{Name: "app"}})
		if err != nil || pushed.Unchanged != again {
			t.Fatalf("%+v, %v", pushed, err)
		}
		mu.Lock()
		if len(asked) != layers+1 {
			t.Errorf("asked for %v", asked)
		}
		for what, n := range asked {
			if n != 1 {
				t.Errorf("asked %d times for %s", n, what)
			}
		}
		asked, all = map[string]int{}, make(chan struct{})
		mu.Unlock()
	}
}

func TestAnswers(t *testing.T) {
	a, d := newAnswers(), ocispec.Descriptor{MediaType: "x", Digest: digest.FromString("x")}
	failed := errors.New("failed")
	no := func() (bool, error) { return false, failed }
	yes := func() (bool, error) { return true, nil }
	// Whoever asked was stopped.
	stopped, stop := context.WithCancel(t.Context())
	if _, err := a.has(stopped, d, func() (bool, error) { stop(); return false, stopped.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if there, err := a.has(t.Context(), d, yes); !there || err != nil {
		t.Errorf("after one was stopped: %v, %v", there, err)
	}
	if there, err := a.has(t.Context(), d, no); !there || err != nil {
		t.Errorf("asked again: %v, %v", there, err)
	}
	broken := d
	broken.Digest = digest.FromString("broken")
	for range 2 {
		if _, err := a.has(t.Context(), broken, no); !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
		no = func() (bool, error) { t.Error("asked again"); return false, failed }
	}
	// One who waits may leave.
	other, asking, answer := d, make(chan struct{}), make(chan struct{})
	other.Digest = digest.FromBytes(bytes.Repeat([]byte("y"), 3))
	go func() {
		_, _ = a.has(context.Background(), other, func() (bool, error) {
			close(asking)
			<-answer
			return true, nil
		})
	}()
	<-asking
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.has(ctx, other, no); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(answer)
	if there, err := a.has(t.Context(), other, no); !there || err != nil {
		t.Errorf("after waiting: %v, %v", there, err)
	}
}

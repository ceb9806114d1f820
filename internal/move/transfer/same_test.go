package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// longAgo is when nothing was written by a test.
var longAgo = time.Unix(1_000_000_000, 0)

// untouched reports whether nothing was made or removed in a directory since it was
// changed to be from longAgo.
func untouched(t *testing.T, dir string) bool {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().Equal(longAgo)
}

// tarOf makes an archive of files that all hold an x.
func tarOf(t *testing.T, names ...string) string {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, name := range names {
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}); err != nil {
			t.Fatal(err)
		}
		_, _ = tw.Write([]byte("x"))
	}
	_ = tw.Close()
	return buf.String()
}

// layer is a blob of an artifact.
func (s *store) layer(text string, annotations ...string) ocispec.Descriptor {
	d := s.blob(text)
	d.Annotations = map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		d.Annotations[annotations[i]] = annotations[i+1]
	}
	return d
}

// pullAgain pulls with a cache that stays.
func pullAgain(t *testing.T, target *resolve.Target, out string, events Events) (*Pulled, error) {
	t.Helper()
	return Pull(t.Context(), target, PullOptions{Ref: at(target, "ext/aws", "1").Ref, Path: out, Events: events, Policy: PullPolicy{Policy: policyAlways, Verify: true}})
}

// TestPullAgain: an artifact of any form is compared where it is, and each of its
// layers is told of once.
func TestPullAgain(t *testing.T) {
	const title, unpack = ocispec.AnnotationTitle, artifact.AnnotationUnpack
	src := newStore()
	module := func(sum string) ocispec.Descriptor {
		return src.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: src.blob("{}"),
			Layers:      []ocispec.Descriptor{src.layer(tarOf(t, "main.k", "sub/x"), title, "tiny_0.1.0.tar")},
			Annotations: map[string]string{"org.kcllang.package.name": "tiny", "org.kcllang.package.sum": sum},
		})
	}
	for name, c := range map[string]struct {
		root   ocispec.Descriptor
		layers int
		files  []string // that the output holds; none: it is refused
		code   diag.Code
	}{
		"directory":      {src.image(nil, src.layer(tarOf(t, "a/x", "a/d/x"), title, "a", unpack, "true")), 1, []string{"x", "d/x"}, ""},
		"file":           {src.image(nil, src.layer("x", title, "d/x")), 1, []string{"d/x"}, ""},
		"both":           {src.image(nil, src.layer("x", title, "x"), src.layer(tarOf(t, "a/x"), title, "a", unpack, "true")), 2, []string{"x", "a/x"}, ""},
		"module":         {module("Xd6JaIf2dUybFb/jpEGuSAbfL96UABMR4IvxEGIuC74="), 1, []string{"main.k", "sub/x"}, ""},
		"another module": {module("another sum"), 1, nil, diag.DigestMismatch},
		"twice":          {src.image(nil, src.layer(tarOf(t, "a/x", "a/x"), title, "a", unpack, "true")), 1, nil, diag.UnsafeArchive},
		"out of there":   {src.image(nil, src.layer(tarOf(t, "a/x", "../y"), title, "a", unpack, "true")), 1, nil, diag.UnsafeArchive},
		"no archive":     {src.image(nil, src.layer("x", title, "a", unpack, "true")), 1, nil, diag.BadArtifact},
		"no title":       {src.image(nil, src.layer("x")), 1, nil, diag.BadArtifact},
		"padded":         {src.image(nil, src.layer(tarOf(t, "a/x")+"more", title, "a", unpack, "true")), 1, []string{"x"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			target := targetOf(t, testtool.Registry(t.Context()))
			src.upload(t, target, "ext/aws", c.root, "1")
			t.Setenv("BERTH_CACHE_DIR", t.TempDir())
			parent := t.TempDir()
			out := filepath.Join(parent, "out")
			for _, file := range []string{"x", "main.k", "sub/x"} { // what a refused one would be
				if c.code != "" {
					write(t, filepath.Join(out, file))
				}
			}
			var cached atomic.Int32
			events := func(e Event) {
				if e.Step == Cached {
					cached.Add(1)
				}
			}
			for round := range 2 {
				cached.Store(0)
				os.Chtimes(parent, longAgo, longAgo)
				pulled, err := pullAgain(t, target, out, events)
				if c.code != "" {
					wantCode(t, err, c.code)
					continue
				}
				if err != nil || pulled.Unchanged != (round == 1) || untouched(t, parent) != (round == 1) {
					t.Errorf("round %d: %+v (%v), beside untouched %v", round, pulled, err, untouched(t, parent))
				}
			}
			if n := int(cached.Load()); c.code == "" && n != c.layers {
				t.Errorf("%d layers were told of, want %d", n, c.layers)
			}
			for _, file := range c.files {
				if data, err := os.ReadFile(filepath.Join(out, file)); string(data) != "x" {
					t.Errorf("%s holds %q (%v)", file, data, err)
				}
			}
		})
	}
}

// TestPullNothingAgain: an empty directory is replaced by an empty artifact.
func TestPullNothingAgain(t *testing.T) {
	src := newStore()
	target := targetOf(t, testtool.Registry(t.Context()))
	src.upload(t, target, "ext/aws", src.image(nil, src.layer(tarOf(t), ocispec.AnnotationTitle, "a", artifact.AnnotationUnpack, "true")), "1")
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	out := t.TempDir()
	for range 2 {
		if pulled, err := pullAgain(t, target, out, nil); err != nil || pulled.Unchanged {
			t.Errorf("%+v (%v)", pulled, err)
		}
	}
}

// write writes a file that holds an x.
func write(t *testing.T, file string) {
	t.Helper()
	os.MkdirAll(filepath.Dir(file), 0o755)
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedAgain: bytes that are not those of the digest make nothing unchanged,
// whether they come from the cache or the registry.
func TestDamagedAgain(t *testing.T) {
	const title, unpack = ocispec.AnnotationTitle, artifact.AnnotationUnpack
	src := newStore()
	archive := tarOf(t, "a/file")
	root := src.image(nil, src.layer(archive, title, "a", unpack, "true"))
	var damaged atomic.Bool
	real := testtool.Registry(t.Context())
	target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if damaged.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w = &flip{w}
		}
		real.ServeHTTP(w, r)
	}))
	src.upload(t, target, "ext/aws", root, "1")
	out := filepath.Join(t.TempDir(), "out")
	cache := t.TempDir()
	t.Setenv("BERTH_CACHE_DIR", cache)
	if _, err := pullAgain(t, target, out, nil); err != nil {
		t.Fatal(err)
	}

	// The cache has another archive by now, and the output what is in that.
	other := strings.Replace(archive, "\x00x\x00", "\x00y\x00", 1)
	if other == archive {
		t.Fatal("the content was not found")
	}
	if n := replaceFiles(t, cache, archive, other); n != 1 {
		t.Fatalf("the cache has %d copies", n)
	}
	if err := os.WriteFile(filepath.Join(out, "file"), []byte("y"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := pullAgain(t, target, out, nil)
	wantCode(t, err, diag.TargetExists)

	// The registry has, and the cache nothing.
	damaged.Store(true)
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	write(t, filepath.Join(out, "file"))
	_, err = pullAgain(t, target, out, nil)
	wantCode(t, err, diag.DigestMismatch)
	if data, err := os.ReadFile(filepath.Join(out, "file")); string(data) != "x" {
		t.Errorf("the output holds %q (%v)", data, err)
	}
}

// replaceFiles changes the content of files, and returns of how many.
func replaceFiles(t *testing.T, dir, from, to string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil || string(data) != from {
			return err
		}
		n++
		return errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, []byte(to), 0o644))
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

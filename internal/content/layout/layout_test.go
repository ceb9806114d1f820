package layout

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// The shapes in which package transfer takes both ends.
type (
	source interface {
		Resolve(ctx context.Context, ref string) (ocispec.Descriptor, error)
		Manifest(ctx context.Context, d ocispec.Descriptor) ([]byte, error)
		Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error)
		Referrers(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error)
	}
	sink interface {
		Has(ctx context.Context, d ocispec.Descriptor) (bool, error)
		PutBlob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error
		PutManifest(ctx context.Context, d ocispec.Descriptor, data []byte) error
		Tag(ctx context.Context, d ocispec.Descriptor, data []byte, tag string) error
	}
)

var (
	_ source = (*Layout)(nil)
	_ sink   = (*Writer)(nil)
)

// store is content in memory, to make layouts of.
type store map[digest.Digest][]byte

func (s store) put(mediaType string, data []byte) ocispec.Descriptor {
	return s.putAs(digest.SHA256, mediaType, data)
}

func (s store) putAs(a digest.Algorithm, mediaType string, data []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: a.FromBytes(data), Size: int64(len(data))}
	s[d.Digest] = data
	return d
}

func (s store) open(d ocispec.Descriptor) func(int64) (io.ReadCloser, error) {
	return func(offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(s[d.Digest][offset:])), nil
	}
}

func toJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// tarOf returns a tar with files of the given names and contents in turn.
func tarOf(files ...string) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644}); err != nil {
			panic(err)
		}
		tw.Write([]byte(files[i+1]))
	}
	tw.Close()
	return b.Bytes()
}

func gzipOf(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zstdOf(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(data, nil)
}

// image makes an image of three layers, compressed in the three ways.
func (s store) image(arch string) ocispec.Descriptor {
	return s.imageOf(arch, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd)
}

func compressed(mediaType string, plain []byte) []byte {
	switch mediaType {
	case ocispec.MediaTypeImageLayerGzip:
		return gzipOf(plain)
	case ocispec.MediaTypeImageLayerZstd:
		return zstdOf(plain)
	}
	return plain
}

// imageOf makes an image with layers of the given types.
func (s store) imageOf(arch string, types ...string) ocispec.Descriptor {
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: arch}, RootFS: ocispec.RootFS{Type: "layers"}}
	var layers []ocispec.Descriptor
	for i, mediaType := range types {
		plain := tarOf(fmt.Sprintf("file%d", i), arch+strings.Repeat("x", 1000*i))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(plain))
		layers = append(layers, s.put(mediaType, compressed(mediaType, plain)))
	}
	d := s.manifest(s.put(ocispec.MediaTypeImageConfig, toJSON(config)), nil, layers...)
	d.Platform = &config.Platform
	return d
}

func (s store) manifest(config ocispec.Descriptor, subject *ocispec.Descriptor, layers ...ocispec.Descriptor) ocispec.Descriptor {
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: layers, Subject: subject}
	if subject != nil {
		m.ArtifactType, m.Annotations = "application/vnd.example.signature", map[string]string{"by": "me"}
	}
	return s.put(m.MediaType, toJSON(m))
}

func (s store) index(manifests ...ocispec.Descriptor) ocispec.Descriptor {
	m := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests}
	return s.put(m.MediaType, toJSON(m))
}

// signature makes an artifact that refers to another.
func (s store) signature(subject ocispec.Descriptor, text string) ocispec.Descriptor {
	return s.manifest(s.put(ocispec.MediaTypeEmptyJSON, []byte("{}")), &subject, s.put("text/plain", []byte(text)))
}

// copyTo puts an artifact with all that belongs to it.
func (s store) copyTo(t testing.TB, w sink, d ocispec.Descriptor) error {
	t.Helper()
	if ok, err := w.Has(t.Context(), d); ok || err != nil {
		return err
	}
	m, err := parse(d.Digest, s[d.Digest])
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range m.Manifests {
		if err := s.copyTo(t, w, child); err != nil {
			return err
		}
	}
	if m.Config != nil {
		for _, blob := range append(m.Layers, *m.Config) {
			if err := w.PutBlob(t.Context(), blob, s.open(blob)); err != nil {
				return err
			}
		}
	}
	return w.PutManifest(t.Context(), d, s[d.Digest])
}

// write makes a layout: each artifact under the tag that follows it, "" for
// none.
func (s store) write(t testing.TB, path string, format Format, artifacts ...any) {
	t.Helper()
	w, err := Create(path, format)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for i := 0; i < len(artifacts); i += 2 {
		d := artifacts[i].(ocispec.Descriptor)
		if err := s.copyTo(t, w, d); err != nil {
			t.Fatal(err)
		}
		if tag := artifacts[i+1].(string); tag != "" {
			if err := w.Tag(t.Context(), d, s[d.Digest], tag); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// files returns the files of a layout, of which index.json lists the given.
func (s store) files(list ...ocispec.Descriptor) []string {
	names := []string{"oci-layout", `{"imageLayoutVersion":"1.0.0"}`}
	for d, data := range s {
		names = append(names, blobName(d), string(data))
	}
	return append(names, "index.json", string(toJSON(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: list})))
}

func named(d ocispec.Descriptor, annotations ...string) ocispec.Descriptor {
	d.Annotations = map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		d.Annotations[annotations[i]] = annotations[i+1]
	}
	return d
}

func tagged(d ocispec.Descriptor, tag string) ocispec.Descriptor {
	return named(d, ocispec.AnnotationRefName, tag)
}

func open(t testing.TB, path string) *Layout {
	t.Helper()
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// fromTar opens a tar.
func fromTar(t testing.TB, data []byte) (*Layout, error) {
	t.Helper()
	l, err := openArchive(t.Context(), "test.tar", extent{bytes.NewReader(data), int64(len(data)), nopCloser{}})
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return l, err
}

func wantCode(t testing.TB, err error, code diag.Code) *diag.Diagnostic {
	t.Helper()
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok || d.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return d
}

// wantArtifact reads an artifact and everything that belongs to it.
func wantArtifact(t testing.TB, l *Layout, s store, d ocispec.Descriptor) {
	t.Helper()
	data, err := l.Manifest(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parse(d.Digest, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range m.Manifests {
		wantArtifact(t, l, s, child)
	}
	if m.Config == nil {
		return
	}
	for _, blob := range append(m.Layers, *m.Config) {
		for _, offset := range []int64{0, blob.Size / 2, blob.Size} {
			got := readBlob(t, l, blob, offset)
			if s == nil {
				if offset == 0 && digest.FromBytes(got) != blob.Digest {
					t.Errorf("%s: wrong content", blob.Digest)
				}
			} else if !bytes.Equal(got, s[blob.Digest][offset:]) {
				t.Errorf("%s from %d: wrong content", blob.Digest, offset)
			}
		}
	}
}

func readBlob(t testing.TB, l *Layout, d ocispec.Descriptor, offset int64) []byte {
	t.Helper()
	body, err := l.Blob(t.Context(), d, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func wantTags(t testing.TB, l *Layout, want ...string) {
	t.Helper()
	got, err := l.Tags(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("tags %q (%v), want %q", got, err, want)
	}
}

func wantResolve(t testing.TB, l *Layout, ref string, want ocispec.Descriptor) {
	t.Helper()
	got, err := l.Resolve(t.Context(), ref)
	if err != nil || got.Digest != want.Digest || got.Size != want.Size || got.MediaType != want.MediaType {
		t.Errorf("%q is %v (%v), want %v", ref, got, err, want)
	}
	if got.Annotations[ocispec.AnnotationRefName] != "" {
		t.Errorf("%q has %v", ref, got.Annotations)
	}
}

func TestWrittenIsRead(t *testing.T) {
	s := store{}
	amd, arm := s.image("amd64"), s.image("arm64")
	multi := s.index(amd, arm)
	sig := s.signature(multi, "signed")
	long := s.manifest(s.putAs(digest.SHA512, ocispec.MediaTypeImageConfig, []byte(`{"a":1}`)), nil)
	for _, format := range []Format{OCIDir, OCITar} {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			s.write(t, path, format, multi, "1.0", long, "registry.example/ns/app:sha512", sig, "")
			l := open(t, path)
			wantTags(t, l, "1.0", "sha512")
			wantResolve(t, l, "1.0", multi)
			wantResolve(t, l, "sha512", long)
			wantResolve(t, l, "registry.example/ns/app:sha512", long)
			wantResolve(t, l, arm.Digest.String(), arm)
			wantArtifact(t, l, s, multi)
			wantArtifact(t, l, s, long)
			if roots := l.Roots(); len(roots) != 2 {
				t.Errorf("roots: %v", roots)
			}
			refs, err := l.Referrers(t.Context(), multi)
			if err != nil || len(refs) != 1 || refs[0].Digest != sig.Digest || refs[0].ArtifactType != "application/vnd.example.signature" || refs[0].Annotations["by"] != "me" {
				t.Errorf("referrers: %v (%v)", refs, err)
			}
		})
	}
}

func TestTarForms(t *testing.T) {
	s := store{}
	d := s.image("amd64")
	files := s.files(tagged(d, "1"))
	var turned []string // index.json and oci-layout last
	for i := len(files) - 2; i >= 0; i -= 2 {
		turned = append(turned, "./"+files[i], files[i+1])
	}
	both := append(slices.Clone(files), "manifest.json", "broken")
	for name, data := range map[string][]byte{
		"plain": tarOf(files...), "turned": tarOf(turned...), "gzip": gzipOf(tarOf(files...)), "zstd": zstdOf(tarOf(files...)), "with manifest.json": tarOf(both...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, path)
			wantResolve(t, l, "", d)
			wantArtifact(t, l, s, d)
			l.Close()
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestNames(t *testing.T) {
	s := store{}
	a, b, c := s.image("a"), s.image("b"), s.image("c")
	full := func(d ocispec.Descriptor, name, tag string) ocispec.Descriptor {
		return named(d, annotationName, name, ocispec.AnnotationRefName, tag)
	}
	for name, test := range map[string]struct {
		list    []ocispec.Descriptor
		tags    []string
		resolve map[string]ocispec.Descriptor
		unclear []string
	}{
		"tags":            {[]ocispec.Descriptor{tagged(a, "1"), tagged(b, "2"), tagged(a, "3")}, []string{"1", "2", "3"}, map[string]ocispec.Descriptor{"1": a, "2": b, "3": a}, []string{""}},
		"one, two tags":   {[]ocispec.Descriptor{tagged(a, "1"), tagged(a, "2")}, []string{"1", "2"}, map[string]ocispec.Descriptor{"": a}, nil},
		"untagged":        {[]ocispec.Descriptor{a}, nil, map[string]ocispec.Descriptor{"": a}, nil},
		"full name":       {[]ocispec.Descriptor{tagged(a, "localhost:5000/ns/app:1.0@"+a.Digest.String())}, []string{"1.0"}, map[string]ocispec.Descriptor{"1.0": a}, nil},
		"containerd":      {[]ocispec.Descriptor{full(a, "docker.io/library/app:1", "1")}, []string{"1"}, map[string]ocispec.Descriptor{"1": a, "docker.io/library/app:1": a}, nil},
		"same tag":        {[]ocispec.Descriptor{full(a, "x/a:1", "1"), full(b, "x/b:1", "1")}, []string{"x/a:1", "x/b:1"}, map[string]ocispec.Descriptor{"x/a:1": a, "x/b:1": b}, []string{"1", ""}},
		"exact before":    {[]ocispec.Descriptor{tagged(a, "x/a:1"), tagged(b, "1")}, []string{"1", "x/a:1"}, map[string]ocispec.Descriptor{"1": b, "x/a:1": a}, nil},
		"no tag in name":  {[]ocispec.Descriptor{tagged(a, "localhost:5000/app")}, []string{"localhost:5000/app"}, map[string]ocispec.Descriptor{"localhost:5000/app": a}, nil},
		"platforms":       {[]ocispec.Descriptor{tagged(a, "1"), tagged(b, "1")}, []string{"1"}, nil, []string{"1"}},
		"children listed": {[]ocispec.Descriptor{a, b, tagged(s.index(a, b), "1")}, []string{"1"}, map[string]ocispec.Descriptor{"": s.index(a, b)}, nil},
		"signed":          {[]ocispec.Descriptor{a, s.signature(a, "x")}, nil, map[string]ocispec.Descriptor{"": a}, nil},
		"signature alone": {[]ocispec.Descriptor{s.signature(c, "x")}, nil, map[string]ocispec.Descriptor{"": s.signature(c, "x")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := fromTar(t, tarOf(s.files(test.list...)...))
			if err != nil {
				t.Fatal(err)
			}
			wantTags(t, l, test.tags...)
			for ref, want := range test.resolve {
				wantResolve(t, l, ref, want)
			}
			for _, ref := range test.unclear {
				_, err := l.Resolve(t.Context(), ref)
				if d := wantCode(t, err, diag.BadReference); !strings.Contains(d.Hint, ":") {
					t.Errorf("%q: hint %q", ref, d.Hint)
				}
			}
		})
	}
}

func TestResolve(t *testing.T) {
	s := store{}
	inner := s.image("amd64")
	outer := s.index(s.index(inner))
	l, err := fromTar(t, tarOf(s.files(tagged(outer, "1"))...))
	if err != nil {
		t.Fatal(err)
	}
	wantResolve(t, l, inner.Digest.String(), inner)
	m, err := parse(inner.Digest, s[inner.Digest])
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Resolve(t.Context(), m.Layers[1].Digest.String())
	if err != nil || got.Size != m.Layers[1].Size {
		t.Errorf("layer: %v (%v)", got, err)
	}
	_, err = l.Resolve(t.Context(), "2")
	if d := wantCode(t, err, diag.NotFound); !strings.Contains(d.Hint, "1") {
		t.Errorf("hint %q", d.Hint)
	}
	_, err = l.Resolve(t.Context(), digest.FromString("none").String())
	wantCode(t, err, diag.NotFound)
	_, err = l.Resolve(t.Context(), "sha256:../../x")
	wantCode(t, err, diag.BadReference)
	_, err = Open(t.Context(), filepath.Join(t.TempDir(), "none"))
	wantCode(t, err, diag.NotFound)
}

func TestReferrersTagSchema(t *testing.T) {
	s := store{}
	d := s.image("amd64")
	one, two := s.signature(d, "one"), s.signature(d, "two")
	list := s.index(one, two)
	l, err := fromTar(t, tarOf(s.files(tagged(d, "1"), one, tagged(list, "sha256-"+d.Digest.Encoded()))...))
	if err != nil {
		t.Fatal(err)
	}
	wantTags(t, l, "1")
	wantResolve(t, l, "", d)
	got, err := l.Referrers(t.Context(), d)
	if err != nil || len(got) != 2 || got[0].Digest != one.Digest || got[1].Digest != two.Digest {
		t.Errorf("%v (%v)", got, err)
	}
	if got, err = l.Referrers(t.Context(), one); err != nil || len(got) != 0 {
		t.Errorf("%v (%v)", got, err)
	}
}

package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

func TestHostileTar(t *testing.T) {
	s := store{}
	d := s.image("amd64")
	good := s.files(tagged(d, "1"))
	with := func(d ocispec.Descriptor) []byte { return tarOf(s.files(d)...) }
	for name, test := range map[string]struct {
		data []byte
		code diag.Code
	}{
		"empty":            {nil, diag.BadArtifact},
		"no tar":           {bytes.Repeat([]byte("text"), 500), diag.BadArtifact},
		"other tar":        {tarOf("a", "b"), diag.BadArtifact},
		"no index":         {tarOf(good[:len(good)-2]...), diag.BadArtifact},
		"cut":              {tarOf(good...)[:1800], diag.BadArtifact},
		"name outside":     {tarOf(append(good, "a/../../x", "")...), diag.UnsafeArchive},
		"absolute name":    {tarOf(append(good, "/x", "")...), diag.UnsafeArchive},
		"long name":        {tarOf(append(good, strings.Repeat("x/", 300)+"x", "")...), diag.UnsafeArchive},
		"two indexes":      {tarOf(append(good, "./index.json", "{}")...), diag.UnsafeArchive},
		"link outside":     {tarWithLinks(map[string]string{"blobs/x": "../../x"}, good...), diag.UnsafeArchive},
		"index is a link":  {tarWithLinks(map[string]string{"index.json": "index.json"}, "oci-layout", `{"imageLayoutVersion":"1.0.0"}`), diag.UnsafeArchive},
		"other version":    {tarOf("oci-layout", `{"imageLayoutVersion":"2.0.0"}`, "index.json", "{}"), diag.BadArtifact},
		"broken version":   {tarOf("oci-layout", `[`, "index.json", "{}"), diag.BadArtifact},
		"broken index":     {tarOf("oci-layout", `{"imageLayoutVersion":"1.0.0"}`, "index.json", "{"), diag.BadArtifact},
		"no schema":        {tarOf("oci-layout", `{"imageLayoutVersion":"1.0.0"}`, "index.json", "{}"), diag.BadArtifact},
		"large index":      {tarOf("oci-layout", `{"imageLayoutVersion":"1.0.0"}`, "index.json", strings.Repeat(" ", oci.MaxManifest+1)), diag.BadArtifact},
		"digest is a path": {with(ocispec.Descriptor{Digest: "sha256:../../../etc/passwd"}), diag.BadArtifact},
		"md5":              {with(ocispec.Descriptor{Digest: "md5:d41d8cd98f00b204e9800998ecf8427e"}), diag.BadArtifact},
		"negative size":    {with(ocispec.Descriptor{Digest: d.Digest, Size: -1}), diag.BadArtifact},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fromTar(t, test.data)
			wantCode(t, err, test.code)
		})
	}
	t.Run("compressed and cut", func(t *testing.T) {
		for _, data := range [][]byte{gzipOf(tarOf(good...))[:200], zstdOf(tarOf(good...))[:200]} {
			t.Setenv("TMPDIR", t.TempDir())
			path := filepath.Join(t.TempDir(), "x")
			os.WriteFile(path, data, 0o600)
			_, err := Open(t.Context(), path)
			wantCode(t, err, diag.BadArtifact)
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	})
}

func TestHostileContent(t *testing.T) {
	s := store{}
	d := s.image("amd64")
	// Two indexes in a circle can only have wrong digests.
	one, two := digest.FromString("one"), digest.FromString("two")
	desc := func(d digest.Digest) ocispec.Descriptor {
		return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d, Size: 400}
	}
	circle := func(to digest.Digest) []byte {
		data := toJSON(ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{desc(to)}})
		return append(data, bytes.Repeat([]byte(" "), 400-len(data))...)
	}
	s[one], s[two] = circle(two), circle(one)
	wrong := d
	wrong.Size++
	huge := s.put(ocispec.MediaTypeImageIndex, bytes.Repeat([]byte(" "), oci.MaxManifest+1))
	l, err := fromTar(t, tarOf(s.files(tagged(desc(one), "circle"), tagged(wrong, "size"), tagged(huge, "huge"))...))
	if err != nil {
		t.Fatal(err)
	}
	for tag, code := range map[string]diag.Code{"circle": diag.DigestMismatch, "size": diag.DigestMismatch, "huge": diag.BadArtifact} {
		d, err := l.Resolve(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Manifest(t.Context(), d)
		wantCode(t, err, code)
	}
	_, err = l.Blob(t.Context(), ocispec.Descriptor{Digest: "sha256:../../index.json"}, 0)
	wantCode(t, err, diag.BadArtifact)
	_, err = l.Blob(t.Context(), ocispec.Descriptor{Digest: digest.FromString("none")}, 0)
	wantCode(t, err, diag.NotFound)
	if _, err = l.Blob(t.Context(), d, d.Size+1); err == nil {
		t.Error("read behind the end")
	}
}

func TestHostileDir(t *testing.T) {
	s := store{}
	d := s.image("amd64")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, s[d.Digest], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(dir string) error
		code  diag.Code
	}{
		"blob is a link out": {func(dir string) error {
			blob := filepath.Join(dir, blobName(d.Digest))
			return errors.Join(os.Remove(blob), os.Symlink(secret, blob))
		}, diag.UnsafeArchive},
		"blobs are a link out": {func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "blobs"), filepath.Join(filepath.Dir(secret), "blobs")), os.Symlink(filepath.Join(filepath.Dir(secret), "blobs"), filepath.Join(dir, "blobs")))
		}, diag.UnsafeArchive},
		"blob is a directory": {func(dir string) error {
			blob := filepath.Join(dir, blobName(d.Digest))
			return errors.Join(os.Remove(blob), os.Mkdir(blob, 0o700))
		}, diag.BadArtifact},
		"blob is cut":  {func(dir string) error { return os.Truncate(filepath.Join(dir, blobName(d.Digest)), 5) }, diag.DigestMismatch},
		"blob is gone": {func(dir string) error { return os.Remove(filepath.Join(dir, blobName(d.Digest))) }, diag.NotFound},
		"blob is other": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, blobName(d.Digest)), bytes.Repeat([]byte("x"), int(d.Size)), 0o600)
		}, diag.DigestMismatch},
		"index is a link out": {func(dir string) error {
			index := filepath.Join(dir, "index.json")
			return errors.Join(os.Remove(index), os.Symlink(secret, index))
		}, diag.UnsafeArchive},
		"no oci-layout": {func(dir string) error { return os.Remove(filepath.Join(dir, "oci-layout")) }, diag.BadArtifact},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "layout")
			s.write(t, dir, OCIDir, d, "1")
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			l, err := Open(t.Context(), dir)
			if err == nil {
				defer l.Close()
				_, err = l.Manifest(t.Context(), d)
			}
			wantCode(t, err, test.code)
		})
	}
}

// FuzzOpen looks for archives on which reading panics, does not end, or fails
// without a diagnostic.
func FuzzOpen(f *testing.F) {
	s := store{}
	d := s.image("amd64")
	multi := s.index(d, s.signature(d, "x"))
	f.Add(tarOf(s.files(tagged(multi, "1"), s.signature(d, "y"), tagged(multi, "sha256-"+d.Digest.Encoded()))...))
	layer := tarOf("a", "1")
	config := dockerConfig(layer, layer)
	f.Add(tarWithLinks(map[string]string{"x/l": "../l"}, "c", string(config), "l", string(gzipOf(layer)), "manifest.json",
		string(toJSON([]dockerImage{{"c", []string{"a:1"}, []string{"l", "x/l"}}}))))
	var sparse bytes.Buffer
	tw := tar.NewWriter(&sparse)
	tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "oci-layout", Size: 30, PAXRecords: map[string]string{"BERTH.x": "y"}})
	io.WriteString(tw, `{"imageLayoutVersion":"1.0.0"}`)
	tw.Close()
	f.Add(sparse.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := fromTar(t, data)
		wantDiagnosed(t, err)
		if err != nil {
			return
		}
		tags, _ := l.Tags(t.Context())
		for _, tag := range append(tags, "") {
			_, err := l.Resolve(t.Context(), tag)
			wantDiagnosed(t, err)
		}
		for _, root := range l.Roots() {
			_, err := l.Referrers(t.Context(), root)
			wantDiagnosed(t, err)
			_, err = l.Resolve(t.Context(), root.Digest.String())
			wantDiagnosed(t, err)
			data, err := l.Manifest(t.Context(), root)
			wantDiagnosed(t, err)
			m, err := parse(root.Digest, data)
			wantDiagnosed(t, err)
			if err == nil && m.Config != nil {
				_, err := l.Blob(t.Context(), *m.Config, 0)
				wantDiagnosed(t, err)
			}
		}
	})
}

func wantDiagnosed(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*diag.Diagnostic](err); err != nil && !ok {
		t.Fatalf("an error without a diagnostic: %v", err)
	}
}

func TestOpenStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "x")
	os.WriteFile(path, gzipOf(tarOf(store{}.files()...)), 0o600)
	if _, err := Open(ctx, path); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

func TestAddToDir(t *testing.T) {
	s := store{}
	a, b := s.image("a"), s.image("b")
	dir := filepath.Join(t.TempDir(), "layout")
	s.write(t, dir, OCIDir, a, "1", a, "latest")
	s.write(t, dir, OCIDir, b, "latest", b, "2")
	l := open(t, dir)
	wantTags(t, l, "1", "2", "latest")
	wantResolve(t, l, "latest", b)
	wantResolve(t, l, "1", a)

	// What is there is not fetched again, unless it is damaged.
	m, err := parse(a.Digest, s[a.Digest])
	if err != nil {
		t.Fatal(err)
	}
	broken := m.Layers[1]
	if err := os.WriteFile(filepath.Join(dir, blobName(broken.Digest)), bytes.Repeat([]byte("x"), int(broken.Size)), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Create(dir, OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	var fetched []digest.Digest
	for _, blob := range append(m.Layers, *m.Config) {
		err := w.PutBlob(t.Context(), blob, func(offset int64) (io.ReadCloser, error) {
			fetched = append(fetched, blob.Digest)
			return s.open(blob)(offset)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(fetched) != 1 || fetched[0] != broken.Digest {
		t.Errorf("fetched %v, want %s", fetched, broken.Digest)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantArtifact(t, open(t, dir), s, a)
}

// TestFoundIsListed asks for what a killed writer has left, and does not put it.
func TestFoundIsListed(t *testing.T) {
	s := store{}
	d := s.index(s.image("a"), s.image("b"))
	dir := filepath.Join(t.TempDir(), "layout")
	killed, err := Create(dir, OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.copyTo(t, killed, d); err != nil {
		t.Fatal(err)
	}
	killed.Discard()
	_, err = Open(t.Context(), dir)
	wantCode(t, err, diag.BadArtifact)
	w, err := Create(dir, OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Has(t.Context(), d); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	wantResolve(t, l, "", d)
	wantArtifact(t, l, s, d)
}

func TestForeignEntriesStay(t *testing.T) {
	s := store{}
	a, b, c := s.image("a"), s.image("b"), s.image("c")
	dir := t.TempDir()
	files := s.files(tagged(a, "1"), named(b, ocispec.AnnotationRefName, "2", "x", "y"), c)
	for i := 0; i < len(files); i += 2 {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(files[i])), 0o700)
		os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600)
	}
	s.write(t, dir, OCIDir, c, "1")
	roots := open(t, dir).Roots()
	if len(roots) != 2 || roots[0].Digest != b.Digest || roots[0].Annotations["x"] != "y" || roots[1].Digest != c.Digest {
		t.Errorf("%v", roots)
	}
}

func TestConcurrentWriters(t *testing.T) {
	s := store{}
	dir := filepath.Join(t.TempDir(), "layout")
	const writers = 8
	var images []ocispec.Descriptor
	for i := range writers {
		images = append(images, s.image(fmt.Sprint("arch", i%3)))
	}
	var group sync.WaitGroup
	var want []string
	for i := range writers {
		want = append(want, fmt.Sprint(i))
		group.Go(func() { s.write(t, dir, OCIDir, images[i], fmt.Sprint(i)) })
	}
	group.Wait()
	l := open(t, dir)
	wantTags(t, l, want...)
	for i := range writers {
		wantResolve(t, l, fmt.Sprint(i), images[i])
		wantArtifact(t, l, s, images[i])
	}
}

// TestParallelBlobs puts the same blobs at once: each is in the tar once.
func TestParallelBlobs(t *testing.T) {
	for _, format := range []Format{OCIDir, OCITar, DockerTar} {
		s := store{}
		d := s.image("amd64")
		m, err := parse(d.Digest, s[d.Digest])
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.tar")
		w, err := Create(path, format)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		var group sync.WaitGroup
		for range 4 {
			for _, blob := range append(m.Layers, *m.Config) {
				group.Go(func() {
					if err := w.PutBlob(t.Context(), blob, s.open(blob)); err != nil {
						t.Error(err)
					}
				})
			}
		}
		group.Wait()
		if err := w.Tag(t.Context(), d, s[d.Digest], "1"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		l := open(t, path)
		got, err := l.Resolve(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		wantArtifact(t, l, nil, got)
		if format == OCIDir {
			continue
		}
		again := filepath.Join(t.TempDir(), "again.tar")
		s.write(t, again, format, d, "1")
		x, _ := os.Stat(path)
		y, _ := os.Stat(again)
		if x.Size() != y.Size() {
			t.Errorf("format %d: %d bytes, one by one %d", format, x.Size(), y.Size())
		}
	}
}

// TestBadBlobs gives wrong blobs: none of them is in what is written, and the
// right ones can follow.
func TestBadBlobs(t *testing.T) {
	for _, format := range []Format{OCIDir, OCITar, DockerTar} {
		s := store{}
		d := s.image("amd64")
		m, err := parse(d.Digest, s[d.Digest])
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		good := filepath.Join(dir, "good.tar")
		s.write(t, good, format, d, "a/b:1")
		path := filepath.Join(dir, "x.tar")
		w, err := Create(path, format)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Discard()
		for _, blob := range append(m.Layers, *m.Config) {
			data := s[blob.Digest]
			flipped := bytes.Clone(data)
			flipped[len(flipped)-1] ^= 1
			for _, bad := range [][]byte{flipped, append(bytes.Clone(data), 0), data[:len(data)-1], nil, bytes.Repeat([]byte("x"), 1<<20)} {
				err := w.PutBlob(t.Context(), blob, func(int64) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bad)), nil })
				wantCode(t, err, diag.DigestMismatch)
			}
			broken := errors.New("connection lost")
			err := w.PutBlob(t.Context(), blob, func(int64) (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(bytes.NewReader(data[:10]), failing{broken})), nil
			})
			if !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
			if ok, err := w.Has(t.Context(), blob); ok || err != nil {
				t.Errorf("has %s: %v (%v)", blob.Digest, ok, err)
			}
		}
		wantCode(t, w.PutManifest(t.Context(), d, s[d.Digest]), diag.BadArtifact) // its blobs are not there
		if err := s.copyTo(t, w, d); err != nil {
			t.Fatal(err)
		}
		wantCode(t, w.PutManifest(t.Context(), d, s[d.Digest][1:]), diag.DigestMismatch)
		if err := w.Tag(t.Context(), d, s[d.Digest], "a/b:1"); err != nil {
			t.Fatal(err)
		}
		for _, tag := range []string{"", "a b", "../x", d.Digest.String(), strings.Repeat("x", 600)} {
			wantCode(t, w.Tag(t.Context(), d, s[d.Digest], tag), diag.BadReference)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if format == OCIDir {
			list, _ := filepath.Glob(filepath.Join(path, "blobs", "sha256", "*"))
			if len(list) != len(s) {
				t.Errorf("%d blobs, want %d", len(list), len(s))
			}
			left, _ := filepath.Glob(filepath.Join(path, tempPrefix+"*"))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			continue
		}
		x, _ := os.ReadFile(good)
		y, _ := os.ReadFile(path)
		if !bytes.Equal(x, y) {
			t.Errorf("format %d: the archives differ", format)
		}
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o600)
	broken := filepath.Join(dir, "broken")
	os.Mkdir(broken, 0o700)
	os.WriteFile(filepath.Join(broken, "oci-layout"), layoutVersion(), 0o600)
	os.WriteFile(filepath.Join(broken, "index.json"), []byte("{"), 0o600)
	for _, test := range []struct {
		path   string
		format Format
		code   diag.Code
	}{
		{file, OCIDir, diag.TargetExists},
		{dir, OCIDir, diag.TargetExists},
		{dir, OCITar, diag.TargetExists},
		{dir, DockerTar, diag.TargetExists},
		{broken, OCIDir, diag.BadArtifact},
		{filepath.Join(dir, "none", "x"), OCITar, diag.StorageFailed},
	} {
		_, err := Create(test.path, test.format)
		wantCode(t, err, test.code)
	}
	w, err := Create(filepath.Join(dir, "empty.tar"), DockerTar)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.Close(), diag.BadArtifact)
}

// TestWriterStaysInside writes to a layout whose directory of blobs is a link
// out of it.
func TestWriterStaysInside(t *testing.T) {
	s := store{}
	dir, outside := t.TempDir(), t.TempDir()
	os.WriteFile(filepath.Join(dir, "oci-layout"), layoutVersion(), 0o600)
	if err := os.Symlink(outside, filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	w, err := Create(dir, OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	d := s.put("text/plain", []byte("x"))
	if err := w.PutBlob(t.Context(), d, s.open(d)); err == nil {
		t.Error("wrote through the link")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside: %v", left)
	}
}

func TestWaitsForTurn(t *testing.T) {
	s := store{}
	w, err := Create(filepath.Join(t.TempDir(), "x.tar"), OCITar)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	d, other := s.put("text/plain", []byte("x")), s.put("text/plain", []byte("y"))
	err = w.PutBlob(t.Context(), d, func(int64) (io.ReadCloser, error) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.PutBlob(ctx, other, s.open(other)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		return s.open(d)(0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHugeEntries encodes the headers of entries beyond the 8 GiB of the
// classic form.
func TestHugeEntries(t *testing.T) {
	for format, name := range map[tar.Format]string{
		tar.FormatGNU:     digest.FromString("x").Encoded() + ".tar",
		tar.FormatUnknown: blobName(digest.SHA512.FromString("x")),
	} {
		const size = 20 << 30
		header, err := tarHeader(name, size, format)
		if err != nil {
			t.Fatal(err)
		}
		if format == tar.FormatGNU && len(header) != tarBlock {
			t.Errorf("a header of %d bytes", len(header))
		}
		got, err := tar.NewReader(bytes.NewReader(header)).Next()
		if err != nil || got.Name != name || got.Size != size {
			t.Errorf("%v (%v)", got, err)
		}
	}
}

// A path that is a link stays one, and what it leads to is written.
func TestCreateThroughLink(t *testing.T) {
	for name, format := range map[string]Format{"dir": OCIDir, "tar": OCITar, "docker": DockerTar} {
		for _, there := range []bool{false, true} {
			base := t.TempDir()
			link, real := filepath.Join(base, "link"), filepath.Join(base, "real")
			if err := os.Symlink("real", link); err != nil {
				testtool.Skip(t, fmt.Sprint("no symbolic links: ", err))
			}
			if there && format == OCIDir {
				os.Mkdir(real, 0o755)
			} else if there {
				os.WriteFile(real, []byte("old"), 0o644)
			}
			s := store{}
			d := s.image("x")
			s.write(t, link, format, d, "v1")
			if to, err := os.Readlink(link); to != "real" {
				t.Errorf("%s, there %v: the link is %q, %v", name, there, to, err)
			}
			open(t, real)
		}
	}
}

package artifact

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// change changes something below a directory.
type change func(dir string) error

// Whatever is in the archive, comparing it with a directory says what comparing the
// directory with what is unpacked says.
func TestCompare(t *testing.T) {
	if runtime.GOOS == "windows" {
		testtool.Skip(t, "there are no executable bits, and links are for some users only")
	}
	long := strings.Repeat("0123456789abcdef", 20_000)
	outside := filepath.Join(writeTree(t, map[string]string{"x": "x", "d/x": "x"}))
	os.Chmod(filepath.Join(outside, "x"), 0o755)
	archives := map[string][]byte{
		"with directories": packedTree(t, long),
		// Directories need no entries of their own.
		"files only": tarOf(t, tar.Header{Name: "a/x"}, tar.Header{Name: "a/d/e/x"}, tar.Header{Name: "a/f/e/x"}, tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "x"}),
		"hard links": tarOf(t, tar.Header{Name: "a/x"}, tar.Header{Name: "a/d/h", Typeflag: tar.TypeLink, Linkname: "a/x"}),
	}
	swap := func(name string, make func(name string) error) change {
		return func(dir string) error {
			name := filepath.Join(dir, name)
			return errors.Join(os.RemoveAll(name), make(name))
		}
	}
	link := func(target string) func(string) error {
		return func(name string) error { return os.Symlink(target, name) }
	}
	write := func(text string, mode os.FileMode) func(string) error {
		return func(name string) error { return os.WriteFile(name, []byte(text), mode) }
	}
	mkdir := func(name string) error { return os.Mkdir(name, 0o755) }
	for _, test := range []struct {
		archive, name string
		change        change
		same          bool
	}{
		{"with directories", "nothing", func(string) error { return nil }, true},
		{"with directories", "other modes", func(dir string) error {
			return errors.Join(os.Chmod(filepath.Join(dir, "x"), 0o700), os.Chmod(filepath.Join(dir, "long"), 0o400), os.Chmod(filepath.Join(dir, "d"), 0o700))
		}, true},
		{"with directories", "a byte", swap("x", write("y", 0o755)), false},
		{"with directories", "a late byte", swap("long", write(long[1:]+"0", 0o644)), false},
		{"with directories", "the last byte", swap("long", write(long[:len(long)-1]+".", 0o644)), false},
		{"with directories", "shorter", swap("long", write(long[1:], 0o644)), false},
		{"with directories", "longer", swap("long", write(long+"0", 0o644)), false},
		{"with directories", "not executable", swap("x", write("x", 0o644)), false},
		{"with directories", "executable", swap("long", write(long, 0o755)), false},
		{"with directories", "another file", swap("d/new", write("", 0o644)), false},
		{"with directories", "another directory", swap("d/new", mkdir), false},
		{"with directories", "another link", swap("d/new", link("x")), false},
		{"with directories", "no file", swap("x", func(string) error { return nil }), false},
		{"with directories", "no directory", swap("empty", func(string) error { return nil }), false},
		{"with directories", "a directory for another", func(dir string) error {
			return os.Rename(filepath.Join(dir, "empty"), filepath.Join(dir, "new"))
		}, false},
		{"with directories", "another case", func(dir string) error {
			return os.Rename(filepath.Join(dir, "empty"), filepath.Join(dir, "Empty"))
		}, false},
		{"with directories", "link elsewhere", swap("l", link("long")), false},
		{"with directories", "file for link", swap("l", write("x", 0o755)), false},
		{"with directories", "link for file", swap("x", link("d/x")), false},
		{"with directories", "link to outside for file", swap("x", link(filepath.Join(outside, "x"))), false},
		{"with directories", "link to outside for directory", swap("d", link(filepath.Join(outside, "d"))), false},
		{"with directories", "link for empty directory", swap("empty", link("d")), false},
		{"with directories", "directory for file", swap("x", mkdir), false},
		{"with directories", "file for directory", swap("empty", write("", 0o644)), false},

		{"files only", "nothing", func(string) error { return nil }, true},
		{"files only", "link for directory", swap("d", link("f")), false},
		{"files only", "link for directory, and one more", func(dir string) error {
			return errors.Join(swap("d", link("f"))(dir), swap("f/1", write("", 0o644))(dir), swap("f/2", write("", 0o644))(dir))
		}, false},
		{"files only", "link for inner directory, and one more", func(dir string) error {
			return errors.Join(swap("d/e", link("../f/e"))(dir), swap("f/1", write("", 0o644))(dir))
		}, false},
		{"files only", "link to outside for directory", swap("d", link(outside)), false},

		{"hard links", "nothing", func(string) error { return nil }, true},
		{"hard links", "a copy", swap("d/h", write("x", 0o755)), true},
		{"hard links", "another copy", swap("d/h", write("y", 0o755)), false},
		{"hard links", "not executable", swap("d/h", write("x", 0o644)), false},
		{"hard links", "link to the file", swap("d/h", link("../x")), false},
	} {
		t.Run(test.archive+"/"+test.name, func(t *testing.T) {
			fresh, dir := t.TempDir(), t.TempDir()
			for _, dir := range []string{fresh, dir} {
				if err := unpackInto(t, dir, archives[test.archive], Limits{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := test.change(dir); err != nil {
				t.Fatal(err)
			}
			err := putLayer(t, NewComparer, dir, archives[test.archive], Limits{})
			if test.same && err != nil || !test.same && !errors.Is(err, errDiffer) && !strings.Contains(err.Error(), "escapes") {
				t.Errorf("compared in place: %v, want same %v", err, test.same)
			}
			if same, err := SameTree(fresh, dir); err != nil || same != test.same {
				t.Errorf("compared with what is unpacked: %v (%v), want %v", same, err, test.same)
			}
		})
	}
}

// packedTree packs a tree with one of each.
func packedTree(t *testing.T, long string) []byte {
	t.Helper()
	dir := writeTree(t, map[string]string{"x": "x", "long": long, "none": "", "d/x": "x"})
	err := errors.Join(os.Chmod(filepath.Join(dir, "x"), 0o755), os.Mkdir(filepath.Join(dir, "empty"), 0o755), os.Symlink("x", filepath.Join(dir, "l")))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if _, err := PackLayer(context.Background(), &buf, dir, "a", Compression{Enabled: true, Level: 6}, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Layers that are files lie beside layers that are directories.
func TestCompareLayers(t *testing.T) {
	packed := tarOf(t, tar.Header{Name: "a/x"})
	layers := []struct {
		ocispec.Descriptor
		data string
	}{
		{ocispec.Descriptor{Size: 5, Annotations: map[string]string{ocispec.AnnotationTitle: "sub/file"}}, "hello"},
		{ocispec.Descriptor{Size: int64(len(packed)), Annotations: map[string]string{ocispec.AnnotationTitle: "a", AnnotationUnpack: "true"}}, string(packed)},
	}
	all := func(open opener, dir string) error {
		u, err := open(dir, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		for _, l := range layers {
			if err := u.Layer(t.Context(), l.Descriptor, l.Annotations[ocispec.AnnotationTitle], strings.NewReader(l.data)); err != nil {
				return err
			}
		}
		return u.Finish()
	}
	dir := t.TempDir()
	if err := errors.Join(all(NewUnpacker, dir), all(NewComparer, dir)); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"hallo", "hell", "hello!"} {
		os.WriteFile(filepath.Join(dir, "sub/file"), []byte(text), 0o644)
		if err := all(NewComparer, dir); !errors.Is(err, errDiffer) {
			t.Errorf("%s: %v", text, err)
		}
	}
	// Less than was announced of it
	os.WriteFile(filepath.Join(dir, "sub/file"), []byte("hello"), 0o644)
	layers[0].data = "hell"
	if err := all(NewComparer, dir); !errors.Is(err, errDiffer) {
		t.Errorf("cut: %v", err)
	}
}

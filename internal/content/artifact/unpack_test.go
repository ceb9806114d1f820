package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		h.Mode = 0o4755
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, 1
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size == 1 {
			tw.Write([]byte("x"))
		}
	}
	tw.Close()
	return buf.Bytes()
}

// opener is NewUnpacker or NewComparer.
type opener func(dir string, limits Limits) (*Unpacker, error)

// putLayer puts an archive below a/ through an Unpacker.
func putLayer(t *testing.T, open opener, dir string, data []byte, limits Limits) error {
	t.Helper()
	u, err := open(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	layer := ocispec.Descriptor{Annotations: map[string]string{AnnotationUnpack: "true", ocispec.AnnotationTitle: "a"}}
	if err := u.Layer(context.Background(), layer, "", bytes.NewReader(data)); err != nil {
		return err
	}
	return u.Finish()
}

func unpackInto(t *testing.T, dir string, data []byte, limits Limits) error {
	t.Helper()
	return putLayer(t, NewUnpacker, dir, data, limits)
}

func TestUnsafeArchives(t *testing.T) {
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
	}
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	many := make([]tar.Header, 20)
	for i := range many {
		many[i] = file("a/" + string(rune('a'+i)))
	}
	for name, headers := range map[string][]tar.Header{
		"absolute":          {file("/etc/x")},
		"parent":            {file("../x")},
		"parent inside":     {file("a/../../x")},
		"backslash":         {file(`a\..\x`)},
		"drive":             {file("C:/x")},
		"link out":          {link("a/l", "../x")},
		"link absolute":     {link("a/l", "/etc")},
		"link chain":        {link("a/q/r", ".."), link("a/s", "q/r/..")},
		"file through link": {link("a/l", "d"), file("a/l/x")},
		"hard link out":     {{Name: "a/l", Typeflag: tar.TypeLink, Linkname: "../x"}},
		"hard link to link": {link("a/l", "d"), {Name: "a/m", Typeflag: tar.TypeLink, Linkname: "a/l"}},
		"device":            {{Name: "a/d", Typeflag: tar.TypeChar}},
		"fifo":              {{Name: "a/d", Typeflag: tar.TypeFifo}},
		"twice":             {file("a/x"), file("a/x")},
		"case clash":        {file("a/x"), file("a/X")},
		"case clash of ſ":   {file("a/s"), file("a/ſ")},
		"accents":           {file("a/\u00e9"), file("a/e\u0301")},
		"no width":          {file("a/x"), file("a/x\u200d")},
		"case clash of dir": {file("a/d/x"), file("a/D/y")},
		"below a file":      {file("a/x"), file("a/x/y")},
		"too deep":          {file("a/b/c/d/e/f/g/h/i")},
		"too many":          many,
		"too much":          many[:12],
	} {
		t.Run(name, func(t *testing.T) { wantUnsafe(t, putLayer, tarOf(t, headers...), name == "too much") })
	}
}

// wantUnsafe unpacks an archive that has to be refused, with nothing left outside of
// its directory, and compares it with a directory that looks as it would have it.
// With small, there is room for less than its files.
func wantUnsafe(t *testing.T, put func(*testing.T, opener, string, []byte, Limits) error, data []byte, small bool) {
	t.Helper()
	limits := Limits{Bytes: 64 << 10, Entries: 15, Depth: 8}
	if small {
		limits.Bytes = 4
	}
	for name, open := range map[string]opener{"unpacked": NewUnpacker, "compared": NewComparer} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "d")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "compared" {
			resemble(t, dir, data)
		}
		err := put(t, open, dir, data, limits)
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.UnsafeArchive || d.Hint == "" {
			t.Errorf("%s: got %v, want unsafe-archive with a hint", name, err)
		}
		if entries, _ := os.ReadDir(parent); len(entries) != 1 {
			t.Errorf("%s: something outside: %v", name, entries)
		}
	}
}

// resemble makes what there can be in a directory of the entries of an archive that
// tarOf made.
func resemble(t *testing.T, dir string, data []byte) {
	t.Helper()
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := tr.Next()
		if err != nil {
			return
		}
		name := filepath.Join(dir, filepath.Clean("/"+strings.TrimPrefix(header.Name, "a/")))
		os.MkdirAll(filepath.Dir(name), 0o755)
		switch header.Typeflag {
		case tar.TypeSymlink:
			os.Symlink(header.Linkname, name)
		case tar.TypeReg, tar.TypeLink:
			os.WriteFile(name, []byte("x"), 0o755)
		}
	}
}

func TestUnpackKeepsAndDrops(t *testing.T) {
	dir := t.TempDir()
	data := tarOf(t, tar.Header{Name: "a/x"}, tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "x"}, tar.Header{Name: "a/h", Typeflag: tar.TypeLink, Linkname: "a/x"})
	if err := unpackInto(t, dir, data, Limits{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "x"))
	if err != nil || info.Mode()&os.ModeSetuid != 0 {
		t.Errorf("got %v, %v, want no setuid bit", info, err)
	}
	if to, _ := os.Readlink(filepath.Join(dir, "l")); to != "x" {
		t.Errorf("link to %q", to)
	}
}

// The constants change with the compressor or its version: every artifact's
// digest would then change too, which is worth knowing.
func TestPackIsDeterministic(t *testing.T) {
	const (
		wantGzip  = "sha256:20712b3c316c46e1b5ef2c7893ea95afd93f64e96ecfc8a4956e102e11018054"
		wantPlain = "sha256:d279efa75cfc0bd79a3b5602981f6d4edc10c832cc5be34237a911d68595096b"
	)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for round, order := range [][]string{{"b/2", "a", "b/1"}, {"b/1", "b/2", "a"}, {"a", "b/1", "b/2"}} {
		runtime.GOMAXPROCS(round + 1)
		dir := t.TempDir()
		for _, name := range order {
			file := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(file), 0o700)
			if err := os.WriteFile(file, bytes.Repeat([]byte(name), 1_000_000), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("b/1", filepath.Join(dir, "l")); err != nil {
			if runtime.GOOS == "windows" {
				testtool.Skip(t, "this user may not make symbolic links: "+err.Error())
			}
			t.Fatal(err)
		}
		for want, c := range map[string]Compression{wantGzip: {Enabled: true, Level: 6}, wantPlain: {}} {
			var buf bytes.Buffer
			layer, err := PackLayer(context.Background(), &buf, dir, "name", c, nil)
			if err != nil {
				t.Fatal(err)
			}
			if layer.Digest.String() != want || layer.Size != int64(buf.Len()) {
				t.Errorf("round %d: got %s, want %s", round, layer.Digest, want)
			}
		}
	}
}

func TestCommitLeavesTargetOnRefusal(t *testing.T) {
	target := filepath.Join(t.TempDir(), "out")
	os.Mkdir(target, 0o755)
	os.WriteFile(filepath.Join(target, "mine"), []byte("1"), 0o644)
	s, err := Stage(target)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(s.Dir, "theirs"), []byte("2"), 0o644)
	if _, err := s.Commit(false); err == nil {
		t.Error("replaced without force")
	}
	if _, err := os.Stat(filepath.Join(target, "mine")); err != nil {
		t.Error(err)
	}
	if _, err := s.Commit(true); err != nil {
		t.Fatal(err)
	}
	s.Discard()
	if got, err := os.ReadDir(filepath.Dir(target)); err != nil || len(got) != 1 {
		t.Errorf("left behind: %v, %v", got, err)
	}
}

// Parents that were made for the target go with it; others, and those that hold
// something by then, stay.
func TestDiscardRemovesParents(t *testing.T) {
	there := t.TempDir()
	s, err := Stage(filepath.Join(there, "a/b/out"))
	if err != nil {
		t.Fatal(err)
	}
	s.Discard()
	if left, err := os.ReadDir(there); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if s, err = Stage(filepath.Join(there, "a/b/out")); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(there, "a/mine"), nil, 0o644)
	s.Discard()
	if left, err := os.ReadDir(filepath.Join(there, "a")); err != nil || len(left) != 1 {
		t.Errorf("got %v, %v, want what is not ours and no more", left, err)
	}
	if s, err = Stage(filepath.Join(there, "c/out")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(false); err != nil {
		t.Fatal(err)
	}
	s.Discard()
	if _, err := os.Stat(filepath.Join(there, "c/out")); err != nil {
		t.Error(err)
	}
}

// What is there by the name of an entry, as it would be on a file system that takes
// two names for one, is neither replaced nor written to nor followed.
func TestNothingIsReplaced(t *testing.T) {
	outside := t.TempDir()
	for name, test := range map[string]struct {
		there func(dir string) error
		entry tar.Header
	}{
		"file":              {func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), []byte("first"), 0o600) }, tar.Header{Name: "a/x"}},
		"link":              {func(dir string) error { return os.Symlink(filepath.Join(outside, "y"), filepath.Join(dir, "x")) }, tar.Header{Name: "a/x"}},
		"link by link":      {func(dir string) error { return os.Symlink("first", filepath.Join(dir, "x")) }, tar.Header{Name: "a/x", Typeflag: tar.TypeSymlink, Linkname: "second"}},
		"file by directory": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), []byte("first"), 0o600) }, tar.Header{Name: "a/x", Typeflag: tar.TypeDir}},
		"link by directory": {func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "x")) }, tar.Header{Name: "a/x", Typeflag: tar.TypeDir}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.there(dir); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(filepath.Join(dir, "x"))
			around, _ := os.Stat(outside)
			err := unpackInto(t, dir, tarOf(t, test.entry), Limits{})
			if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.UnsafeArchive {
				t.Errorf("got %v, want unsafe-archive", err)
			}
			after, _ := os.Lstat(filepath.Join(dir, "x"))
			if !os.SameFile(before, after) || before.Mode() != after.Mode() || before.Size() != after.Size() {
				t.Errorf("%v became %v", before, after)
			}
			left, _ := os.ReadDir(outside)
			if info, _ := os.Stat(outside); len(left) > 0 || info.Mode() != around.Mode() {
				t.Errorf("outside there are %v, with mode %v", left, info.Mode())
			}
		})
	}
}

// What is small on the way and large on the disk is refused early: in a file,
// in many, and behind the end of the archive.
func TestCompressedBombs(t *testing.T) {
	const allowed = 8 << 20
	zeros := func(w io.Writer, n int64) { io.CopyN(w, zeroReader{}, n) }
	for name, write := range map[string]func(io.Writer){
		"one file": func(w io.Writer) {
			tw := tar.NewWriter(w)
			tw.WriteHeader(&tar.Header{Name: "a/x", Typeflag: tar.TypeReg, Size: 64 << 20, Mode: 0o644})
			zeros(tw, 64<<20)
			tw.Close()
		},
		"many files": func(w io.Writer) {
			tw := tar.NewWriter(w)
			for i := range 640 {
				tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("a/%d", i), Typeflag: tar.TypeReg, Size: 100 << 10, Mode: 0o644})
				zeros(tw, 100<<10)
			}
			tw.Close()
		},
		"padding": func(w io.Writer) {
			tar.NewWriter(w).Close()
			zeros(w, 64<<20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			gz := gzip.NewWriter(&buf)
			write(gz)
			gz.Close()
			if buf.Len() > 1<<20 {
				t.Fatalf("%d bytes are no bomb", buf.Len())
			}
			dir := t.TempDir()
			wantRefused := func(err error) {
				t.Helper()
				if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.UnsafeArchive {
					t.Errorf("got %v, want unsafe-archive", err)
				}
			}
			wantRefused(unpackInto(t, dir, buf.Bytes(), Limits{Bytes: allowed}))
			// Beside the same, which takes no space.
			there := t.TempDir()
			os.WriteFile(filepath.Join(there, "x"), nil, 0o644)
			os.Truncate(filepath.Join(there, "x"), 64<<20)
			for i := range 640 {
				file := filepath.Join(there, fmt.Sprint(i))
				os.WriteFile(file, nil, 0o644)
				os.Truncate(file, 100<<10)
			}
			wantRefused(putLayer(t, NewComparer, there, buf.Bytes(), Limits{Bytes: allowed}))
			var written int64
			filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, _ error) error {
				if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
					written += info.Size()
				}
				return nil
			})
			if written > allowed {
				t.Errorf("%d bytes were written, %d allowed", written, allowed)
			}
		})
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

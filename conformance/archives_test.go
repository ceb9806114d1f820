package conformance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var archivesLong = flag.Bool("archives.long", false, "also the archives of TestArchives that take a minute")

// hostileArchive is the layer of an artifact that somebody made to do harm.
type hostileArchive struct {
	name  string
	title string // of the layer; "" for the artifact's own name
	data  func(t *testing.T, base, outside string) []byte
	code  int
	only  string // the kind that it is tried with; "" for all
	long  bool   // it takes a minute
}

// archived makes an archive of entries, whose names are below base. A name that
// begins with ! is taken as it is.
func archived(entries ...tar.Header) func(t *testing.T, base, outside string) []byte {
	return func(t *testing.T, base, outside string) []byte {
		t.Helper()
		var data bytes.Buffer
		zip := gzip.NewWriter(&data)
		w := tar.NewWriter(zip)
		for _, e := range entries {
			place := func(name string) string {
				if as, ok := strings.CutPrefix(name, "!"); ok {
					return strings.ReplaceAll(as, "OUTSIDE", outside)
				}
				return base + name
			}
			e.Name = place(e.Name)
			if e.Typeflag == tar.TypeLink {
				e.Linkname = place(e.Linkname)
			}
			e.Linkname = strings.ReplaceAll(e.Linkname, "OUTSIDE", outside)
			if e.Mode == 0 {
				e.Mode = 0o644
			}
			if err := w.WriteHeader(&e); err != nil {
				t.Fatal(err)
			}
			if e.Typeflag == tar.TypeReg && e.Size <= mib {
				if _, err := w.Write(make([]byte, e.Size)); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = w.Flush() // the size of one may be a lie,
		_ = w.Close() // of which the writer complains
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		return data.Bytes()
	}
}

func file(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 4} }

func symlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
}

func hardlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
}

var hostileArchives = []hostileArchive{
	{name: "an absolute path", data: archived(file("fine"), file("!OUTSIDE/escaped"))},
	{name: "dots", data: archived(file("fine"), file("!../escaped"))},
	{name: "dots within", data: archived(file("a/../../../escaped"))},
	{name: "a drive", data: archived(file("!C:escaped"))},
	{name: "backslashes", data: archived(file(`..\escaped`))},
	{name: "a link to the outside, and a file through it", data: archived(symlink("link", "../.."), file("link/escaped"))},
	{name: "an absolute link", data: archived(symlink("link", "OUTSIDE"), file("link/escaped"))},
	{name: "a link by way of a link", data: archived(symlink("a", "."), symlink("b", "a/.."), symlink("c", "b/../.."), file("c/escaped"))},
	{name: "a file in the place of a link", data: archived(symlink("link", "fine"), file("link"))},
	{name: "a hard link to the outside", data: archived(hardlink("link", "!../../canary"))},
	{name: "an absolute hard link", data: archived(hardlink("link", "!OUTSIDE/canary"))},
	{name: "a hard link to a link", data: archived(symlink("link", "fine"), hardlink("hard", "link"))},
	{name: "a hard link to what comes later", data: archived(hardlink("hard", "fine"), file("fine"))},
	{name: "a character device", data: archived(tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3})},
	{name: "a block device", data: archived(tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Devmajor: 8})},
	{name: "a pipe", data: archived(tar.Header{Typeflag: tar.TypeFifo, Name: "pipe"})},
	{name: "one name twice", data: archived(file("a"), file("a"))},
	{name: "names that differ in case", data: archived(file("a/readme"), file("A/README"))},
	{name: "a file below a file", data: archived(file("a"), file("a/b"))},
	{name: "too deep", data: archived(file(strings.Repeat("d/", 70) + "f"))},
	{name: "more bytes than allowed", data: archived(file("fine"), tar.Header{Typeflag: tar.TypeReg, Name: "huge", Size: 65 << 30})},
	{name: "more padding than allowed", data: padded, only: "data", long: true},
	{name: "more entries than allowed", data: million, only: "data"},
	{name: "half an archive", code: exitFailed, data: func(t *testing.T, base, outside string) []byte {
		data := archived(file("fine"), file("more"))(t, base, outside)
		return data[:len(data)/2]
	}},
	{name: "no archive", code: exitFailed, data: func(*testing.T, string, string) []byte { return bytes.Repeat([]byte("no archive "), 1000) }},
	{name: "a title that leads out", title: "../escaped", data: archived(file("fine")), only: "data"},
	{name: "an absolute title", title: "/escaped", data: archived(file("fine")), only: "data"},
}

// million is an archive of a million and one entries, all of them the directory
// itself: many at a time are one compressed member, repeated.
func million(t *testing.T, base, _ string) []byte {
	const at, members = 50_000, 20
	var header bytes.Buffer
	name := strings.TrimSuffix(base, "/")
	if name == "" {
		name = "."
	}
	w := tar.NewWriter(&header)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	one := header.Bytes()
	return append(bytes.Repeat(zipped(t, bytes.Repeat(one, at)), members), zipped(t, one)...)
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, err := zip.Write(data)
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// padded is a good archive with 65 GiB of zeros behind its end, which take 2 MiB in
// zstd (RFC 8878): a frame of one raw block, then one of blocks that repeat a byte.
func padded(t *testing.T, base, _ string) []byte {
	const block = 128 << 10
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: base + "fine", Mode: 0o644})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3} // a window of 128 KiB
	blockHeader := func(last, kind, size uint32) []byte {
		return binary.LittleEndian.AppendUint32(nil, last|kind<<1|size<<3)[:3]
	}
	data := append(magic[:len(magic):len(magic)], blockHeader(1, 0, uint32(archive.Len()))...)
	data = append(append(data, archive.Bytes()...), magic...)
	data = append(data, bytes.Repeat(append(blockHeader(0, 1, block), 0), 65<<30/block)...)
	return append(append(data, blockHeader(1, 1, block)...), 0)
}

// TestArchives pulls artifacts that were made to do harm from a real registry: they
// are refused, what was in the output's place stays, and nothing comes to be beside.
func TestArchives(t *testing.T) {
	s := newServer(t, setup{})
	for n, a := range hostileArchives {
		for _, kind := range []string{"data", "extension", "kcl"} {
			if a.only != "" && a.only != kind || a.long && !*archivesLong {
				continue
			}
			t.Run(a.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				u := newUser(t, s.port, nil)
				writeFile(t, u.home, "canary", "canary")
				out := u.path("in/out")
				if err := os.MkdirAll(out, 0o755); err != nil {
					t.Fatal(err)
				}
				writeFile(t, out, "old", "old")
				name := fmt.Sprint("hostile", n)
				a.put(t, s, kind, name, u.home)
				before := around(t, u)
				o := u.run("pull", kind+"/"+name+":v1", "-o", out, "--force")
				want := a.code
				if want == 0 {
					want = exitIntegrity
				}
				if o.code != want {
					t.Errorf("exit code %d, not %d: %s", o.code, want, o.stderr)
				}
				if after := around(t, u); !maps.Equal(before, after) {
					t.Errorf("it has touched something: before %q, now %q", before, after)
				}
			})
		}
	}
	t.Run("setuid", func(t *testing.T) { setuid(t, s) })
}

// around is all there is in a user's home but what berth keeps for itself.
func around(t *testing.T, u *berthUser) tree {
	t.Helper()
	found := readTree(t, u.home)
	maps.DeleteFunc(found, func(name, _ string) bool {
		top, _, _ := strings.Cut(name, string(filepath.Separator))
		return top == "cache" || top == "state"
	})
	return found
}

// put makes an artifact of the archive.
func (a hostileArchive) put(t *testing.T, s *server, kind, name, outside string) {
	t.Helper()
	base := name + "/"
	annotations := map[string]string{v1.AnnotationTitle: name, "io.deis.oras.content.unpack": "true"}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		ArtifactType: "application/vnd.berth.directory.v1", Config: v1.DescriptorEmptyJSON}
	repo := "data/" + name
	switch kind {
	case "extension":
		repo, m.ArtifactType = "provisioning-extensions/"+name, "application/vnd.berth.extension.v1"
	case "kcl":
		repo, m.ArtifactType, base = "provisioning-kcl/"+name, v1.MediaTypeImageLayer, ""
		annotations = map[string]string{v1.AnnotationTitle: name + "_1.0.0.tar"}
		m.Annotations = map[string]string{"org.kcllang.package.name": name, "org.kcllang.package.version": "1.0.0"}
	}
	if a.title != "" {
		annotations[v1.AnnotationTitle] = a.title
	}
	layer := newBlob(digest.SHA256, a.data(t, base, outside))
	d := layer.descriptor(v1.MediaTypeImageLayerGzip)
	d.Annotations = annotations
	m.Layers = []v1.Descriptor{d}
	i := image{[]blob{layer, newBlob(digest.SHA256, []byte("{}"))}, []manifest{newManifest(m.MediaType, m.ArtifactType, m)}}
	if err := s.client.push(t.Context(), repo, "v1", i); err != nil {
		t.Fatal(err)
	}
}

// setuid unpacks files with bits that give away rights, which are left out.
func setuid(t *testing.T, s *server) {
	u := newUser(t, s.port, nil)
	a := hostileArchive{data: archived(tar.Header{Typeflag: tar.TypeReg, Name: "su", Mode: 0o6777, Size: 4}, tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})}
	a.put(t, s, "data", "setuid", u.home)
	u.must("pull", "data/setuid:v1", "-o", u.path("out"))
	for _, name := range []string{"su", "tmp"} {
		info, err := os.Stat(filepath.Join(u.path("out"), name))
		if err != nil || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			t.Errorf("%s is %v: %v", name, info.Mode(), err)
		}
	}
}

package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

const tinyMod = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\ndescription = \"A <tiny> one\"\n"

// packModule reads and packs the module in dir.
func packModule(t *testing.T, dir string, c Compression) (m Module, layer ocispec.Descriptor, sum string, data []byte) {
	t.Helper()
	m, err := ReadModule(dir, Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	layer, sum, err = PackModule(context.Background(), &buf, dir, m, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if layer.Digest != digest.FromBytes(buf.Bytes()) || layer.Size != int64(buf.Len()) {
		t.Errorf("the layer is not what %+v says", layer)
	}
	return m, layer, sum, buf.Bytes()
}

// putModule puts the layer of a package through an Unpacker.
func putModule(t *testing.T, open opener, dir string, data []byte, limits Limits) error {
	t.Helper()
	u, err := open(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if err := u.Module(context.Background(), bytes.NewReader(data)); err != nil {
		return err
	}
	return u.Finish()
}

func unpackModule(t *testing.T, dir string, data []byte, limits Limits) error {
	t.Helper()
	return putModule(t, NewUnpacker, dir, data, limits)
}

// sumOf is kpm's sum of the contents of files, in the order given.
func sumOf(contents ...string) string {
	hash := sha256.Sum256([]byte(strings.Join(contents, "")))
	return base64.StdEncoding.EncodeToString(hash[:])
}

// entriesOf reads an archive as kpm does, which knows directories and files only.
func entriesOf(t *testing.T, layer ocispec.Descriptor, data []byte) (names []string) {
	t.Helper()
	r := io.Reader(bytes.NewReader(data))
	if strings.HasSuffix(layer.Annotations[ocispec.AnnotationTitle], ".tgz") {
		gz, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = gz
	}
	tr := tar.NewReader(r)
	for {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeDir && header.Typeflag != tar.TypeReg || header.PAXRecords != nil {
			t.Errorf("%s is a %q with %v", header.Name, header.Typeflag, header.PAXRecords)
		}
		names = append(names, header.Name)
	}
}

func TestModuleManifest(t *testing.T) {
	const config = `{"mediaType":"application/vnd.oci.empty.v1+json",` +
		`"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="}`
	dir := writeTree(t, map[string]string{"kcl.mod": tinyMod, "main.k": "a = 1\n"})
	for title, c := range map[string]Compression{"tiny_0.1.0.tgz": {Enabled: true, Level: 6}, "tiny_0.1.0.tar": {}} {
		m, layer, sum, _ := packModule(t, dir, c)
		configBlob, manifest, err := PackModuleManifest(m, layer, sum)
		if err != nil {
			t.Fatal(err)
		}
		mediaType := "application/vnd.oci.image.layer.v1.tar"
		if c.Enabled {
			mediaType += "+gzip"
		}
		want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
			`"artifactType":"` + mediaType + `","config":` + config + `,"layers":[{"mediaType":"` + mediaType + `",` +
			fmt.Sprintf(`"digest":"%s","size":%d,`, layer.Digest, layer.Size) +
			`"annotations":{"org.opencontainers.image.title":"` + title + `"}}],"annotations":{` +
			`"org.kcllang.package.description":"A \u003ctiny\u003e one","org.kcllang.package.name":"tiny",` +
			`"org.kcllang.package.sum":"` + sumOf(tinyMod, "a = 1\n") + `","org.kcllang.package.version":"0.1.0"}}`
		if diff := cmp.Diff(want, string(manifest.Data)); diff != "" {
			t.Error(diff)
		}
		if manifest.Digest != digest.FromString(want) || manifest.Size != int64(len(want)) || manifest.ArtifactType != mediaType {
			t.Errorf("got descriptor %+v", manifest.Descriptor)
		}
		if string(configBlob.Data) != "{}" || configBlob.Digest != digest.FromString("{}") || configBlob.Size != 2 {
			t.Errorf("got config %+v", configBlob)
		}
	}
}

func TestModuleRoundTrip(t *testing.T) {
	files := map[string]string{
		"kcl.mod": tinyMod, "kcl.mod.lock": "", "main.k": "import .sub.more\n", "sub/more.k": "b = 2\n", "sub/deep/x.txt": "x", "sub-a": "-",
		"README.md": strings.Repeat("long ", 100_000),
	}
	dir := writeTree(t, files)
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Compression{{Enabled: true, Level: 9}, {Enabled: true}, {}} {
		m, layer, sum, data := packModule(t, dir, c)
		// Lexical order, directory by directory: sub is before sub-a, with all that is in it.
		want := []string{"README.md", "empty/", "kcl.mod", "kcl.mod.lock", "main.k", "sub/", "sub/deep/", "sub/deep/x.txt", "sub/more.k", "sub-a"}
		if diff := cmp.Diff(want, entriesOf(t, layer, data)); diff != "" {
			t.Error(diff)
		}
		if want := sumOf(files["README.md"], tinyMod, "", files["main.k"], "x", files["sub/more.k"], "-"); sum != want {
			t.Errorf("got sum %s, want %s", sum, want)
		}
		out := t.TempDir()
		if err := unpackModule(t, out, data, Limits{}); err != nil {
			t.Fatal(err)
		}
		if same, err := SameTree(dir, out); err != nil || !same {
			t.Errorf("got another tree, %v", err)
		}
		if err := putModule(t, NewComparer, out, data, Limits{}); err != nil {
			t.Errorf("compared: %v", err)
		}
		if err := CheckModule(context.Background(), out, manifestOf(t, m, layer, sum)); err != nil {
			t.Error(err)
		}
	}
}

func manifestOf(t *testing.T, m Module, layer ocispec.Descriptor, sum string) *ocispec.Manifest {
	t.Helper()
	manifest := &ocispec.Manifest{
		ArtifactType: layer.MediaType, Layers: []ocispec.Descriptor{layer},
		Annotations: map[string]string{kclName: m.Name, kclVersion: m.Version, kclSum: sum},
	}
	if !IsModule(manifest) {
		t.Error("not taken for a package")
	}
	return manifest
}

func TestModuleLeavesOut(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"kcl.mod": tinyMod + "include = [\"*.k\", \"kcl.mod\", \"sub/*\"]\nexclude = [\"draft.k\"]\n",
		"main.k":  "1", "draft.k": "2", "notes.txt": "3", "sub/a.k": "4", "sub/.gitkeep": "", "sub/b.tar.gz": "5", ".git/config": "6", "old_0.0.1.tar": "7",
	})
	// What is left out may be anything.
	if err := os.Symlink("main.k", filepath.Join(dir, "link")); err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
	m, layer, sum, data := packModule(t, dir, Compression{Enabled: true, Level: 6})
	if diff := cmp.Diff([]string{"kcl.mod", "main.k", "sub/a.k"}, entriesOf(t, layer, data)); diff != "" {
		t.Error(diff)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "kcl.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := sumOf(string(mod), "1", "4"); sum != want {
		t.Errorf("got sum %s, want %s", sum, want)
	}
	out := t.TempDir()
	if err := unpackModule(t, out, data, Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := CheckModule(context.Background(), out, manifestOf(t, m, layer, sum)); err != nil {
		t.Error(err)
	}
}

func TestModulePackIsDeterministic(t *testing.T) {
	names := []string{"kcl.mod", "b/2.k", "a.k", "b/1.k"}
	var first []byte
	for round := range 3 {
		dir := t.TempDir()
		for i, name := range names {
			file := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(file), fs.FileMode(0o700+round*0o25))
			if err := os.WriteFile(file, []byte(tinyMod), fs.FileMode(0o600+round*0o22)); err != nil {
				t.Fatal(err)
			}
			at := time.Unix(int64(round*1_000_000+i), 0)
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
		}
		slices.Reverse(names)
		m, layer, sum, _ := packModule(t, dir, Compression{Enabled: true, Level: 6})
		_, manifest, err := PackModuleManifest(m, layer, sum)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = manifest.Data
		}
		if diff := cmp.Diff(string(first), string(manifest.Data)); diff != "" {
			t.Errorf("round %d: %s", round, diff)
		}
	}
}

func TestModuleWithLink(t *testing.T) {
	dir := writeTree(t, map[string]string{"kcl.mod": tinyMod, "main.k": ""})
	if err := os.Symlink("main.k", filepath.Join(dir, "other.k")); err != nil {
		if runtime.GOOS == "windows" {
			testtool.Skip(t, "this user may not make symbolic links: "+err.Error())
		}
		t.Fatal(err)
	}
	m, err := ReadModule(dir, Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = PackModule(context.Background(), io.Discard, dir, m, Compression{Enabled: true, Level: 6}, nil)
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok || d.Code != diag.BadArtifact || !strings.Contains(d.Message, "other.k") || !strings.Contains(d.Hint, "exclude") {
		t.Errorf("got %v, want bad-artifact for other.k", err)
	}
}

// Whatever the media type says, the content tells whether it is compressed; kpm
// writes directories without a slash at the end, and with times and modes.
func TestUnpackModuleOfKpm(t *testing.T) {
	now := time.Now()
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	for _, header := range []tar.Header{
		{Name: "kcl.mod", Typeflag: tar.TypeReg, Mode: 0o664, Size: int64(len(tinyMod)), ModTime: now, Uname: "me"},
		{Name: "sub", Typeflag: tar.TypeDir, Mode: 0o2775, ModTime: now},
		{Name: "sub/" + strings.Repeat("long", 40), Typeflag: tar.TypeReg, Mode: 0o664, ModTime: now},
	} {
		if err := tw.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			io.WriteString(tw, tinyMod)
		}
	}
	tw.Close()
	var zipped bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	gz.Write(plain.Bytes())
	gz.Close()
	for name, data := range map[string][]byte{"plain": plain.Bytes(), "gzip": zipped.Bytes()} {
		out := t.TempDir()
		if err := unpackModule(t, out, data, Limits{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := writeTree(t, map[string]string{"kcl.mod": tinyMod, "sub/" + strings.Repeat("long", 40): ""})
		if same, err := SameTree(want, out); err != nil || !same {
			t.Errorf("%s: got another tree, %v", name, err)
		}
	}
}

func TestUnsafeModules(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	many := make([]tar.Header, 20)
	for i := range many {
		many[i] = file(fmt.Sprintf("%d.k", i))
	}
	for name, headers := range map[string][]tar.Header{
		"absolute":          {file("/etc/x")},
		"parent":            {file("../x")},
		"parent inside":     {file("a/../../x")},
		"backslash":         {file(`..\x`)},
		"root":              {file(".")},
		"link inside":       {file("main.k"), {Name: "l", Typeflag: tar.TypeSymlink, Linkname: "main.k"}},
		"link out":          {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../x"}},
		"file through link": {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, file("l/x")},
		"hard link":         {file("main.k"), {Name: "l", Typeflag: tar.TypeLink, Linkname: "main.k"}},
		"device":            {{Name: "d", Typeflag: tar.TypeChar}},
		"twice":             {file("main.k"), file("./main.k")},
		"case clash":        {file("main.k"), file("Main.k")},
		"below a file":      {file("x"), file("x/y")},
		"too deep":          {file("a/b/c/d/e/f/g/h/i")},
		"too many":          many,
		"too much":          many[:12],
	} {
		t.Run(name, func(t *testing.T) { wantUnsafe(t, putModule, tarOf(t, headers...), name == "too much") })
	}
}

func TestCheckModule(t *testing.T) {
	files := func(mod string) map[string]string { return map[string]string{"kcl.mod": mod, "a.k": "a"} }
	right, wrong := sumOf("a", tinyMod), sumOf("other")
	vendored := files(tinyMod)
	vendored["vendor/k8s_1.31/kcl.mod"] = ""
	for name, test := range map[string]struct {
		files map[string]string
		sum   string
		bad   bool
	}{
		"right":           {files: files(tinyMod), sum: right},
		"none":            {files: files(tinyMod)},
		"wrong":           {files: files(tinyMod), sum: wrong, bad: true},
		"no sum at all":   {files: files(tinyMod), sum: "none", bad: true},
		"no kcl.mod":      {files: map[string]string{"a.k": "a"}, sum: right, bad: true},
		"unread kcl.mod":  {files: files("include"), sum: right, bad: true},
		"summed with all": {files: files(tinyMod + "exclude = [\"x\"]\n"), sum: wrong},
		"include":         {files: files(tinyMod + "include = [\"*\"]\n"), sum: wrong},
		"vendored":        {files: vendored, sum: right},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := &ocispec.Manifest{Annotations: map[string]string{kclName: "tiny"}}
			if test.sum != "" {
				manifest.Annotations[kclSum] = test.sum
			}
			err := CheckModule(context.Background(), writeTree(t, test.files), manifest)
			if !test.bad {
				if err != nil {
					t.Error(err)
				}
				return
			}
			d, ok := errors.AsType[*diag.Diagnostic](err)
			if !ok || d.Code != diag.DigestMismatch || !strings.Contains(d.Message, test.sum) || d.Hint == "" {
				t.Fatalf("got %v, want digest-mismatch that names %s", err, test.sum)
			}
			if name == "wrong" && !strings.Contains(d.Message, right) {
				t.Errorf("%v does not name %s", err, right)
			}
		})
	}
}

func TestIsModule(t *testing.T) {
	const tgz, plain = "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar"
	layer := func(annotations ...string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: tgz, Annotations: map[string]string{}}
		for i := 0; i < len(annotations); i += 2 {
			d.Annotations[annotations[i]] = annotations[i+1]
		}
		return d
	}
	titled := layer(ocispec.AnnotationTitle, "a_1.0.tgz")
	named := map[string]string{"org.kcllang.package.name": "a"}
	for name, test := range map[string]struct {
		m    ocispec.Manifest
		want bool
	}{
		"kpm":           {ocispec.Manifest{ArtifactType: tgz, Layers: []ocispec.Descriptor{titled}, Annotations: named}, true},
		"other type":    {ocispec.Manifest{ArtifactType: "application/x", Layers: []ocispec.Descriptor{layer()}, Annotations: named}, true},
		"older":         {ocispec.Manifest{ArtifactType: plain, Layers: []ocispec.Descriptor{layer(ocispec.AnnotationTitle, "a_1.0.tar")}}, true},
		"oldest":        {ocispec.Manifest{Config: ocispec.Descriptor{MediaType: plain}, Layers: []ocispec.Descriptor{layer(ocispec.AnnotationTitle, "a_1.0.tar")}}, true},
		"two layers":    {ocispec.Manifest{ArtifactType: tgz, Layers: []ocispec.Descriptor{titled, titled}, Annotations: named}, false},
		"no layer":      {ocispec.Manifest{ArtifactType: tgz, Annotations: named}, false},
		"a directory":   {ocispec.Manifest{ArtifactType: tgz, Layers: []ocispec.Descriptor{layer(ocispec.AnnotationTitle, "a.tar", AnnotationUnpack, "true")}}, false},
		"another title": {ocispec.Manifest{ArtifactType: tgz, Layers: []ocispec.Descriptor{layer(ocispec.AnnotationTitle, "a.txt")}}, false},
		"a file":        {ocispec.Manifest{ArtifactType: "application/x", Layers: []ocispec.Descriptor{titled}}, false},
		"an image":      {ocispec.Manifest{Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig}, Layers: []ocispec.Descriptor{layer()}}, false},
	} {
		if got := IsModule(&test.m); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

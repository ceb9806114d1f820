package layout

import (
	"archive/tar"
	"bytes"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// dockerConfig makes a config of layers.
func dockerConfig(layers ...[]byte) []byte {
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(l))
	}
	return toJSON(config)
}

func TestDockerForms(t *testing.T) {
	a, b := tarOf("a", "1"), tarOf("b", "2")
	config := dockerConfig(a, b, a)
	id := digest.FromBytes(config).Encoded()
	blob := func(data []byte) string { return "blobs/sha256/" + digest.FromBytes(data).Encoded() }
	classic := tarWithLinks(map[string]string{"three/layer.tar": "../one/layer.tar"},
		"one/layer.tar", string(a), "two/layer.tar", string(b), id+".json", string(config), "manifest.json",
		string(toJSON([]dockerImage{{id + ".json", []string{"ns/app:1"}, []string{"one/layer.tar", "two/layer.tar", "three/layer.tar"}}})))
	for name, test := range map[string]struct {
		data []byte
		want []string // media types of the layers
	}{
		"classic": {classic, []string{ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayer}},
		"blobs": {
			tarOf("manifest.json", string(toJSON([]dockerImage{{blob(config), []string{"ns/app:1"}, []string{blob(a), blob(b), blob(a)}}})),
				blob(a), string(a), blob(b), string(b), blob(config), string(config)),
			[]string{ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayer},
		},
		"compressed": {
			tarOf("sha256:"+id, string(config), "a.tar.gz", string(gzipOf(a)), "b.tar", string(zstdOf(b)),
				"manifest.json", string(toJSON([]dockerImage{{"sha256:" + id, []string{"ns/app:1"}, []string{"a.tar.gz", "b.tar", "a.tar.gz"}}}))),
			[]string{ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd, ocispec.MediaTypeImageLayerGzip},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := fromTar(t, test.data)
			if err != nil {
				t.Fatal(err)
			}
			wantTags(t, l, "1")
			d, err := l.Resolve(t.Context(), "ns/app:1")
			if err != nil || d.Platform == nil || d.Platform.Architecture != "amd64" {
				t.Fatalf("%v (%v)", d, err)
			}
			wantResolve(t, l, "", d)
			wantArtifact(t, l, nil, d)
			data, err := l.Manifest(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			m, err := parse(d.Digest, data)
			if err != nil {
				t.Fatal(err)
			}
			if m.Config.Digest.Encoded() != id {
				t.Errorf("config %s, want %s", m.Config.Digest, id)
			}
			for i, layer := range m.Layers {
				if layer.MediaType != test.want[i] {
					t.Errorf("layer %d is %s, want %s", i, layer.MediaType, test.want[i])
				}
			}
		})
	}
}

// tarWithLinks returns a tar with symbolic links before the files.
func tarWithLinks(links map[string]string, files ...string) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for name, to := range links {
		tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to})
	}
	tw.Flush()
	return append(b.Bytes(), tarOf(files...)...)
}

func TestDockerSeveral(t *testing.T) {
	a := tarOf("a", "1")
	one, two := dockerConfig(), dockerConfig(a)
	l, err := fromTar(t, tarOf("c1", string(one), "c2", string(two), "l", string(a), "manifest.json",
		string(toJSON([]dockerImage{{"c1", []string{"one:1", "one:2"}, nil}, {"c2", []string{"two:1"}, []string{"l"}}, {"c1", nil, nil}}))))
	if err != nil {
		t.Fatal(err)
	}
	wantTags(t, l, "2", "one:1", "two:1")
	if roots := l.Roots(); len(roots) != 2 {
		t.Errorf("roots %v", roots)
	}
	_, err = l.Resolve(t.Context(), "1")
	wantCode(t, err, diag.BadReference)
}

func TestDockerFaults(t *testing.T) {
	a := tarOf("a", "1")
	config := string(dockerConfig(a))
	list := func(config string, layers ...string) string {
		return string(toJSON([]dockerImage{{Config: config, Layers: layers}}))
	}
	for name, test := range map[string]struct {
		data []byte
		code diag.Code
	}{
		"other layer":     {tarOf("c", config, "l", string(tarOf("b", "1")), "manifest.json", list("c", "l")), diag.DigestMismatch},
		"other config":    {tarOf(digest.FromString("x").Encoded()+".json", config, "l", string(a), "manifest.json", list(digest.FromString("x").Encoded()+".json", "l")), diag.DigestMismatch},
		"missing layer":   {tarOf("c", config, "manifest.json", list("c", "l")), diag.BadArtifact},
		"missing config":  {tarOf("l", string(a), "manifest.json", list("c", "l")), diag.BadArtifact},
		"too few layers":  {tarOf("c", config, "manifest.json", list("c")), diag.BadArtifact},
		"broken gzip":     {tarOf("c", config, "l", string(gzipOf(a)[:40]), "manifest.json", list("c", "l")), diag.BadArtifact},
		"broken list":     {tarOf("manifest.json", "[{"), diag.BadArtifact},
		"broken config":   {tarOf("c", "[]", "manifest.json", list("c")), diag.BadArtifact},
		"layer outside":   {tarOf("c", config, "manifest.json", list("c", "../../etc/passwd")), diag.UnsafeArchive},
		"link outside":    {tarWithLinks(map[string]string{"d/l": "../../etc/passwd"}, "c", config, "manifest.json", list("c", "d/l")), diag.UnsafeArchive},
		"absolute link":   {tarWithLinks(map[string]string{"d/l": "/etc/passwd"}, "c", config, "manifest.json", list("c", "d/l")), diag.UnsafeArchive},
		"links in circle": {tarWithLinks(map[string]string{"x": "y", "y": "x"}, "c", config, "manifest.json", list("c", "x")), diag.UnsafeArchive},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fromTar(t, test.data)
			wantCode(t, err, test.code)
		})
	}
}

func TestDockerWritten(t *testing.T) {
	s := store{}
	amd, arm := s.image("amd64"), s.image("arm64")
	path := filepath.Join(t.TempDir(), "My App.tar")
	s.write(t, path, DockerTar, amd, "1", amd, "registry.example/ns/app:2", arm, "3", arm, "")
	l := open(t, path)
	wantTags(t, l, "1", "2", "3")
	d, err := l.Resolve(t.Context(), "my-app:1")
	if err != nil {
		t.Fatal(err)
	}
	wantResolve(t, l, "registry.example/ns/app:2", d)
	data, err := l.Manifest(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(d.Digest, data)
	if err != nil {
		t.Fatal(err)
	}
	was, err := parse(amd.Digest, s[amd.Digest])
	if err != nil {
		t.Fatal(err)
	}
	if got.Config.Digest != was.Config.Digest {
		t.Errorf("the config became %s", got.Config.Digest)
	}
	plain := tarOf("file2", "amd64"+string(bytes.Repeat([]byte("x"), 2000)))
	if !bytes.Equal(readBlob(t, l, got.Layers[2], 0), plain) {
		t.Error("a layer is not the plain tar")
	}
}

// TestDockerSameLayer writes a layer that comes twice, compressed differently,
// once.
func TestDockerSameLayer(t *testing.T) {
	s := store{}
	plain := tarOf("a", "1")
	config := s.put(ocispec.MediaTypeImageConfig, dockerConfig(plain, plain, plain))
	d := s.manifest(config, nil, s.put(ocispec.MediaTypeImageLayerGzip, gzipOf(plain)),
		s.put(ocispec.MediaTypeImageLayerZstd, zstdOf(plain)), s.put("application/vnd.oci.image.layer.nondistributable.v1.tar", plain))
	path := filepath.Join(t.TempDir(), "a.tar")
	s.write(t, path, DockerTar, d, "1")
	l := open(t, path)
	got, err := l.Resolve(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	wantArtifact(t, l, nil, got)
	if n := len(l.content.(*dockerContent).files.nodes); n != 3 {
		t.Errorf("%d files, want config, layer and manifest.json", n)
	}
}

func TestDockerRefuses(t *testing.T) {
	s := store{}
	layer := tarOf("a", "1")
	for name, test := range map[string]struct {
		d    ocispec.Descriptor
		code diag.Code
		hint string
	}{
		"index":       {s.index(s.image("amd64"), s.image("arm64")), diag.BadArtifact, "choose one with --platform, or write an OCI layout"},
		"artifact":    {s.signature(s.image("amd64"), "x"), diag.BadArtifact, "write an OCI layout instead"},
		"wrong diff":  {s.manifest(s.put(ocispec.MediaTypeImageConfig, dockerConfig(tarOf("b", "1"))), nil, s.put(ocispec.MediaTypeImageLayer, layer)), diag.DigestMismatch, ""},
		"broken gzip": {s.manifest(s.put(ocispec.MediaTypeImageConfig, dockerConfig(layer)), nil, s.put(ocispec.MediaTypeImageLayerGzip, gzipOf(layer)[:40])), diag.BadArtifact, ""},
		"no layers":   {s.manifest(s.put(ocispec.MediaTypeImageConfig, dockerConfig(layer)), nil), diag.BadArtifact, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Create(filepath.Join(t.TempDir(), "a.tar"), DockerTar)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Discard()
			d := wantCode(t, s.copyTo(t, w, test.d), test.code)
			if test.hint != "" && d.Hint != test.hint {
				t.Errorf("hint %q", d.Hint)
			}
		})
	}
}

package store

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

const some = `{"mediaType":"x","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}`

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		content, declared string
		want              string // media type; "" for a fault
	}{
		"an image":                 {`{"schemaVersion":2,"config":` + some + `}`, "", v1.MediaTypeImageManifest},
		"an image, declared":       {`{"schemaVersion":2,"config":` + some + `}`, v1.MediaTypeImageManifest, v1.MediaTypeImageManifest},
		"not what it is read as":   {`{"schemaVersion":2,"config":` + some + `}`, oci.DockerManifest, ""},
		"an image that says so":    {`{"schemaVersion":2,"mediaType":"` + oci.DockerManifest + `","config":` + some + `,"layers":[]}`, "", oci.DockerManifest},
		"an index":                 {`{"schemaVersion":2,"manifests":[` + some + `]}`, "", v1.MediaTypeImageIndex},
		"an empty index":           {`{"schemaVersion":2,"manifests":[]}`, v1.MediaTypeImageIndex, v1.MediaTypeImageIndex},
		"a list":                   {`{"schemaVersion":2,"mediaType":"` + oci.DockerIndex + `","manifests":[]}`, oci.DockerIndex, oci.DockerIndex},
		"an index of nothing":      {`{"schemaVersion":2}`, v1.MediaTypeImageIndex, ""},
		"two types":                {`{"schemaVersion":2,"mediaType":"` + oci.DockerManifest + `","config":` + some + `}`, v1.MediaTypeImageManifest, ""},
		"an unknown type":          {`{"schemaVersion":2,"config":` + some + `}`, "application/json", ""},
		"no JSON":                  {`{`, "", ""},
		"nothing":                  {``, "", ""},
		"no object":                {`[]`, "", ""},
		"schema 1":                 {`{"schemaVersion":1,"config":` + some + `}`, "", ""},
		"no schema":                {`{"config":` + some + `}`, "", ""},
		"no config":                {`{"schemaVersion":2,"layers":[` + some + `]}`, "", ""},
		"an index with a config":   {`{"schemaVersion":2,"manifests":[],"config":` + some + `}`, v1.MediaTypeImageIndex, ""},
		"an image with manifests":  {`{"schemaVersion":2,"manifests":[],"config":` + some + `}`, v1.MediaTypeImageManifest, ""},
		"a bad digest":             {`{"schemaVersion":2,"manifests":[{"digest":"sha256:zz"}]}`, "", ""},
		"a digest that leads away": {`{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../../../../../../../../../../../../../../../../../../../.."}]}`, "", ""},
		"another algorithm":        {`{"schemaVersion":2,"manifests":[{"digest":"sha384:` + strings.Repeat("0", 96) + `"}]}`, "", ""},
		"no digest":                {`{"schemaVersion":2,"config":{}}`, "", ""},
		"a negative size":          {strings.Replace(`{"schemaVersion":2,"config":`+some+`}`, `"size":0`, `"size":-1`, 1), "", ""},
		"a bad subject":            {`{"schemaVersion":2,"config":` + some + `,"subject":{"digest":"x"}}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parse([]byte(test.content), test.declared)
			if p.mediaType != test.want || (test.want == "") != (code(err) == oci.CodeManifestInvalid) {
				t.Errorf("%q, %v; want %q", p.mediaType, err, test.want)
			}
		})
	}
}

// A manifest is taken only when the repository has all that it names.
func TestPutManifestLacks(t *testing.T) {
	r := open(t, memory(t))
	config, layer := r.blob("a", "config"), r.blob("a", "layer")
	elsewhere := r.blob("b", "elsewhere")
	child := r.image("b", "", "child")[0]
	other := layer
	other.Size++
	for name, test := range map[string]struct {
		manifest any
		code     oci.Code
		lacks    []digest.Digest
	}{
		"nothing":                {imageOf(config, []v1.Descriptor{layer}), "", nil},
		"a layer":                {imageOf(config, []v1.Descriptor{layer, elsewhere}), oci.CodeManifestBlobUnknown, []digest.Digest{elsewhere.Digest}},
		"config and layer":       {madeOf("none"), oci.CodeManifestBlobUnknown, []digest.Digest{madeOf("none").Config.Digest, madeOf("none").Layers[0].Digest}},
		"a child":                {indexOf(child), oci.CodeManifestBlobUnknown, []digest.Digest{child.Digest}},
		"a child that is a blob": {indexOf(layer), "", nil},
		"another size":           {imageOf(config, []v1.Descriptor{other}), oci.CodeManifestInvalid, nil},
		"its subject":            {imageOf(config, nil, refersTo(child)), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := manifestPut("a", "v1", test.manifest)
			_, err := r.PutManifest(r.ctx, p)
			r.wants(err, test.code)
			if test.lacks != nil && !slices.Equal(err.(*Error).Detail.([]digest.Digest), test.lacks) {
				t.Errorf("lacks %v, want %v", err.(*Error).Detail, test.lacks)
			}
		})
	}
}

// An index is not taken while the content of a child is lost.
func TestPutIndexOfLost(t *testing.T) {
	r := open(t, memory(t))
	child := r.image("a", "", "child")[0]
	r.must(r.driver.Delete(r.ctx, blobData(child.Digest)))
	_, p := manifestPut("a", "v1", indexOf(child))
	_, err := r.PutManifest(r.ctx, p)
	r.wants(err, oci.CodeManifestBlobUnknown)
}

func TestPutManifestByWrongDigest(t *testing.T) {
	r := open(t, memory(t))
	r.image("a", "", "x")
	for _, d := range []digest.Digest{blobA, digest.SHA512.FromString("a")} {
		_, p := manifestPut("a", d.String(), madeOf("x"))
		_, err := r.PutManifest(r.ctx, p)
		r.wants(err, oci.CodeDigestInvalid)
	}
}

// Of many who create a tag one does, and the others are told that it exists.
func TestPutManifestCreate(t *testing.T) {
	r := open(t, memory(t))
	r.image("a", "", "x")
	r.image("a", "", "y")
	var created atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		_, p := manifestPut("a", "v1", madeOf([]string{"x", "y"}[i%2]))
		p.Create = true
		all.Go(func() {
			_, err := r.PutManifest(r.ctx, p)
			if err == nil {
				created.Add(1)
			} else if code(err) != oci.CodeDenied {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := created.Load(); n != 1 {
		t.Errorf("%d created the tag", n)
	}
}

// A manifest is one, whichever digest names it, and is deleted as one.
func TestManifestAliases(t *testing.T) {
	r := open(t, memory(t))
	m := r.image("a", "v1", "x")[0]
	other := r.again("a", m, digest.SHA512)
	r.put("a", "v2", madeOf("x"))
	for _, s := range []*registry{r, open(t, r.driver)} {
		for _, d := range []digest.Digest{m.Digest, other.Digest} {
			if got, err := s.Manifest(r.ctx, "a", d.String()); err != nil || got.Digest != d || got.MediaType != m.MediaType {
				t.Errorf("by %s: %+v, %v", d, got, err)
			}
		}
	}
	r.must(r.DeleteManifest(r.ctx, "a", other.Digest))
	for _, s := range []*registry{r, open(t, r.driver)} {
		for _, reference := range []string{m.Digest.String(), other.Digest.String(), "v1", "v2"} {
			_, err := s.Manifest(r.ctx, "a", reference)
			s.wants(err, oci.CodeManifestUnknown)
		}
		if tags, err := s.Tags(r.ctx, "a"); err != nil || len(tags) > 0 {
			t.Errorf("tags: %v, %v", tags, err)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 128)
	for name, ok := range map[string]bool{
		"a": true, "a/b": true, "a-b_c.d/e__f--g": true, "blobs": true, "0": true, long + "/" + long[:126]: true,
		"": false, "A": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false, "a/../b": false,
		"_layers": false, "a/_manifests": false, "a..b": false, "a_-b": false, "a___b": false, "ä": false, "a\n": false, "a b": false,
		long + "/" + long: false,
	} {
		if err := CheckName(name); (err == nil) != ok || !ok && code(err) != oci.CodeNameInvalid {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for tag, ok := range map[string]bool{
		"a": true, "V1.0_x-y": true, "_": true, long: true,
		"": false, ".": false, "..": false, ".a": false, "-a": false, "a/b": false, "a:b": false, "a\n": false, long + "a": false,
	} {
		if err := CheckTag(tag); (err == nil) != ok || !ok && code(err) != oci.CodeTagInvalid {
			t.Errorf("tag %q: %v", tag, err)
		}
	}
	for d, ok := range map[string]bool{
		blobA.String(): true, digest.SHA512.FromString("").String(): true,
		"": false, "sha256:": false, "sha256:00": false, "sha384:" + strings.Repeat("0", 96): false,
		"sha256:" + strings.Repeat("A", 64): false, "sha256:" + strings.Repeat("/", 64): false, blobA.String() + "\n": false,
	} {
		if _, err := CheckDigest(d); (err == nil) != ok || !ok && code(err) != oci.CodeDigestInvalid {
			t.Errorf("digest %q: %v", d, err)
		}
	}
}

func TestKeySet(t *testing.T) {
	var s keySet
	const many = 10_000
	if s.has(0) || s.has(1) {
		t.Error("the empty set has something")
	}
	for i := range key(many) {
		s.add(i * 1024) // which all begin at few slots
		s.add(i * 1024)
	}
	for i := range key(many) {
		if !s.has(i*1024) || s.has(i*1024+1) {
			t.Fatalf("%d is wrong", i)
		}
	}
	if s.n != many-1 || len(s.slots) > 4*many { // the key 0 has no slot
		t.Errorf("%d keys in %d slots", s.n, len(s.slots))
	}
}

package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	digestA = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	some    = `{"mediaType":"x","digest":"` + digestA + `","size":0}`
	image   = `{"schemaVersion":2,"config":` + some + `,"layers":[` + some + `]}`
	index   = `{"schemaVersion":2,"manifests":[` + some + `]}`
)

// TestRealManifests: what tools write is taken, and read as encoding/json reads it.
func TestRealManifests(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseManifest(data, "")
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if want := lax(t, data); want.MediaType != "" && !reflect.DeepEqual(m, want) {
			t.Errorf("%s:\n%+v, want\n%+v", file, m, want)
		}
	}
}

// lax is ParseManifest by encoding/json, without any check.
func lax(t *testing.T, data []byte) *Manifest {
	t.Helper()
	var m struct {
		SchemaVersion int64             `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Config        *v1.Descriptor    `json:"config"`
		Layers        []v1.Descriptor   `json:"layers"`
		Blobs         []v1.Descriptor   `json:"blobs"`
		Manifests     []v1.Descriptor   `json:"manifests"`
		Subject       *v1.Descriptor    `json:"subject"`
		Annotations   map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return new(Manifest(m))
}

// TestParseManifest is about what a manifest is, and what is refused because it
// may be read in two ways.
func TestParseManifest(t *testing.T) {
	with := func(text, was, is string) string {
		if !strings.Contains(text, was) {
			t.Fatalf("no %s in %s", was, text)
		}
		return strings.Replace(text, was, is, 1)
	}
	manyAnnotations := `{"annotations":{"a":""`
	for i := range 10_000 {
		manyAnnotations += `,"` + strconv.Itoa(i) + `":""`
	}
	for name, c := range map[string]struct {
		content, declared string
		want              string // the media type, or a part of the message
	}{
		"an image":                        {image, "", v1.MediaTypeImageManifest},
		"an index":                        {index, "", v1.MediaTypeImageIndex},
		"an image, declared":              {image, DockerManifest, DockerManifest},
		"an index, declared":              {index, DockerIndex, DockerIndex},
		"OCI's called Docker's":           {with(image, `{`, `{"mediaType":"`+v1.MediaTypeImageManifest+`",`), DockerManifest, v1.MediaTypeImageManifest},
		"an empty index":                  {`{"schemaVersion":2,"manifests":null}`, v1.MediaTypeImageIndex, v1.MediaTypeImageIndex},
		"no layers":                       {with(image, `[`+some+`]`, `null`), "", v1.MediaTypeImageManifest},
		"no subject":                      {with(image, `{`, `{"subject":null,`), "", v1.MediaTypeImageManifest},
		"more members":                    {with(image, `{`, `{"Foo":{"layers":1,"Layers":2},"foo":[[null]],`), "", v1.MediaTypeImageManifest},
		"annotations in other letters":    {with(image, `{`, `{"annotations":{"a":"1","A":"2","Layers":"","b":null},`), "", v1.MediaTypeImageManifest},
		"nothing":                         {``, "", "ends where an object"},
		"null":                            {`null`, "", "'n' is where an object"},
		"no object":                       {`[]`, "", "an object has to be"},
		"no schema":                       {with(image, `"schemaVersion":2,`, ``), "", "schemaVersion is 0"},
		"schema 1":                        {with(image, `:2`, `:1`), "", "schemaVersion is 1"},
		"schema 2.0":                      {with(image, `:2`, `:2.0`), "", "2.0"},
		"another type":                    {with(image, `{`, `{"mediaType":"text/plain",`), "", "not a type of manifest"},
		"declared as something else":      {image, "application/json", "said to be a application/json"},
		"an image called an index":        {image, v1.MediaTypeImageIndex, "said to be"},
		"an index called an image":        {index, v1.MediaTypeImageManifest, "said to be"},
		"an index that calls itself one":  {with(index, `{`, `{"mediaType":"`+DockerManifest+`",`), "", "has a config and layers"},
		"an image with manifests":         {with(image, `{`, `{"mediaType":"`+v1.MediaTypeImageManifest+`","manifests":[],`), "", "no manifests"},
		"an index with a config":          {with(index, `{`, `{"config":`+some+`,`), "", "neither config"},
		"an index with layers":            {with(index, `{`, `{"layers":[],`), "", "neither config"},
		"an image with blobs":             {with(image, `{`, `{"blobs":[],`), "", "no manifests"},
		"no config":                       {with(image, `"config":`+some+`,`, ``), "", "has a config"},
		"a config that is null":           {with(image, some, `null`), "", "has a config"},
		"a layer that is null":            {with(image, `[`+some, `[null`), "", "an object has to be"},
		"a layer of nothing":              {with(image, `[`+some, `[{}`), "", "not a sha256 or sha512"},
		"a digest that leads away":        {with(image, digestA, "sha256:../../../../../../../../../../../../../../../../../../../../../.."), "", "not a sha256"},
		"a short digest":                  {with(image, digestA, digestA[:70]), "", "not a sha256"},
		"capitals in a digest":            {with(image, digestA, strings.ToUpper(digestA)), "", "not a sha256"},
		"another algorithm":               {with(image, digestA, "sha384:"+strings.Repeat("0", 96)), "", "not a sha256"},
		"a negative size":                 {with(image, `"size":0`, `"size":-1`), "", "-1 bytes"},
		"a bad subject":                   {with(image, `{`, `{"subject":{"digest":"x"},`), "", "not a sha256"},
		"two lists of layers":             {with(image, `{`, `{"layers":[],`), "", `two members "layers"`},
		"two lists, one null":             {with(image, `{`, `{"layers":null,`), "", `two members "layers"`},
		"layers in other letters":         {with(image, `{`, `{"Layers":[],`), "", "is spelled"},
		"only in other letters":           {with(index, `"manifests"`, `"MANIFESTS"`), "", "is spelled"},
		"a digest in other letters":       {with(image, `"digest"`, `"Digest"`), "", "is spelled"},
		"a second digest":                 {with(image, `"size"`, `"Digest":"`+digestA+`","size"`), "", "is spelled"},
		"a mediaType in other letters":    {with(image, `"mediaType"`, `"mediatype"`), "", "is spelled"},
		"a platform in other letters":     {with(index, `"size":0`, `"size":0,"platform":{"OS":"linux"}`), "", "is spelled"},
		"two annotations":                 {with(image, `{`, `{"annotations":{"a":"1","a":"2"},`), "", `two members "a"`},
		"two unknown members, far inside": {with(image, `{`, `{"x":[{"y":{"z":1,"z":1}}],`), "", `two members "z"`},
		"too many annotations":            {with(image, `{`, manyAnnotations+`},`), "", "more than 10000 members"},
		"trailing data":                   {image + `{}`, "", "something follows"},
		"a second manifest":               {image + image, "", "something follows"},
		"a byte order mark":               {"\ufeff" + image, "", "an object has to be"},
		"what is not UTF-8":               {with(image, `"x"`, "\"\xe9\""), "", "UTF-8"},
		"what is not UTF-8 and not read":  {with(image, `{`, "{\"a\":\"\xe9\","), "", "UTF-8"},
		"half a character":                {with(image, `"x"`, `"\ud800"`), "", "surrogate"},
		"absurd nesting":                  {with(image, `{`, `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,`), "", "deeper"},
		"data that is no base64":          {with(image, `"size":0`, `"size":0,"data":"*"`), "", "data"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := ParseManifest([]byte(c.content), c.declared)
			if err == nil && m.MediaType != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v; want %s", m, err, c.want)
			}
		})
	}
}

// TestManyLayers: the first bad one of a million ends the reading.
func TestManyLayers(t *testing.T) {
	data := []byte(`{"schemaVersion":2,"layers":[{}` + strings.Repeat(`,{}`, MaxManifest/3-20) + `]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseManifest(data, "")
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("it is taken")
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2*MaxManifest {
		t.Errorf("%d bytes of memory for %d of manifest", allocated, len(data))
	}
}

// FuzzManifest looks for manifests that are taken and mean something else to
// encoding/json.
func FuzzManifest(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{image, index, `{"schemaVersion":2,"Layers":[],"layers":null}`, `{"annotations":{"\ud83d\ude00":null}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := decode(data); err == nil {
			if want := lax(t, data); !reflect.DeepEqual(m, want) {
				t.Errorf("%q:\n%+v, want\n%+v", data, m, want)
			}
		}
	})
}

// imageOf returns an image manifest with layers like those that build tools write.
func imageOf(layers int) []byte {
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: v1.DescriptorEmptyJSON, Annotations: map[string]string{"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}}
	m.SchemaVersion = 2
	for i := range layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: digestA, Size: int64(i)})
	}
	data, _ := json.Marshal(m)
	return data
}

func BenchmarkParseManifest(b *testing.B) {
	for _, layers := range []int{10, 25_000} {
		data := imageOf(layers)
		b.Run("strict/"+strconv.Itoa(layers), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseManifest(data, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("encoding-json/"+strconv.Itoa(layers), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var m v1.Manifest
				if err := json.Unmarshal(data, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

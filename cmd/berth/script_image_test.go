package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of scripts that make images; script_test.go lists them. They are
// written by hand here, so that berth's own writer is not what proves its reader.

// image is image [-sha512 PARTS] VAR DIR TAG TEXT [PLATFORM...].
func image(ts *testscript.TestScript, _ bool, args []string) {
	l, args := scriptLayout(ts, args)
	name, text, platforms := args[2], args[3], args[4:]
	var root ocispec.Descriptor
	if len(platforms) == 0 {
		root = l.image(text, "linux/amd64")
	} else {
		root = l.index(text, platforms...)
	}
	root.Platform = nil
	if name != "-" {
		root.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	}
	l.add(root)
	ts.Setenv(args[0], root.Digest.String())
}

// refer is refer [-sha512 PARTS] VAR DIR DIGEST TYPE.
func refer(ts *testscript.TestScript, _ bool, args []string) {
	l, args := scriptLayout(ts, args)
	ts.Setenv(args[0], l.refer(digest.Digest(args[2]), args[3]).Digest.String())
}

// dockersave is dockersave FILE NAME:TAG TEXT.
func dockersave(ts *testscript.TestScript, _ bool, args []string) {
	layer := layerOf(ts, args[2])
	config, err := json.Marshal(imageConfig("linux/amd64", layer))
	ts.Check(err)
	name := digest.FromBytes(config).Encoded() + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{args[1]}, "Layers": []string{"one/layer.tar"}}})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), tarOf(ts, "one/layer.tar", string(layer), name, string(config), "manifest.json", string(manifest)), 0o666))
}

// archive is archive FILE DIR.
func archive(ts *testscript.TestScript, _ bool, args []string) {
	var files []string
	root := ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		files = append(files, filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator))), string(data))
		return err
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), tarOf(ts, files...), 0o666))
}

// jsonl is jsonl FILE TYPE: every line is a JSON object with a type, the last of TYPE.
func jsonLines(ts *testscript.TestScript, _ bool, args []string) {
	var last string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object struct{ Type string }
		if err := json.Unmarshal([]byte(line), &object); err != nil || object.Type == "" {
			ts.Fatalf("%q is no line of JSON (%v)", line, err)
		}
		if object.Type == "event" && last != "" && last != "event" {
			ts.Fatalf("an event behind the %s: %s", last, line)
		}
		last = object.Type
	}
	if last != args[1] {
		ts.Fatalf("the last line is %q, want %s", last, args[1])
	}
}

// imageLayout adds to an OCI layout in a directory.
type imageLayout struct {
	ts     checker
	dir    string
	sha512 string // what has such a digest, of index, manifest, config and layer
}

// checker ends a test at an error: a script, or a test by itself.
type checker interface{ Check(err error) }

// scriptLayout reads the flag of image and refer, and the layout that they name.
func scriptLayout(ts *testscript.TestScript, args []string) (l imageLayout, rest []string) {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&l.sha512, "sha512", "", "")
	ts.Check(flags.Parse(args))
	l.ts, l.dir = ts, ts.MkAbs(flags.Arg(1))
	return l, flags.Args()
}

// digest is the digest of content, by the algorithm that what it is has.
func (l imageLayout) digest(mediaType string, data []byte) digest.Digest {
	part := "layer"
	for _, word := range []string{"index", "manifest", "config"} {
		if strings.Contains(mediaType, word) {
			part = word
		}
	}
	if slices.Contains(strings.Split(l.sha512, ","), part) {
		return digest.SHA512.FromBytes(data)
	}
	return digest.FromBytes(data)
}

func (l imageLayout) file(d digest.Digest) string {
	return filepath.Join(l.dir, "blobs", d.Algorithm().String(), d.Encoded())
}

func (l imageLayout) blob(mediaType string, data []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: l.digest(mediaType, data), Size: int64(len(data))}
	l.ts.Check(os.MkdirAll(filepath.Dir(l.file(d.Digest)), 0o777))
	l.ts.Check(os.WriteFile(l.file(d.Digest), data, 0o666))
	return d
}

func (l imageLayout) json(mediaType string, v any) ocispec.Descriptor {
	data, err := json.Marshal(v)
	l.ts.Check(err)
	return l.blob(mediaType, data)
}

func (l imageLayout) image(text, platform string) ocispec.Descriptor {
	layer := layerOf(l.ts, text)
	config := imageConfig(platform, layer)
	d := l.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: l.json(ocispec.MediaTypeImageConfig, config),
		Layers: []ocispec.Descriptor{l.blob(ocispec.MediaTypeImageLayer, layer)},
	})
	d.Platform = &config.Platform
	return d
}

func (l imageLayout) index(text string, platforms ...string) ocispec.Descriptor {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, platform := range platforms {
		index.Manifests = append(index.Manifests, l.image(text+platform, platform))
	}
	return l.json(ocispec.MediaTypeImageIndex, index)
}

// refer adds what has a manifest of the layout as its subject.
func (l imageLayout) refer(subject digest.Digest, artifactType string) ocispec.Descriptor {
	data, err := os.ReadFile(l.file(subject))
	l.ts.Check(err)
	var kind struct{ MediaType string }
	l.ts.Check(json.Unmarshal(data, &kind))
	d := l.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config:  l.blob(ocispec.MediaTypeEmptyJSON, []byte("{}")),
		Layers:  []ocispec.Descriptor{l.blob("text/plain", []byte(artifactType+" of "+subject.String()))},
		Subject: &ocispec.Descriptor{MediaType: kind.MediaType, Digest: subject, Size: int64(len(data))},
	})
	d.ArtifactType = artifactType
	l.add(d)
	return d
}

// add makes d one of the layout's roots.
func (l imageLayout) add(d ocispec.Descriptor) {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	name := filepath.Join(l.dir, ocispec.ImageIndexFile)
	if data, err := os.ReadFile(name); err == nil {
		l.ts.Check(json.Unmarshal(data, &index))
	}
	index.Manifests = append(index.Manifests, d)
	data, err := json.Marshal(index)
	l.ts.Check(err)
	l.ts.Check(os.WriteFile(name, data, 0o666))
	l.ts.Check(os.WriteFile(filepath.Join(l.dir, ocispec.ImageLayoutFile), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o666))
}

func layerOf(ts checker, text string) []byte { return tarOf(ts, "text", text) }

func imageConfig(platform string, layer []byte) ocispec.Image {
	parts := append(strings.Split(platform, "/"), "")
	return ocispec.Image{
		Platform: ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer)}},
	}
}

// tarOf makes a tar of names and contents.
func tarOf(ts checker, files ...string) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		ts.Check(w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Format: tar.FormatPAX}))
		_, err := w.Write([]byte(files[i+1]))
		ts.Check(err)
	}
	ts.Check(w.Close())
	return buf.Bytes()
}

package conformance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// realImage is an image that any client can unpack or convert: its layers are
// compressed archives, and its config names what they unpack to.
func realImage(t testing.TB, architecture string) image {
	t.Helper()
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: architecture}, RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	var made image
	for range 2 {
		layer, diffID := realLayer(t)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
		config.History = append(config.History, v1.History{CreatedBy: "berth"})
		m.Layers = append(m.Layers, layer.descriptor(v1.MediaTypeImageLayerGzip))
		made.blobs = append(made.blobs, layer)
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	b := newBlob(digest.SHA256, data)
	m.Config = b.descriptor(v1.MediaTypeImageConfig)
	return image{append(made.blobs, b), []manifest{newManifest(m.MediaType, "", m)}}
}

// realLayer is a compressed archive of one random file, and the digest of the archive.
func realLayer(t testing.TB) (layer blob, diffID digest.Digest) {
	t.Helper()
	content := make([]byte, 20_000)
	_, _ = rand.Read(content)
	var archive, compressed bytes.Buffer
	files := tar.NewWriter(&archive)
	err := files.WriteHeader(&tar.Header{Name: rand.Text(), Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = files.Write(content)
	}
	if err == nil {
		err = files.Close()
	}
	zip := gzip.NewWriter(&compressed)
	if err == nil {
		_, err = zip.Write(archive.Bytes())
	}
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return newBlob(digest.SHA256, compressed.Bytes()), digest.FromBytes(archive.Bytes())
}

// writeLayout writes an OCI image layout that holds an image under a tag.
func writeLayout(t testing.TB, i image, tag string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, b := range i.blobs {
		writeFile(t, blobs, b.digest.Encoded(), string(b.data))
	}
	for _, m := range i.manifests {
		writeFile(t, blobs, m.digest.Encoded(), string(m.data))
	}
	root := i.root().descriptor()
	root.Annotations = map[string]string{v1.AnnotationRefName: tag}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{root}}
	writeJSON(t, filepath.Join(dir, v1.ImageIndexFile), index)
	writeJSON(t, filepath.Join(dir, v1.ImageLayoutFile), v1.ImageLayout{Version: v1.ImageLayoutVersion})
	return dir
}

// sameLayout fails the test unless a layout that a client wrote holds the image,
// byte for byte.
func sameLayout(t testing.TB, dir string, want image) {
	t.Helper()
	check := func(b blob) {
		got, err := os.ReadFile(filepath.Join(dir, "blobs", b.digest.Algorithm().String(), b.digest.Encoded()))
		if err != nil || !bytes.Equal(got, b.data) {
			t.Errorf("%s was pulled with other content: %v", b.digest, err)
		}
	}
	for _, b := range want.blobs {
		check(b)
	}
	for _, m := range want.manifests {
		check(m.blob)
	}
	var index v1.Index
	data, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	// skopeo lists the images of an index beside it.
	if err != nil || !slices.ContainsFunc(index.Manifests, func(d v1.Descriptor) bool { return d.Digest == want.root().digest }) {
		t.Errorf("%s holds %v, not %s: %v", dir, index.Manifests, want.root().digest, err)
	}
}

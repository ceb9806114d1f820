package layout

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/oci"
)

// Format is what a Writer writes.
type Format int

const (
	OCIDir    Format = iota // an OCI layout in a directory, which may be there already
	OCITar                  // an OCI layout in a tar
	DockerTar               // what docker load reads
)

// Writer makes a layout or archive, or adds to a layout in a directory. Nobody
// finds what it was given before Close. All its methods may be called at once,
// but Close and Discard only when the others have returned.
type Writer struct {
	// Repository is what the tags of a DockerTar belong to: docker load names
	// images by both. "" is one after the file: app for App.tar.
	Repository string

	path string
	out  output

	mu       sync.Mutex
	tags     map[string]ocispec.Descriptor
	found    map[digest.Digest]ocispec.Descriptor // manifests that were put, or were there when asked for
	children map[digest.Digest]bool               // of the indexes among them: index.json need not list these
	done     bool
}

// output is where a Writer's content goes. Descriptors and manifests that it is
// given have been checked; blobs it has to verify.
type output interface {
	has(ctx context.Context, d ocispec.Descriptor) (bool, error)
	blob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error
	manifest(ctx context.Context, d ocispec.Descriptor, m *oci.Manifest, data []byte) error
	finish(listing) error
	discard() // after finish it does nothing
}

// listing is how what was written is found.
type listing struct {
	repository string
	tags       map[string]ocispec.Descriptor
	untagged   []ocispec.Descriptor
}

// Create starts to write to a path, whose parents have to be there. A tar
// replaces what is at the path only when it is closed; a directory that holds a
// layout keeps what it has. Of a path that is a link, what it leads to is written.
//
// Errors: diag.TargetExists when the path holds something of another kind;
// diag.BadArtifact for a damaged layout; diag.StorageFailed.
func Create(path string, format Format) (*Writer, error) {
	named := path
	path, err := atomicfile.Target(named) // a link stays one
	if err != nil {
		return nil, unwritable(named, err)
	}
	w := &Writer{path: path, tags: map[string]ocispec.Descriptor{}, found: map[digest.Digest]ocispec.Descriptor{}, children: map[digest.Digest]bool{}}
	switch format {
	case OCIDir:
		w.out, err = newDirOutput(path, w.note)
	case OCITar:
		w.out, err = newTarOutput(path)
	case DockerTar:
		w.out, err = newDockerOutput(path)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Has reports whether a blob or manifest is there, whole. A manifest that is
// will be listed as if it had been put: who asks need not put it again.
//
// Errors: diag.BadArtifact for what is no descriptor; diag.StorageFailed.
func (w *Writer) Has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	if err := checkDescriptor(d); err != nil {
		return false, err
	}
	return w.out.has(ctx, d)
}

// PutBlob writes a blob and verifies it, unless open gives a Verified. One that is
// there already is not opened.
//
// Errors: open's and those of reading; diag.DigestMismatch;
// diag.StorageFailed; diag.BadArtifact for what is no descriptor or does not
// belong in a DockerTar.
func (w *Writer) PutBlob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	if err := checkDescriptor(d); err != nil {
		return err
	}
	return w.out.blob(ctx, d, open)
}

// PutManifest writes a manifest or index, after the blobs of a manifest. Unless
// it gets a tag or belongs to an index, it is listed without a tag, as
// referrers are.
//
// Errors: diag.DigestMismatch; diag.StorageFailed; diag.BadArtifact for what is
// no manifest, lacks a blob, or does not belong in a DockerTar.
func (w *Writer) PutManifest(ctx context.Context, d ocispec.Descriptor, data []byte) error {
	if err := checkDescriptor(d); err != nil {
		return err
	}
	if d.Size > oci.MaxManifest {
		return tooLarge(d)
	}
	if err := verify(d, data); err != nil {
		return err
	}
	m, err := parse(d.Digest, data)
	if err != nil {
		return err
	}
	if m.MediaType != d.MediaType {
		return diag.Errorf(diag.BadArtifact, "manifest %s is called a %.200q and calls itself a %.200q", d.Digest, d.MediaType, m.MediaType).
			WithHint("the artifact has to be made again")
	}
	if err := w.complete(ctx, d, m); err != nil {
		return err
	}
	if err := w.out.manifest(ctx, d, m, data); err != nil {
		return err
	}
	w.note(d, m)
	return nil
}

// complete fails for a manifest whose blobs are not there. An index may lack
// manifests: those of other platforms need not be copied.
func (w *Writer) complete(ctx context.Context, d ocispec.Descriptor, m *oci.Manifest) error {
	if m.Config == nil {
		return nil
	}
	for _, blob := range append([]ocispec.Descriptor{*m.Config}, m.Layers...) {
		if oci.IsForeign(blob.MediaType) {
			continue
		}
		ok, err := w.out.has(ctx, blob)
		if err != nil {
			return err
		}
		if !ok {
			return diag.Errorf(diag.BadArtifact, "manifest %s names %s, which %s does not have", d.Digest, blob.Digest, w.path).
				WithHint("copy the whole artifact")
		}
	}
	return nil
}

// note remembers a manifest for the listing.
func (w *Writer) note(d ocispec.Descriptor, m *oci.Manifest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found[d.Digest] = entryOf(d)
	for _, child := range m.Manifests {
		w.children[child.Digest] = true
	}
}

// entryOf returns what index.json says of a manifest.
func entryOf(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType, Platform: d.Platform}
}

// isFullName reports whether s is a tag, or a name such as docker-archives have.
func isFullName(s string) bool {
	if s == "" || len(s) > 512 || strings.IndexByte(".+@:/-", s[0]) >= 0 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("_.+@:/-", c) < 0 {
			return false
		}
	}
	return true
}

// Tag lets a tag or full name, such as registry.example/ns/app:1.0, name a
// manifest, whether or not that was put. It replaces the tag's older meaning.
//
// Errors: diag.BadReference; those of PutManifest.
func (w *Writer) Tag(ctx context.Context, d ocispec.Descriptor, data []byte, tag string) error {
	if oci.IsDigest(tag) || !isFullName(tag) {
		return diag.Errorf(diag.BadReference, "%.200q is no tag", tag).WithHint("write a tag such as 1.0, or a name such as registry.example/ns/app:1.0")
	}
	w.mu.Lock()
	_, put := w.found[d.Digest]
	w.mu.Unlock()
	if !put {
		if err := w.PutManifest(ctx, d, data); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tags[tag] = entryOf(d)
	return nil
}

// Close makes what was written be found, durably. When it fails, a tar is not
// there, and a directory's index.json is as it was.
//
// Errors: diag.StorageFailed; diag.Busy when somebody else does not stop to
// change the directory; diag.BadArtifact when the directory's index.json is
// damaged or gets too large.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	defer w.out.discard()
	l := listing{repository: cmp.Or(w.Repository, repositoryName(w.path)), tags: w.tags}
	for _, d := range slices.Sorted(maps.Keys(w.found)) {
		if !w.children[d] {
			l.untagged = append(l.untagged, w.found[d])
		}
	}
	return w.out.finish(l)
}

// Discard removes what Close has not put in place. Blobs in a directory stay:
// they are whole, and the next Writer need not fetch them. It may be called
// always.
func (w *Writer) Discard() {
	if !w.done {
		w.done = true
		w.out.discard()
	}
}

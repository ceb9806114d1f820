package transfer

import (
	"context"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// Inspected is what can be told of an artifact without its layers.
type Inspected struct {
	Reference    string            `json:"reference"`
	Digest       digest.Digest     `json:"digest"`
	MediaType    string            `json:"media_type"`
	ArtifactType string            `json:"artifact_type"`
	Size         int64             `json:"size"` // bytes of manifest, config and layers; of an index, of its manifests
	Annotations  map[string]string `json:"annotations,omitempty"`
	Subject      digest.Digest     `json:"subject,omitempty"`
	Platforms    []Platform        `json:"platforms,omitempty"` // of an index
	Layers       []Layer           `json:"layers,omitempty"`
	Referrers    []Referrer        `json:"referrers"`
	Manifest     json.RawMessage   `json:"manifest"`
	Config       json.RawMessage   `json:"config,omitempty"` // when it is JSON
}

// Platform is one manifest of an index.
type Platform struct {
	Platform string        `json:"platform,omitempty"` // as in linux/arm64; "" when it is for none
	Digest   digest.Digest `json:"digest"`
	Size     int64         `json:"size"` // of the manifest, in bytes
}

// Layer is one blob of a manifest.
type Layer struct {
	Title     string        `json:"title,omitempty"`
	MediaType string        `json:"media_type"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
}

// Referrer is an artifact whose subject is another one, such as a signature.
type Referrer struct {
	Digest       digest.Digest     `json:"digest"`
	ArtifactType string            `json:"artifact_type"`
	Tag          string            `json:"tag,omitempty"` // by which alone it belongs to the subject
	Size         int64             `json:"size"`          // of the manifest, in bytes
	Annotations  map[string]string `json:"annotations,omitempty"`
	Referrers    []Referrer        `json:"referrers,omitempty"`
}

// Inspect describes an artifact, with the tree of what refers to it.
func Inspect(ctx context.Context, t *resolve.Target, ref artifact.Ref, platform string, events Events) (*Inspected, error) {
	s, err := connect(ref.Registry(t), ref.Repository())
	if err != nil {
		return nil, err
	}
	out, err := s.inspect(ctx, ref, platform, events)
	return out, s.Err(err)
}

func (s *session) inspect(ctx context.Context, ref artifact.Ref, platform string, events Events) (*Inspected, error) {
	d, data, err := s.root(ctx, &ref, events)
	if err != nil {
		return nil, err
	}
	if d, data, err = forPlatform(ctx, s, d, data, platform); err != nil {
		return nil, err
	}
	m, err := parseManifest(d, data)
	if err != nil {
		return nil, err
	}
	out := &Inspected{Reference: s.reference(ref.Tag, d.Digest), Digest: d.Digest, MediaType: d.MediaType, ArtifactType: m.kind(),
		Size: int64(len(data)), Annotations: m.Annotations, Manifest: data}
	for _, b := range m.Below() {
		out.Size += b.Size
	}
	if m.Subject != nil {
		out.Subject = m.Subject.Digest
	}
	for _, child := range m.Manifests {
		p := Platform{Digest: child.Digest, Size: child.Size}
		if child.Platform != nil {
			p.Platform = platformName(*child.Platform)
		}
		out.Platforms = append(out.Platforms, p)
	}
	for _, layer := range append(m.Layers, m.Blobs...) {
		out.Layers = append(out.Layers, Layer{Title: layer.Annotations[ocispec.AnnotationTitle], MediaType: layer.MediaType, Digest: layer.Digest, Size: layer.Size})
	}
	if m.Config != nil {
		if out.Config, err = s.smallJSON(ctx, *m.Config); err != nil {
			return nil, err
		}
	}
	tree := referrersTree{session: s, root: d, seen: map[digest.Digest]bool{}, events: events}
	if out.Referrers, err = tree.of(ctx, d, 1); err != nil {
		return nil, err
	}
	beside, err := s.beside(ctx, d.Digest)
	out.Referrers = append(out.Referrers, beside...)
	return out, err
}

// beside returns what belongs to a manifest by the name of its tag alone, as
// signatures of older clients do.
func (s *session) beside(ctx context.Context, d digest.Digest) (list []Referrer, err error) {
	tags, err := s.tags(ctx)
	if err != nil && !remote.Missing(err) { // some registries know no repository without tags
		return nil, err
	}
	for _, tag := range tags {
		if subject, ending, ok := oci.SplitReferrersTag(tag); !ok || subject != oci.ReferrersTag(d) || ending == "" {
			continue
		}
		found, err := s.describe(ctx, tag)
		if err != nil {
			return nil, err
		}
		if found != nil {
			list = append(list, Referrer{Digest: found.Digest, ArtifactType: found.Type, Tag: tag, Size: found.Size})
		}
	}
	return list, nil
}

// smallJSON returns a blob that is JSON and small enough to be shown, or nil.
func (s *session) smallJSON(ctx context.Context, d ocispec.Descriptor) (json.RawMessage, error) {
	if d.Size > oci.MaxManifest {
		return nil, nil
	}
	data, err := s.readBlob(ctx, d)
	if remote.Missing(err) {
		return nil, nil
	}
	if err != nil || !json.Valid(data) {
		return nil, err
	}
	return data, nil
}

// referrersTree follows what refers to a manifest, and to that. Nothing occurs twice.
type referrersTree struct {
	*session
	root   ocispec.Descriptor
	seen   map[digest.Digest]bool
	size   int // bytes of the manifests, whose annotations are kept
	events Events
}

// maxTree bounds the manifests of a tree, in bytes.
const maxTree = 64 << 20

// of returns what refers to d, which is that many levels from the root.
func (t *referrersTree) of(ctx context.Context, d ocispec.Descriptor, level int) ([]Referrer, error) {
	list, err := t.Referrers(ctx, d)
	if err != nil {
		return nil, err
	}
	tree := []Referrer{}
	for _, r := range list {
		if t.seen[r.Digest] {
			continue
		}
		t.seen[r.Digest] = true
		m, data, err := refers(ctx, t, r, d)
		if err != nil {
			return nil, err
		}
		if m == nil {
			t.events.send(Event{Step: Unrelated, Digest: r.Digest})
			continue
		}
		if t.size += len(data); level > maxLevels || len(t.seen) > maxRelated || t.size > maxTree {
			return nil, endless(t.root)
		}
		below, err := t.of(ctx, r, level+1)
		if err != nil {
			return nil, err
		}
		tree = append(tree, Referrer{Digest: r.Digest, ArtifactType: m.kind(), Size: int64(len(data)), Annotations: m.Annotations, Referrers: below})
	}
	return tree, nil
}

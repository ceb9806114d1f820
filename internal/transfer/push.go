package transfer

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/resolve"
)

// PushOptions says what to push.
type PushOptions struct {
	Kind        artifact.Kind
	Path        string
	Metadata    artifact.Metadata     // its set fields replace those of the directory's metadata file
	Tags        []string              // none: by push_policy.auto_tag and tag_format, else the version
	Compression *artifact.Compression // nil: by push_policy
	Events      Events

	SourceTag string // which image of a layout; "" for the only one
	Platform  string // of an image, as in linux/arm64; "" for all
}

// Pushed is an artifact as the registry holds it now.
type Pushed struct {
	References []string      `json:"references"` // host/repository:tag@digest, one for each tag
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size"`      // bytes of the layers
	Unchanged  bool          `json:"unchanged"` // every tag named this digest before
}

// Push packs what is at a path, by its kind, and publishes it: blobs, then the
// manifest by digest, then the tags, so that a tag never names anything
// incomplete.
//
// Without allow_overwrite a tag that names other content fails with
// diag.TagExists before anything is uploaded, and again in the last step: the
// tag is sent on the condition that it is not there, which berth's own registry
// honours. Others ignore it; there the tag is looked at right before and after,
// and only a client that tags in that same moment can go unseen.
// require_signing fails with diag.PolicyRefused, wrong metadata with
// diag.BadMetadata.
func Push(ctx context.Context, t *resolve.Target, opts PushOptions) (*Pushed, error) {
	if err := refuseUnsigned(t); err != nil {
		return nil, err
	}
	for _, tag := range opts.Tags {
		if err := checkTag(tag); err != nil {
			return nil, err
		}
	}
	switch opts.Kind.Form {
	case artifact.FormModule:
		return pushPacked(ctx, t, opts, moduleRecipe)
	case artifact.FormImage:
		return pushImage(ctx, t, opts)
	}
	return pushPacked(ctx, t, opts, directoryRecipe)
}

func pushPacked(ctx context.Context, t *resolve.Target, opts PushOptions, read func(PushOptions) (*recipe, error)) (*Pushed, error) {
	r, err := read(opts)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(ctx, t, opts, r.name, r.version, r.exact)
	if err != nil {
		return nil, err
	}
	s, err := connect(t, opts.Kind.Repository(r.name))
	if err != nil {
		return nil, err
	}
	compression := artifact.Compression{Enabled: t.Push.CompressionEnabled, Level: t.Push.CompressionLevel}
	if opts.Compression != nil {
		compression = *opts.Compression
	}
	look := s.lookAt(ctx, tags) // while there is work to do here
	defer look.end()
	p, err := r.pack(ctx, compression)
	if err != nil {
		return nil, err
	}
	defer p.close()
	opts.Events.send(Event{Step: Packed, Name: r.name, Digest: p.layer.Digest, Total: p.layer.Size})
	pushed, err := s.push(ctx, p, p.manifest.Descriptor, tags, look, opts.Events)
	return pushed, s.Err(err)
}

// push publishes what a source has. look is at the tags, or nil.
func (s *session) push(ctx context.Context, src Source, root ocispec.Descriptor, tags []string, look *look, events Events) (*Pushed, error) {
	data, err := src.Manifest(ctx, root)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(root, data)
	if err != nil {
		return nil, err
	}
	sink := repositorySink{session: s, events: events}
	g := newGraph(src, sink, Uploading, events)
	_, fresh := src.(*packed) // to which nothing refers
	g.again, g.referrers = true, !fresh
	p := publisher{repositorySink: sink, graph: g, root: root, data: data, tags: tags, look: look}
	out := &Pushed{Digest: root.Digest}
	if out.Unchanged, err = p.publish(ctx); err != nil {
		return nil, err
	}
	for _, layer := range m.Layers {
		out.Size += layer.Size
	}
	for _, tag := range tags {
		out.References = append(out.References, s.reference(tag, root.Digest))
	}
	return out, nil
}

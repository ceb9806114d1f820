package transfer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
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
	to, err := newSpool(r.name, opts.Path, opts.Events)
	if err != nil {
		return nil, err
	}
	defer to.close()
	// While there is work to do here:
	look := s.lookAt(ctx, tags)
	defer look.end()
	ahead := s.SendAhead(ctx, aheadKey(opts.Path, compression), to)
	pushed, err := s.pushRecipe(ctx, r, compression, to, ahead, publication{tags: tags, look: look, events: opts.Events})
	ahead.Close(ctx, outcomeOf(err))
	return pushed, s.Err(err)
}

func (s *session) pushRecipe(ctx context.Context, r *recipe, c artifact.Compression, to *spool, ahead *remote.Ahead, how publication) (*Pushed, error) {
	p, err := r.pack(ctx, c, to)
	if err != nil {
		return nil, err
	}
	to.packed(p.layer)
	how.ahead, how.sent = ahead, p.layer.Digest
	return s.push(ctx, p, p.manifest.Descriptor, how)
}

// publication says how something is published.
type publication struct {
	tags   []string
	look   *look         // at the tags; nil for none yet
	ahead  *remote.Ahead // by which the blob sent is on its way; nil for none
	sent   digest.Digest
	events Events
}

// push publishes what a source has.
func (s *session) push(ctx context.Context, src Source, root ocispec.Descriptor, how publication) (*Pushed, error) {
	data, err := src.Manifest(ctx, root)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(root, data)
	if err != nil {
		return nil, err
	}
	sink := repositorySink{session: s, events: how.events, ahead: how.ahead, sent: how.sent}
	_, fresh := src.(*packed) // to which nothing refers
	if !fresh {
		sink.asked = newAnswers()
	}
	g := newGraph(src, sink, Uploading, how.events)
	g.again, g.referrers = true, !fresh
	p := publisher{repositorySink: sink, graph: g, root: root, data: data, tags: how.tags, look: how.look}
	out := &Pushed{Digest: root.Digest}
	if out.Unchanged, err = p.publish(ctx); err != nil {
		return nil, err
	}
	for _, layer := range m.Layers {
		out.Size += layer.Size
	}
	for _, tag := range how.tags {
		out.References = append(out.References, s.reference(tag, root.Digest))
	}
	return out, nil
}

// aheadKey is what the layer of a directory is found by before its digest is known.
func aheadKey(path string, c artifact.Compression) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return fmt.Sprintf("%s compressed=%t zstd=%t level=%d", path, c.Enabled, c.Zstd, c.Level)
}

// outcomeOf says what becomes of a layer that was sent ahead of a push which ended
// with err.
func outcomeOf(err error) remote.Outcome {
	if err == nil {
		return remote.Published
	}
	if fault, ok := errors.AsType[*diag.Diagnostic](err); ok {
		switch fault.Code {
		case diag.TagExists, diag.BadArtifact, diag.BadMetadata, diag.Unsupported:
			return remote.Unwanted
		}
	}
	return remote.Interrupted
}

package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/resolve"
)

// PushOptions says what to push.
type PushOptions struct {
	Kind     artifact.Kind
	Dir      string
	Metadata artifact.Metadata // its set fields replace those of the directory's metadata file
	Tags     []string          // none: by push_policy.auto_tag and tag_format, else the version
	Events   Events
}

// Pushed is an artifact as the registry holds it now.
type Pushed struct {
	References []string      `json:"references"` // host/repository:tag@digest, one for each tag
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size"`      // bytes of the layer
	Unchanged  bool          `json:"unchanged"` // every tag named this digest before
}

// Push packs a directory and publishes it: blobs, then the manifest by digest,
// then the tags, so that a tag never names anything incomplete.
//
// Without allow_overwrite a tag that names other content fails with
// diag.TagExists before anything is uploaded, and again in the last step: the
// tag is sent on the condition that it is not there, which berth's own registry
// honours. Others ignore it; there the tag is looked at right before and after,
// and only a client that tags in that same moment can go unseen.
// require_signing fails with diag.PolicyRefused, a kind that cannot be pushed
// with diag.Unsupported, wrong metadata with diag.BadMetadata.
func Push(ctx context.Context, t *resolve.Target, opts PushOptions) (*Pushed, error) {
	if err := opts.Kind.Pushable(); err != nil {
		return nil, err
	}
	if t.Push.RequireSigning {
		return nil, t.Fault(diag.PolicyRefused, "push_policy.require_signing", "the config asks for signed artifacts, and this version of berth cannot sign").
			WithHint("set require_signing to false to push without a signature")
	}
	if err := artifact.CheckDir(opts.Dir); err != nil {
		return nil, err
	}
	meta, err := artifact.ReadMetadata(opts.Kind.Type, opts.Dir, opts.Metadata)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(ctx, t, opts, meta)
	if err != nil {
		return nil, err
	}
	s, err := connect(t, opts.Kind.Repository(meta.Name))
	if err != nil {
		return nil, err
	}
	spool, err := os.CreateTemp("", "berth-layer-*")
	if err != nil {
		return nil, diag.Errorf(diag.StorageFailed, "cannot spool: %w", err).WithHint("set TMPDIR to a directory with space")
	}
	defer func() { spool.Close(); os.Remove(spool.Name()) }()
	p := pusher{session: s, opts: opts, spool: spool, tags: tags}
	if err := p.pack(ctx, meta); err != nil {
		return nil, err
	}
	pushed, err := p.publish(ctx)
	return pushed, s.client.Err(err)
}

type pusher struct {
	*session
	opts     PushOptions
	tags     []string
	spool    *os.File
	layer    ocispec.Descriptor
	config   artifact.Blob
	manifest artifact.Blob
}

func (p *pusher) pack(ctx context.Context, meta artifact.Metadata) (err error) {
	w := bufio.NewWriterSize(p.spool, 1<<20)
	compression := artifact.Compression{Enabled: p.target.Push.CompressionEnabled, Level: p.target.Push.CompressionLevel}
	p.layer, err = artifact.PackLayer(ctx, w, p.opts.Dir, meta.Name, compression, func(done int64) {
		p.opts.Events.send(Event{Step: Packing, Name: meta.Name, Done: done})
	})
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return diag.Errorf(diag.StorageFailed, "cannot spool: %w", err).WithHint("set TMPDIR to a directory with space")
	}
	p.opts.Events.send(Event{Step: Packed, Name: meta.Name, Digest: p.layer.Digest, Total: p.layer.Size})
	p.config, p.manifest, err = artifact.Pack(p.opts.Kind.Type, meta, p.layer)
	return err
}

func (p *pusher) publish(ctx context.Context) (*Pushed, error) {
	out := &Pushed{Digest: p.manifest.Digest, Size: p.layer.Size, Unchanged: true}
	todo, err := p.changed(ctx)
	if err != nil {
		return nil, err
	}
	if len(todo) == 0 {
		complete, err := p.complete(ctx)
		if err != nil {
			return nil, err
		}
		if !complete { // a registry that lost content gets it again
			todo = p.tags
		}
	}
	if len(todo) > 0 {
		out.Unchanged = false
		if err := p.upload(ctx, todo); err != nil {
			return nil, err
		}
	}
	for _, tag := range p.tags {
		out.References = append(out.References, p.reference(tag, p.manifest.Digest))
	}
	return out, nil
}

// changed returns the tags that do not name the manifest yet.
func (p *pusher) changed(ctx context.Context) (todo []string, err error) {
	for _, tag := range p.tags {
		same, err := p.free(ctx, tag)
		switch {
		case err != nil:
			return nil, err
		case same:
			p.opts.Events.send(Event{Step: Unchanged, Name: tag, Digest: p.manifest.Digest})
		default:
			todo = append(todo, tag)
		}
	}
	return todo, nil
}

// free reports whether a tag names the manifest already. It fails with
// diag.TagExists when the tag names other content and must not move.
func (p *pusher) free(ctx context.Context, tag string) (same bool, err error) {
	old, err := p.repo.Resolve(ctx, tag)
	switch {
	case missing(err):
		return false, nil
	case err != nil:
		return false, err
	case old.Digest == p.manifest.Digest:
		return true, nil
	case p.target.Push.AllowOverwrite:
		return false, nil
	}
	return false, p.target.Fault(diag.TagExists, "push_policy.allow_overwrite", "tag %s of %s names %s, not %s", tag, p.reference("", ""), old.Digest, p.manifest.Digest).
		WithHint("push another version or tag, or set push_policy.allow_overwrite to true")
}

func (p *pusher) upload(ctx context.Context, tags []string) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	group.Go(func() error {
		return p.blob(inner, p.layer, func() io.Reader { return io.NewSectionReader(p.spool, 0, p.layer.Size) })
	})
	group.Go(func() error {
		return p.blob(inner, p.config.Descriptor, func() io.Reader { return bytes.NewReader(p.config.Data) })
	})
	if err := group.Wait(); err != nil {
		return err
	}
	manifest := func() io.Reader { return bytes.NewReader(p.manifest.Data) }
	if err := p.repo.Manifests().Push(ctx, p.manifest.Descriptor, manifest()); err != nil {
		return fmt.Errorf("push manifest: %w", err)
	}
	for _, tag := range tags {
		if err := p.tag(ctx, tag); err != nil {
			return err
		}
		p.opts.Events.send(Event{Step: Tagged, Name: tag, Digest: p.manifest.Digest})
	}
	return nil
}

// tag points a tag at the manifest. Where tags must not move, the request has
// the condition that the tag is new, and the outcome is looked at.
func (p *pusher) tag(ctx context.Context, tag string) error {
	if p.target.Push.AllowOverwrite {
		return p.putTag(ctx, p.repo, tag)
	}
	if _, err := p.free(ctx, tag); err != nil {
		return err
	}
	err := p.putTag(ctx, p.createOnly(), tag)
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); err != nil && (!ok || answer.StatusCode != http.StatusPreconditionFailed) {
		return err
	}
	_, err = p.free(ctx, tag)
	return err
}

func (p *pusher) putTag(ctx context.Context, repo *remote.Repository, tag string) error {
	if err := repo.Manifests().PushReference(ctx, p.manifest.Descriptor, bytes.NewReader(p.manifest.Data), tag); err != nil {
		return fmt.Errorf("tag %s: %w", tag, err)
	}
	return nil
}

// createOnly returns the repository with a client that creates and never
// replaces.
func (p *pusher) createOnly() *remote.Repository {
	return &remote.Repository{
		Client: ifNoneMatch{p.client}, Reference: p.repo.Reference, PlainHTTP: p.repo.PlainHTTP, SkipReferrersGC: true,
	}
}

// ifNoneMatch adds the condition of RFC 9110, section 13.1.2, to each PUT.
type ifNoneMatch struct{ remote.Client }

func (c ifNoneMatch) Do(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", "*")
	}
	return c.Client.Do(req)
}

// complete reports whether the registry has the blobs of the manifest.
func (p *pusher) complete(ctx context.Context) (bool, error) {
	for _, desc := range []ocispec.Descriptor{p.layer, p.config.Descriptor} {
		if there, err := p.repo.Blobs().Exists(ctx, desc); !there || err != nil {
			return false, err
		}
	}
	return true, nil
}

// blob uploads one blob unless it is there. An upload that broke starts again
// from its first request: registries forget sessions that failed.
func (p *pusher) blob(ctx context.Context, desc ocispec.Descriptor, open func() io.Reader) error {
	event := Event{Step: Uploading, Name: desc.Annotations[ocispec.AnnotationTitle], Digest: desc.Digest, Total: desc.Size}
	return p.client.Retry(ctx, func() error {
		there, err := p.repo.Blobs().Exists(ctx, desc)
		if err != nil {
			return err
		}
		if there {
			event.Step = Present
			p.opts.Events.send(event)
			return nil
		}
		return p.repo.Blobs().Push(ctx, desc, &progress{r: open(), event: event, events: p.opts.Events})
	})
}

// progress tells of the bytes that pass.
type progress struct {
	r      io.Reader
	event  Event
	events Events
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.event.Done += int64(n)
		p.events.send(p.event)
	}
	return n, err
}

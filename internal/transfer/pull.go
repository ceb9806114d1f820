package transfer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/resolve"
)

// PullOptions says what to pull, and whereto.
type PullOptions struct {
	Ref    artifact.Ref
	Dir    string // "": the name of the artifact, in the working directory
	Force  bool   // replace what Dir holds
	Limits artifact.Limits
	Events Events
}

// Pulled is an artifact that has been unpacked.
type Pulled struct {
	Dir       string        `json:"directory"`
	Reference string        `json:"reference"`
	Digest    digest.Digest `json:"digest"`
	Unchanged bool          `json:"unchanged"` // Dir held the same tree before
}

// Pull fetches an artifact and unpacks it. Every byte is verified on its way to
// a directory beside the output, which takes the output's place at the end: on
// any failure the output is as it was.
//
// It fails with diag.NotFound, diag.DigestMismatch, diag.UnsafeArchive,
// diag.BadArtifact (not a packed artifact), diag.TargetExists (the output holds
// something else and Force is not set) and diag.Unsupported (policy "never").
func Pull(ctx context.Context, t *resolve.Target, opts PullOptions) (*Pulled, error) {
	if t.Pull.Policy == "never" {
		return nil, t.Fault(diag.Unsupported, "pull_policy.policy", `policy "never" needs a cache, which this version of berth does not have`).
			WithHint(`set pull_policy.policy to "always" or "if-not-present"`)
	}
	if opts.Ref.Name == "" {
		return nil, diag.Errorf(diag.BadReference, "no name to pull").WithHint("write KIND/NAME, as in extension/aws")
	}
	if opts.Dir == "" {
		opts.Dir = opts.Ref.Base()
	}
	s, err := connect(opts.Ref.Registry(t), opts.Ref.Repository())
	if err != nil {
		return nil, err
	}
	pulled, err := s.pull(ctx, opts)
	return pulled, s.client.Err(err)
}

func (s *session) pull(ctx context.Context, opts PullOptions) (*Pulled, error) {
	desc, err := s.find(ctx, &opts)
	if err != nil {
		return nil, err
	}
	manifest, err := s.manifest(ctx, desc)
	if err != nil {
		return nil, err
	}
	staging, err := artifact.Stage(opts.Dir)
	if err != nil {
		return nil, err
	}
	defer staging.Discard()
	if err := s.unpack(ctx, staging.Dir, manifest.Layers, opts); err != nil {
		return nil, err
	}
	unchanged, err := staging.Commit(opts.Force)
	if err != nil {
		return nil, err
	}
	if unchanged {
		opts.Events.send(Event{Step: Unchanged, Name: opts.Dir, Digest: desc.Digest})
	}
	return &Pulled{Dir: opts.Dir, Reference: s.reference(opts.Ref.Tag, desc.Digest), Digest: desc.Digest, Unchanged: unchanged}, nil
}

// find resolves the reference, choosing a tag when it has none.
func (s *session) find(ctx context.Context, opts *PullOptions) (ocispec.Descriptor, error) {
	ref := &opts.Ref
	if ref.Tag == "" && ref.Digest == "" {
		tags, err := s.tags(ctx)
		if missing(err) || err == nil && len(tags) == 0 {
			return ocispec.Descriptor{}, s.notFound(ctx, *ref)
		}
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		tag, ok := newest(tags)
		if !ok {
			return ocispec.Descriptor{}, diag.Errorf(diag.NotFound, "%s has neither a tag latest nor one that is a version", s.reference("", "")).
				WithHint("choose a tag: %s", some(tags))
		}
		ref.Tag = tag
		opts.Events.send(Event{Step: Chosen, Name: tag})
	}
	name := ref.Tag
	if ref.Digest != "" {
		name = ref.Digest.String()
	}
	desc, err := s.repo.Resolve(ctx, name)
	if missing(err) {
		return desc, s.notFound(ctx, *ref)
	}
	return desc, err
}

// maxManifest bounds a manifest, which is held in memory.
const maxManifest = 4 << 20

// manifest fetches and verifies an image manifest.
func (s *session) manifest(ctx context.Context, desc ocispec.Descriptor) (*ocispec.Manifest, error) {
	if desc.Size > maxManifest {
		return nil, diag.Errorf(diag.BadArtifact, "manifest %s has %d bytes", desc.Digest, desc.Size).WithHint("berth reads manifests of up to 4 MiB")
	}
	var data []byte
	err := s.client.Retry(ctx, func() error {
		body, err := s.repo.Manifests().Fetch(ctx, desc)
		if err != nil {
			return err
		}
		defer body.Close()
		data, err = content.ReadAll(body, desc)
		return err
	})
	if err != nil {
		return nil, mismatch(desc.Digest, err)
	}
	manifest := &ocispec.Manifest{}
	if err := json.Unmarshal(data, manifest); err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "manifest %s: %w", desc.Digest, err).WithHint("the artifact has to be pushed again")
	}
	if manifest.MediaType != "" && manifest.MediaType != ocispec.MediaTypeImageManifest || desc.MediaType != ocispec.MediaTypeImageManifest {
		return nil, diag.Errorf(diag.BadArtifact, "%s is a %s, not an artifact that can be unpacked", desc.Digest, desc.MediaType).
			WithHint("`berth ls` shows what each tag is")
	}
	return manifest, nil
}

func (s *session) unpack(ctx context.Context, dir string, layers []ocispec.Descriptor, opts PullOptions) (err error) {
	if len(layers) == 0 {
		return diag.Errorf(diag.BadArtifact, "the artifact has no content").WithHint("`berth ls` shows what each tag is")
	}
	u, err := artifact.NewUnpacker(dir, opts.Limits)
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if err = s.layer(ctx, u, layer, len(layers) == 1, opts.Events); err != nil {
			break
		}
	}
	if closed := u.Close(); err == nil {
		err = closed
	}
	return err
}

// layer streams one layer from the registry through the hash to the disk. The
// only layer of an artifact becomes the output itself; of several, each goes
// below its title.
func (s *session) layer(ctx context.Context, u *artifact.Unpacker, layer ocispec.Descriptor, only bool, events Events) error {
	title := layer.Annotations[ocispec.AnnotationTitle]
	if title == "" {
		return diag.Errorf(diag.BadArtifact, "layer %s has no title, so it is no file or directory", layer.Digest).
			WithHint("berth unpacks what `berth push` and `oras push` write")
	}
	if err := layer.Digest.Validate(); err != nil {
		return diag.Errorf(diag.BadArtifact, "layer %s: %w", title, err).WithHint("the artifact has to be pushed again")
	}
	body := &blob{ctx: ctx, session: s, desc: layer, hash: layer.Digest.Verifier()}
	defer func() { _ = body.Close() }()
	event := Event{Step: Downloading, Name: title, Digest: layer.Digest, Total: layer.Size}
	prefix := title
	if only {
		prefix = ""
	}
	err := u.Layer(ctx, layer, prefix, &progress{r: body, event: event, events: events})
	// What looks like a bad archive may be good bytes gone bad: the digest knows.
	if bad := body.verify(); bad != nil && (err == nil || body.complete()) {
		return bad
	}
	if missing(body.err) {
		return diag.Errorf(diag.DigestMismatch, "the registry has lost %s (%s), which the manifest names", title, layer.Digest).
			WithHint("push the artifact again: what is lost is sent again")
	}
	if body.err != nil {
		return body.err
	}
	return err
}

func mismatch(dgst digest.Digest, err error) error {
	if err == content.ErrMismatchedDigest || err == content.ErrTrailingData || err == content.ErrInvalidDescriptorSize {
		return diag.Errorf(diag.DigestMismatch, "the registry's content for %s is not what the digest says: %w", dgst, err).WithHint(damagedHint)
	}
	return fmt.Errorf("fetch %s: %w", dgst, err)
}

const damagedHint = "nothing was written; the registry's storage or something on the way damages content: restore it there, or delete the artifact and push it again"

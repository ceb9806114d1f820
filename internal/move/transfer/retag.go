package transfer

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// Retag gives an artifact more tags, under the push policy. Nothing but its
// manifest is sent.
func Retag(ctx context.Context, t *resolve.Target, ref artifact.Ref, tags []string, events Events) (*Pushed, error) {
	if err := refuseUnsigned(t); err != nil {
		return nil, err
	}
	for _, tag := range tags {
		if err := checkTag(tag); err != nil {
			return nil, err
		}
	}
	s, err := connect(ref.Registry(t), ref.Repository())
	if err != nil {
		return nil, err
	}
	pushed, err := s.retag(ctx, ref, tags, events)
	return pushed, s.Err(err)
}

func (s *session) retag(ctx context.Context, ref artifact.Ref, tags []string, events Events) (*Pushed, error) {
	root, data, err := s.root(ctx, &ref, events)
	if err != nil {
		return nil, err
	}
	p := publisher{repositorySink: repositorySink{session: s, events: events}, root: root, data: data, tags: tags}
	todo, err := p.changed(ctx)
	if err != nil {
		return nil, err
	}
	out := &Pushed{Digest: root.Digest, Unchanged: len(todo) == 0}
	for _, tag := range todo {
		if err := p.tag(ctx, root, data, tag, true); err != nil {
			return nil, err
		}
		events.send(Event{Step: Tagged, Name: tag, Digest: root.Digest})
	}
	for _, tag := range tags {
		out.References = append(out.References, s.reference(tag, root.Digest))
	}
	return out, nil
}

// Removed tells what was, or would be, removed.
type Removed struct {
	Reference string        `json:"reference"`
	Digest    digest.Digest `json:"digest"`
	Manifest  bool          `json:"manifest"`       // the manifest itself, and not only a tag
	Tags      []string      `json:"tags,omitempty"` // that are gone with it
	DryRun    bool          `json:"dry_run"`
}

// Remove removes a tag, or by digest a manifest with all its tags. Blobs stay
// until the registry collects its garbage. A registry that cannot remove a tag
// alone loses the manifest instead where no other tag names it, and fails with
// diag.RegistryRefused where one does.
func Remove(ctx context.Context, t *resolve.Target, ref artifact.Ref, dryRun bool) (*Removed, error) {
	if ref.Tag == "" && ref.Digest == "" {
		return nil, diag.Errorf(diag.BadReference, "%s/%s names neither tag nor digest", ref.Kind.Name, ref.Name).
			WithHint("write the tag to remove, as in extension/aws:1.2.0, or @DIGEST for a manifest with all its tags")
	}
	s, err := connect(ref.Registry(t), ref.Repository())
	if err != nil {
		return nil, err
	}
	removed, err := s.remove(ctx, ref, dryRun)
	return removed, s.Err(err)
}

func (s *session) remove(ctx context.Context, ref artifact.Ref, dryRun bool) (*Removed, error) {
	wanted := ref.Digest
	if ref.Tag != "" { // and a digest is what the tag must name
		ref.Digest = ""
	}
	d, err := s.find(ctx, &ref, nil)
	if err != nil {
		return nil, err
	}
	same := wanted == ""
	if !same {
		if same, err = oci.Same(wanted, d.Digest, s.content(ctx, d)); err != nil {
			return nil, err
		}
	}
	if !same {
		return nil, diag.Errorf(diag.NotFound, "%s names %s, not %s", s.reference(ref.Tag, ""), d.Digest, wanted).
			WithHint("remove the tag without a digest, or the manifest without a tag: %s", s.reference("", wanted))
	}
	out := &Removed{Reference: s.reference(ref.Tag, d.Digest), Digest: d.Digest, Manifest: ref.Tag == "", Tags: []string{ref.Tag}, DryRun: dryRun}
	if out.Manifest {
		if out.Tags, err = s.tagsOf(ctx, d); err != nil {
			return nil, err
		}
	}
	if dryRun {
		return out, nil
	}
	if out.Manifest {
		return out, deletable(s.Delete(ctx, d.Digest.String()), s)
	}
	err = s.Delete(ctx, ref.Tag)
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); !ok || answer.StatusCode != http.StatusMethodNotAllowed && answer.StatusCode != http.StatusBadRequest &&
		answer.StatusCode != http.StatusNotImplemented && answer.StatusCode != http.StatusNotFound {
		return out, err
	}
	return out, s.removeByDigest(ctx, ref.Tag, d, out)
}

// removeByDigest is for registries that remove no tags.
func (s *session) removeByDigest(ctx context.Context, tag string, d ocispec.Descriptor, out *Removed) error {
	tags, err := s.tagsOf(ctx, d)
	if err != nil {
		return err
	}
	if len(tags) != 1 || tags[0] != tag {
		return diag.Errorf(diag.RegistryRefused, "%s removes no tag alone, and %s has the tags %s", s.Host(), out.Digest, some(tags)).
			WithHint("remove the manifest with all its tags by its digest: %s", s.reference("", out.Digest))
	}
	out.Manifest = true
	return deletable(s.Delete(ctx, out.Digest.String()), s)
}

// deletable explains a registry that removes nothing.
func deletable(err error, s *session) error {
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok && answer.StatusCode == http.StatusMethodNotAllowed {
		return diag.Errorf(diag.RegistryRefused, "%s removes nothing", s.Host()).
			WithHint("deletion is off there: for distribution set storage.delete.enabled")
	}
	return err
}

// content returns what reads a manifest, once, for those who cannot tell without it
// what names it.
func (s *session) content(ctx context.Context, d ocispec.Descriptor) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) { return s.Manifest(ctx, d) })
}

// tagsOf returns the tags that name a manifest.
func (s *session) tagsOf(ctx context.Context, d ocispec.Descriptor) ([]string, error) {
	all, err := s.tags(ctx)
	if err != nil && !remote.Missing(err) { // some registries know no repository without tags
		return nil, err
	}
	names := make([]bool, len(all))
	content := s.content(ctx, d)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(2 * parallel)
	for i, tag := range all {
		group.Go(func() error {
			desc, err := s.Resolve(inner, tag)
			if remote.Missing(err) {
				return nil
			}
			if err == nil {
				names[i], err = oci.Same(desc.Digest, d.Digest, content)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var tags []string
	for i, tag := range all {
		if names[i] {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

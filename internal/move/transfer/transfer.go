// Package transfer moves artifacts between directories, image layouts and
// registries: push, pull, copy, and what goes with them: list, inspect, tag,
// remove. It keeps the config's policies on the way, verifies every byte and says
// what happens in events; it draws nothing.
package transfer

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/client/transport"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/cache"
)

// Source is a place that content comes from: a repository or an image layout.
// What is not there is diag.NotFound or, of a repository, remote.Missing.
type Source interface {
	// Resolve returns the descriptor of a tag or digest.
	Resolve(ctx context.Context, ref string) (ocispec.Descriptor, error)
	// Manifest returns a manifest, verified.
	Manifest(ctx context.Context, d ocispec.Descriptor) ([]byte, error)
	// Blob returns a blob from offset on, which is not verified.
	Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error)
	// Referrers returns the manifests whose subject is d.
	Referrers(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error)
}

// Sink is a place that content goes to. It takes what is below a manifest before
// the manifest, and the tag last.
type Sink interface {
	// Has reports whether a blob or manifest is there.
	Has(ctx context.Context, d ocispec.Descriptor) (bool, error)
	// PutBlob stores a blob, verified. open gives it from an offset on.
	PutBlob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error
	// PutManifest stores a manifest by its digest.
	PutManifest(ctx context.Context, d ocispec.Descriptor, data []byte) error
	// Tag points a tag at a manifest that is there.
	Tag(ctx context.Context, d ocispec.Descriptor, data []byte, tag string) error
}

// shown bounds how many names an error lists.
const shown = 10

// session is a connection to one repository, or to the registry itself.
type session struct {
	*remote.Repository
	target *resolve.Target
	client *transport.Client
	origin cache.Origin
}

func connect(t *resolve.Target, repository string) (*session, error) {
	client, err := transport.New(t)
	if err != nil {
		return nil, err
	}
	origin, err := originOf(t)
	if err != nil {
		return nil, err
	}
	uploads := remote.Uploads{Journal: journal(), Origin: origin.String()}
	return &session{Repository: remote.New(client, t, repository, uploads), target: t, client: client, origin: origin}, nil
}

// Pause waits before a retry, see transport.Client.Pause.
func (s *session) Pause(ctx context.Context, retry int) error { return s.client.Pause(ctx, retry) }

// journal is where uploads are remembered: for the user, whatever the config. A
// machine without such a place does without.
func journal() *remote.Journal {
	dir, err := remote.JournalDir()
	if err != nil {
		return nil
	}
	return remote.OpenJournal(dir)
}

// reference names what a tag or digest, either of which may be empty, leads to.
func (s *session) reference(tag string, dgst digest.Digest) string {
	ref := s.Host() + "/" + s.Name()
	if tag != "" {
		ref += ":" + tag
	}
	if dgst != "" {
		ref += "@" + dgst.String()
	}
	return ref
}

// find resolves a reference, choosing a tag when it has none.
func (s *session) find(ctx context.Context, ref *artifact.Ref, events Events) (ocispec.Descriptor, error) {
	if ref.Tag == "" && ref.Digest == "" {
		if err := s.choose(ctx, ref, events); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	d, err := s.Resolve(ctx, nameOf(*ref))
	if remote.Missing(err) {
		return d, s.notFound(ctx, *ref)
	}
	return d, err
}

// root resolves a reference as find does, and reads its manifest.
func (s *session) root(ctx context.Context, ref *artifact.Ref, events Events) (d ocispec.Descriptor, data []byte, err error) {
	if d, err = s.find(ctx, ref, events); err != nil {
		return d, nil, err
	}
	if data, err = s.Manifest(ctx, d); err != nil {
		return d, nil, err
	}
	return d, data, asNamed(nameOf(*ref), d, data)
}

// asNamed is the last look of whoever reads what a name leads to, from wherever it
// came: it fails with diag.DigestMismatch unless what came for a digest is what that
// is of, and called so, and with diag.BadArtifact where it came as a manifest of
// another type than it says. A tag may lead to anything.
func asNamed(name string, d ocispec.Descriptor, data []byte) error {
	want := digest.Digest(name)
	if !oci.IsDigest(name) || d.Digest == want && oci.Names(want, data) {
		return asTyped(d, data)
	}
	return diag.Errorf(diag.DigestMismatch, "what came for %s is %s", want, want.Algorithm().FromBytes(data)).WithHint("%s", remote.DamagedHint)
}

// asTyped is asNamed for the type alone. What berth does not know says none.
func asTyped(d ocispec.Descriptor, data []byte) error {
	m, err := oci.ParseManifest(data, "")
	if err != nil || m.MediaType == d.MediaType {
		return nil
	}
	if told, err := oci.ParseManifest(data, d.MediaType); err == nil && told.MediaType == d.MediaType {
		return nil // it says nothing, and has the form
	}
	return diag.Errorf(diag.BadArtifact, "manifest %s came as a %.200q, and is a %.200q", d.Digest, d.MediaType, m.MediaType).
		WithHint("the registry or layout tells it wrongly: do not trust what else it says")
}

// nameOf returns what a reference asks a registry for: the digest, when it has
// both.
func nameOf(ref artifact.Ref) string {
	if ref.Digest != "" {
		return ref.Digest.String()
	}
	return ref.Tag
}

// choose gives a reference the newest tag of its repository.
func (s *session) choose(ctx context.Context, ref *artifact.Ref, events Events) error {
	tags, err := s.tags(ctx)
	if remote.Missing(err) || err == nil && len(tags) == 0 {
		return s.notFound(ctx, *ref)
	}
	if err != nil {
		return err
	}
	tag, ok := newest(tags)
	if !ok {
		return diag.Errorf(diag.NotFound, "%s has neither a tag latest nor one that is a version", s.reference("", "")).
			WithHint("choose a tag: %s", some(tags))
	}
	ref.Tag = tag
	events.send(Event{Step: Chosen, Name: tag})
	return nil
}

// notFound says that a reference is not there, and what is.
func (s *session) notFound(ctx context.Context, ref artifact.Ref) error {
	d := diag.Errorf(diag.NotFound, "%s not found", s.reference(ref.Tag, ref.Digest))
	tags, err := s.tags(ctx)
	if err == nil && len(tags) > 0 {
		return d.WithHint("tags there: %s", some(tags))
	}
	if repos, err := s.repositories(ctx, nil); err == nil && len(repos) > 0 {
		return d.WithHint("no such repository; there are: %s", some(repos))
	}
	return d.WithHint("`berth push` puts something there")
}

func some(names []string) string {
	text := strings.Join(names[:min(shown, len(names))], ", ")
	if len(names) > shown {
		text += ", …"
	}
	return text
}

// tags returns all tags, sorted by name.
func (s *session) tags(ctx context.Context) (tags []string, err error) {
	err = s.Tags(ctx, remote.Page{}, func(page []string) error {
		tags = append(tags, page...)
		return nil
	})
	slices.Sort(tags)
	return slices.Compact(tags), err
}

// repositories returns all repositories of the registry, sorted by name. skipped,
// unless it is nil, is told of names that none can have.
func (s *session) repositories(ctx context.Context, skipped func(name string)) (repos []string, err error) {
	if skipped == nil {
		skipped = func(string) {}
	}
	err = s.Repositories(ctx, remote.Page{}, func(page []string) error {
		repos = append(repos, page...)
		return nil
	}, skipped)
	slices.Sort(repos)
	return slices.Compact(repos), err
}

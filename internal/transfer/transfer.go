// Package transfer moves artifacts between directories and a registry: push,
// pull and list. It keeps the config's policies on the way, verifies every byte
// and says what happens in events; it draws nothing.
package transfer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/resolve"
	"github.com/berth-oci/berth/internal/transport"
)

// Step is what an Event tells of.
type Step string

// The steps of push and pull.
const (
	Packing     Step = "packing"     // Done of Total bytes of files; Total is 0, as it is not known
	Packed      Step = "packed"      // the layer has Digest and Total bytes
	Uploading   Step = "uploading"   // Done of Total bytes of the blob Digest
	Present     Step = "present"     // the registry has the blob Digest already
	Tagged      Step = "tagged"      // Name is a tag that names Digest now
	Unchanged   Step = "unchanged"   // Name is a tag, or a directory, that held Digest before
	Chosen      Step = "chosen"      // Name is the tag that was chosen, as none was given
	Downloading Step = "downloading" // Done of Total bytes of the blob Digest
)

// Event is one step of an operation. Events of one blob come in order.
type Event struct {
	Step        Step
	Name        string // blob title or tag
	Digest      digest.Digest
	Done, Total int64 // bytes
}

// Events receives events, from several goroutines at once. It may be nil.
type Events func(Event)

func (f Events) send(e Event) {
	if f != nil {
		f(e)
	}
}

// parallel is how many blobs move, or manifests are read, at a time.
const parallel = 4

// shown bounds how many names an error lists.
const shown = 10

// session is a connection to one repository, or to the registry itself.
type session struct {
	target *resolve.Target
	client *transport.Client
	repo   *remote.Repository
}

func connect(t *resolve.Target, repository string) (*session, error) {
	client, err := transport.New(t)
	if err != nil {
		return nil, err
	}
	repo := &remote.Repository{
		Client:    client,
		Reference: registry.Reference{Registry: t.Endpoint.HostPort(), Repository: repository},
		PlainHTTP: t.Endpoint.Scheme == "http", SkipReferrersGC: true,
	}
	return &session{target: t, client: client, repo: repo}, nil
}

func (s *session) reference(tag string, dgst digest.Digest) string {
	ref := s.repo.Reference.Registry + "/" + s.repo.Reference.Repository
	if tag != "" {
		ref += ":" + tag
	}
	if dgst != "" {
		ref += "@" + dgst.String()
	}
	return ref
}

// missing reports whether err says that something is not there.
func missing(err error) bool {
	answer, ok := errors.AsType[*errcode.ErrorResponse](err)
	return errors.Is(err, errdef.ErrNotFound) || ok && answer.StatusCode == 404
}

// notFound says that a reference is not there, and what is.
func (s *session) notFound(ctx context.Context, ref artifact.Ref) error {
	d := diag.Errorf(diag.NotFound, "%s not found", s.reference(ref.Tag, ref.Digest))
	tags, err := s.tags(ctx)
	if err == nil && len(tags) > 0 {
		return d.WithHint("tags there: %s", some(tags))
	}
	if repos, err := s.repositories(ctx); err == nil && len(repos) > 0 {
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
	err = s.repo.Tags(ctx, "", func(page []string) error {
		tags = append(tags, page...)
		return nil
	})
	slices.Sort(tags)
	return tags, err
}

// repositories returns all repositories of the registry, sorted by name.
func (s *session) repositories(ctx context.Context) (repos []string, err error) {
	reg := &remote.Registry{RepositoryOptions: remote.RepositoryOptions{
		Client: s.client, Reference: registry.Reference{Registry: s.repo.Reference.Registry}, PlainHTTP: s.repo.PlainHTTP,
	}, RepositoryListPageSize: 1000}
	err = reg.Repositories(ctx, "", func(page []string) error {
		repos = append(repos, page...)
		return nil
	})
	slices.Sort(repos)
	return slices.Compact(repos), err
}

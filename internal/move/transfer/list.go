package transfer

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

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

// Repository is one line of a list of repositories.
type Repository struct {
	Kind string `json:"kind"`
	Name string `json:"name"` // below the kind's namespace
	Path string `json:"repository"`
}

// Tag is one line of a list of tags.
type Tag struct {
	Tag     string        `json:"tag"`
	Digest  digest.Digest `json:"digest"`
	Size    int64         `json:"size"` // bytes of manifest, config and layers; of an index, of all its manifests
	Type    string        `json:"artifact_type"`
	Version string        `json:"version,omitempty"`
}

// ListOptions choose a part of a list.
type ListOptions struct {
	Match string // pattern of names as in path.Match; "" for all
	After string // names behind this one; "" for the beginning
	Limit int    // names at most; 0 for all
	All   bool   // also the tags by which clients keep referrers

	// Skipped, unless it is nil, is told of what the registry lists as a repository
	// under a name that none can have.
	Skipped func(name string)
}

// Check fails with diag.Usage when Match is no pattern or Limit no number of names.
func (o ListOptions) Check() error {
	if o.Limit < 0 {
		return diag.Errorf(diag.Usage, "a limit of %d names is none", o.Limit).WithHint("give 1 or more, or leave it out for all")
	}
	if _, err := path.Match(o.Match, ""); err != nil {
		return diag.Errorf(diag.Usage, "%q is not a pattern", o.Match).WithHint(`write * for any letters, ? for one and [a-z] for one of these, as in "1.*"`)
	}
	return nil
}

// choose returns the wanted part of sorted names.
func (o ListOptions) choose(names []string) (chosen []string) {
	for _, name := range names {
		if ok, _ := path.Match(o.Match, name); (ok || o.Match == "") && name > o.After {
			chosen = append(chosen, name)
		}
	}
	if o.Limit > 0 {
		chosen = chosen[:min(o.Limit, len(chosen))]
	}
	return chosen
}

// Repositories lists the repositories of the given kinds, sorted by kind, in the
// order given, and name. A registry that does not list its repositories fails
// with diag.RegistryRefused.
func Repositories(ctx context.Context, t *resolve.Target, kinds []artifact.Kind, opts ListOptions) ([]Repository, error) {
	s, err := connect(t, "")
	if err != nil {
		return nil, err
	}
	paths, err := s.repositories(ctx, opts.Skipped)
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok && (answer.StatusCode == 404 || answer.StatusCode == 405 || answer.StatusCode == 501) {
		return nil, diag.Errorf(diag.RegistryRefused, "%s does not list its repositories", t.Endpoint.HostPort()).
			WithHint("name one: `berth ls KIND/NAME` lists its tags")
	}
	if err != nil {
		return nil, s.Err(err)
	}
	list := []Repository{}
	for _, k := range kinds {
		var names []string
		for _, path := range paths {
			if name, ok := strings.CutPrefix(path, k.Namespace+"/"); ok {
				names = append(names, name)
			}
		}
		for _, name := range opts.choose(names) {
			list = append(list, Repository{Kind: k.Name, Name: name, Path: k.Repository(name)})
		}
	}
	if opts.Limit > 0 {
		list = list[:min(opts.Limit, len(list))]
	}
	return list, nil
}

// Tags lists the tags of one repository, sorted by name. A tag that goes away
// meanwhile is left out. No such repository is diag.NotFound.
func Tags(ctx context.Context, t *resolve.Target, ref artifact.Ref, opts ListOptions) ([]Tag, error) {
	s, err := connect(ref.Registry(t), ref.Repository())
	if err != nil {
		return nil, err
	}
	names, err := s.tags(ctx)
	if remote.Missing(err) {
		return nil, s.notFound(ctx, ref)
	}
	if err != nil {
		return nil, s.Err(err)
	}
	if !opts.All {
		names = slices.DeleteFunc(names, isReferrersTag)
	}
	names = opts.choose(names)
	found := make([]*Tag, len(names))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(2 * parallel)
	for i, name := range names {
		group.Go(func() (err error) {
			found[i], err = s.describe(inner, name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, s.Err(err)
	}
	list := []Tag{}
	for _, tag := range found {
		if tag != nil {
			list = append(list, *tag)
		}
	}
	return list, nil
}

func isReferrersTag(tag string) bool {
	_, _, ok := oci.SplitReferrersTag(tag)
	return ok
}

// describe returns nil for a tag that is gone.
func (s *session) describe(ctx context.Context, name string) (*Tag, error) {
	desc, data, err := s.Get(ctx, name)
	if remote.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tag := &Tag{Tag: name, Digest: desc.Digest, Size: desc.Size, Type: desc.MediaType}
	m, err := parseManifest(desc, data)
	if err != nil {
		return tag, nil // of a type that berth does not know
	}
	tag.Type, tag.Version = m.kind(), m.Annotations[ocispec.AnnotationVersion]
	for _, d := range m.Below() {
		tag.Size += d.Size
	}
	return tag, nil
}

package transfer

import (
	"context"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/resolve"
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
	Size    int64         `json:"size"` // bytes of manifest, config and layers
	Type    string        `json:"artifact_type"`
	Version string        `json:"version,omitempty"`
}

// Repositories lists the repositories of the given kinds, sorted by kind, in the
// order given, and name. A registry that does not list its repositories fails
// with diag.RegistryRefused.
func Repositories(ctx context.Context, t *resolve.Target, kinds []artifact.Kind) ([]Repository, error) {
	s, err := connect(t, "")
	if err != nil {
		return nil, err
	}
	paths, err := s.repositories(ctx)
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok && (answer.StatusCode == 404 || answer.StatusCode == 405 || answer.StatusCode == 501) {
		return nil, diag.Errorf(diag.RegistryRefused, "%s does not list its repositories", t.Endpoint.HostPort()).
			WithHint("name one: `berth ls KIND/NAME` lists its tags")
	}
	if err != nil {
		return nil, s.client.Err(err)
	}
	list := []Repository{}
	for _, k := range kinds {
		for _, path := range paths {
			if name, ok := strings.CutPrefix(path, k.Namespace+"/"); ok {
				list = append(list, Repository{Kind: k.Name, Name: name, Path: path})
			}
		}
	}
	return list, nil
}

// Tags lists the tags of one repository, sorted by name. A tag that goes away
// meanwhile is left out. No such repository is diag.NotFound.
func Tags(ctx context.Context, t *resolve.Target, ref artifact.Ref) ([]Tag, error) {
	s, err := connect(ref.Registry(t), ref.Repository())
	if err != nil {
		return nil, err
	}
	names, err := s.tags(ctx)
	if missing(err) {
		return nil, s.notFound(ctx, ref)
	}
	if err != nil {
		return nil, s.client.Err(err)
	}
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
		return nil, s.client.Err(err)
	}
	list := []Tag{}
	for _, tag := range found {
		if tag != nil {
			list = append(list, *tag)
		}
	}
	return list, nil
}

// describe returns nil for a tag that is gone.
func (s *session) describe(ctx context.Context, name string) (*Tag, error) {
	desc, err := s.repo.Resolve(ctx, name)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tag := &Tag{Tag: name, Digest: desc.Digest, Size: desc.Size, Type: desc.MediaType}
	if desc.MediaType != ocispec.MediaTypeImageManifest {
		return tag, nil
	}
	manifest, err := s.manifest(ctx, desc)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	tag.Type, tag.Version = manifest.ArtifactType, manifest.Annotations[ocispec.AnnotationVersion]
	if tag.Type == "" {
		tag.Type = manifest.Config.MediaType
	}
	tag.Size += manifest.Config.Size
	for _, layer := range manifest.Layers {
		tag.Size += layer.Size
	}
	return tag, nil
}

package remote

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// What the list of one subject's referrers may have in all.
const (
	maxReferrers     = 10_000
	maxReferrersSize = 16 << 20 // bytes
)

// Referrers lists what the registry says has d as its subject: by the API, else by
// the tag that clients keep for registries without it (distribution-spec, "Listing
// Referrers"). A list that does not end fails as one of tags does.
func (r *Repository) Referrers(ctx context.Context, d ocispec.Descriptor) (list []ocispec.Descriptor, err error) {
	all := &pages{at: r.url("referrers", d.Digest.String())}
	for left := maxReferrersSize; ; {
		at := all.at
		data, header, err := r.read(ctx, at, ocispec.MediaTypeImageIndex, left)
		if noReferrersAPI(header, err) {
			index, err := r.referrersTag(ctx, d.Digest)
			if err != nil {
				return nil, err
			}
			return index.Manifests, nil
		}
		if err != nil {
			return nil, err
		}
		page, err := oci.ParseReferrers(data)
		if err != nil {
			return nil, badReferrers(d.Digest, err)
		}
		if list = append(list, page...); len(list) > maxReferrers {
			return nil, tooMany(at)
		}
		if err := all.turn(header, len(page)); err != nil {
			return nil, err
		}
		if left -= len(data); all.at == nil {
			return list, nil
		}
	}
}

// noReferrersAPI reports whether a registry answers a question for referrers as
// one that does not know it: with a refusal, or with a page for people.
func noReferrersAPI(header http.Header, err error) bool {
	switch status(err) {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return err == nil && !strings.HasPrefix(header.Get("Content-Type"), ocispec.MediaTypeImageIndex)
}

// badReferrers says that a list of referrers is one that others may read
// otherwise.
func badReferrers(subject digest.Digest, err error) error {
	return diag.Errorf(diag.BadArtifact, "the registry's list of what refers to %s: %w", subject, err).
		WithHint("delete the tag %s, if there is one, and attach again what refers to it", oci.ReferrersTag(subject))
}

// referrersTag returns the list that a tag leads to: an empty one where there is
// no such tag, or it is that of something else.
func (r *Repository) referrersTag(ctx context.Context, d digest.Digest) (*ocispec.Index, error) {
	desc, data, err := r.Get(ctx, oci.ReferrersTag(d))
	switch {
	case Missing(err):
		return &ocispec.Index{}, nil
	case err != nil:
		return nil, err
	case !oci.IsIndex(desc.MediaType) || oci.Names(d, data): // some tag the subject itself so
		return &ocispec.Index{}, nil
	}
	m, err := oci.ParseManifest(data, desc.MediaType)
	switch {
	case err != nil:
		return nil, badReferrers(d, err)
	case len(m.Manifests) > maxReferrers:
		return nil, tooMany(r.url("manifests", oci.ReferrersTag(d)))
	}
	return m.Index(), nil
}

// referring keeps the goroutines of a process from changing one list at once.
type referring struct {
	mu    sync.Mutex
	lists map[string]*sync.Mutex
}

func (r *referring) lock(tag string) (unlock func()) {
	r.mu.Lock()
	if r.lists == nil {
		r.lists = map[string]*sync.Mutex{}
	}
	list := r.lists[tag]
	if list == nil {
		list = &sync.Mutex{}
		r.lists[tag] = list
	}
	r.mu.Unlock()
	list.Lock()
	return list.Unlock
}

// maxRaces bounds how often a list is written anew because another client took
// this one's entry out again.
const maxRaces = 5

// referTo does what the specification asks of a client that pushes a manifest
// with a subject to a registry that did not take notice of it: it adds the
// manifest to the subject's list.
func (r *Repository) referTo(ctx context.Context, d ocispec.Descriptor, data []byte, noticed bool) error {
	if noticed {
		return nil
	}
	manifest, err := oci.ParseManifest(data, d.MediaType)
	if err != nil {
		return diag.Errorf(diag.BadArtifact, "manifest %s: %w", d.Digest, err).WithHint("the artifact has to be made again")
	}
	if manifest.Subject == nil {
		return nil
	}
	entry := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: int64(len(data)), ArtifactType: manifest.Kind(), Annotations: manifest.Annotations}
	tag := oci.ReferrersTag(manifest.Subject.Digest)
	defer r.referring.lock(r.name + ":" + tag)()
	for range maxRaces {
		index, err := r.referrersTag(ctx, manifest.Subject.Digest)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(index.Manifests, func(e ocispec.Descriptor) bool { return e.Digest == d.Digest }) {
			return nil
		}
		index.Versioned, index.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageIndex
		index.Manifests = append(index.Manifests, entry)
		list, err := json.Marshal(index)
		if err != nil {
			return err
		}
		if err := r.Tag(ctx, ocispec.Descriptor{MediaType: index.MediaType, Digest: digest.FromBytes(list)}, list, tag); err != nil {
			return err
		}
	}
	return nil // another client keeps taking it out: it has the last word
}

package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/oci"
	"github.com/berth-oci/berth/internal/referrers"
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
		var page struct {
			Manifests atMost[ocispec.Descriptor] `json:"manifests"`
		}
		page.Manifests.most = maxReferrers - len(list)
		header, size, err := r.getPage(ctx, all, ocispec.MediaTypeImageIndex, left, &page)
		if noReferrersAPI(header, err) {
			_, index, err := r.referrersTag(ctx, d.Digest)
			return index.Manifests, err
		}
		if err != nil {
			return nil, err
		}
		list = append(list, page.Manifests.list...)
		if left -= size; all.at == nil {
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
	return errors.As(err, new(*json.SyntaxError)) || err == nil && !strings.HasPrefix(header.Get("Content-Type"), ocispec.MediaTypeImageIndex)
}

func (r *Repository) referrersTag(ctx context.Context, d digest.Digest) (ocispec.Descriptor, ocispec.Index, error) {
	desc, data, err := r.Get(ctx, referrers.Tag(d))
	if Missing(err) {
		return ocispec.Descriptor{}, ocispec.Index{}, nil
	}
	var index ocispec.Index
	if err != nil || !IsIndex(desc.MediaType) || oci.Names(d, data) { // some tag the subject itself so
		return desc, index, err
	}
	var entries struct {
		Manifests atMost[json.RawMessage] `json:"manifests"`
	}
	entries.Manifests.most = maxReferrers
	if err = json.Unmarshal(data, &entries); errors.Is(err, errTooMany) {
		return desc, index, unlisted(r.url("manifests", referrers.Tag(d)), "it has more than %d entries", maxReferrers)
	}
	return desc, index, json.Unmarshal(data, &index)
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
	var manifest struct {
		Subject      *ocispec.Descriptor `json:"subject"`
		ArtifactType string              `json:"artifactType"`
		Config       struct {
			MediaType string `json:"mediaType"`
		} `json:"config"`
		Annotations map[string]string `json:"annotations"`
	}
	if noticed || json.Unmarshal(data, &manifest) != nil || manifest.Subject == nil || manifest.Subject.Digest.Validate() != nil {
		return nil
	}
	entry := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: int64(len(data)), ArtifactType: manifest.ArtifactType, Annotations: manifest.Annotations}
	if entry.ArtifactType == "" {
		entry.ArtifactType = manifest.Config.MediaType
	}
	tag := referrers.Tag(manifest.Subject.Digest)
	defer r.referring.lock(r.name + ":" + tag)()
	for range maxRaces {
		_, index, err := r.referrersTag(ctx, manifest.Subject.Digest)
		if err != nil || slices.ContainsFunc(index.Manifests, func(e ocispec.Descriptor) bool { return e.Digest == d.Digest }) {
			return err
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

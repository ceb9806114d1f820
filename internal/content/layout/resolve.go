package layout

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// Tags returns the tags, sorted; a full name instead where several artifacts
// have the same tag. Tags of the referrers tag schema are not among them.
func (l *Layout) Tags(context.Context) ([]string, error) { return l.entries.known(), nil }

// Roots returns what the layout was made of: each manifest of index.json once,
// but no untagged one that refers to another, and no list of the referrers tag
// schema. They have their annotations, the tag among them.
func (l *Layout) Roots() []ocispec.Descriptor { return slices.Clone(l.entries.roots) }

// Resolve finds a tag, a full name, or the digest of anything in the layout.
// "" is the only root there is.
//
// Errors: diag.NotFound; diag.BadReference when several things could be meant,
// or ref is a broken digest; for digests also those of Manifest.
func (l *Layout) Resolve(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	if oci.IsDigest(ref) {
		return l.resolveDigest(ctx, digest.Digest(ref))
	}
	if strings.HasPrefix(ref, "sha256:") || strings.HasPrefix(ref, "sha512:") {
		return ocispec.Descriptor{}, diag.Errorf(diag.BadReference, "%.200q is not a digest", ref).WithHint("write all of it, or a tag")
	}
	found := l.entries.lookup(ref)
	if ref == "" {
		found = l.entries.roots
	}
	if len(found) == 1 {
		return bare(found[0]), nil
	}
	return ocispec.Descriptor{}, l.unclear(ref, found)
}

// unclear explains why a tag, or "", is not the name of one thing.
func (l *Layout) unclear(ref string, found []ocispec.Descriptor) error {
	known := l.entries.known()
	switch {
	case len(found) == 0 && ref == "":
		return diag.Errorf(diag.NotFound, "%s holds no artifacts", l.path)
	case len(found) == 0 && len(known) == 0:
		return diag.Errorf(diag.NotFound, "%s has no tag %.200q, and no other", l.path, ref).WithHint("name a digest: %s", digests(l.entries.roots))
	case len(found) == 0:
		return diag.Errorf(diag.NotFound, "%s has no tag %.200q", l.path, ref).WithHint("its tags: %s", some(known))
	case ref == "" && len(known) > 0:
		return diag.Errorf(diag.BadReference, "%s holds %d artifacts", l.path, len(found)).WithHint("choose a tag: %s", some(known))
	}
	return diag.Errorf(diag.BadReference, "%s holds %d artifacts that %q may mean", l.path, len(found), ref).
		WithHint("choose a full name or digest: %s", some(fullNames(found)))
}

func digests(list []ocispec.Descriptor) string {
	var all []string
	for _, d := range list {
		all = append(all, d.Digest.String())
	}
	return some(all)
}

// fullNames returns what tells the entries apart.
func fullNames(list []ocispec.Descriptor) (all []string) {
	for _, d := range list {
		name := d.Digest.String()
		if d.Platform != nil {
			name += " (" + d.Platform.OS + "/" + d.Platform.Architecture + ")"
		}
		all = append(all, cmp.Or(d.Annotations[annotationName], name))
	}
	return all
}

// resolveDigest describes a digest. No index is searched for it, so that none
// can be a maze: what the content is, the content says.
func (l *Layout) resolveDigest(ctx context.Context, d digest.Digest) (ocispec.Descriptor, error) {
	for _, entry := range l.entries.list {
		if entry.Digest == d {
			return bare(entry), nil
		}
	}
	file, err := l.content.open(d)
	if errors.Is(err, fs.ErrNotExist) {
		return ocispec.Descriptor{}, diag.Errorf(diag.NotFound, "%s does not have %s", l.path, d)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	first := make([]byte, 1)
	_, err = file.ReadAt(first, 0)
	file.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		return ocispec.Descriptor{}, unreadable(l.path, err)
	}
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: file.size}
	if file.size > oci.MaxManifest || first[0] != '{' {
		return desc, nil
	}
	data, err := l.Manifest(ctx, desc)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if m, err := parse(d, data); err == nil {
		desc.MediaType = m.MediaType
	}
	return desc, nil
}

// relate reads every manifest that index.json lists, to know which are roots.
// Those that are not there, or damaged, are: reading them will say what is
// wrong.
func (l *Layout) relate(ctx context.Context) error {
	l.referrers = map[digest.Digest][]ocispec.Descriptor{}
	inner := map[digest.Digest]bool{} // untagged, these are no roots: some tools list all manifests
	listed := map[digest.Digest]bool{}
	for _, d := range l.entries.list {
		listed[d.Digest] = false
	}
	for _, d := range l.entries.list {
		if listed[d.Digest] {
			continue
		}
		listed[d.Digest] = true
		m := l.look(ctx, d)
		if m.Subject != nil {
			inner[d.Digest] = true
			l.referrers[m.Subject.Digest] = append(l.referrers[m.Subject.Digest], bare(d))
		}
		for _, child := range m.Manifests {
			if _, ok := listed[child.Digest]; ok {
				inner[child.Digest] = true
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	l.entries.root(inner)
	if len(l.entries.roots) == 0 { // a layout of nothing but what refers to others
		l.entries.root(nil)
	}
	return nil
}

// look returns what a manifest says; nothing for one that cannot be read.
func (l *Layout) look(ctx context.Context, d ocispec.Descriptor) *oci.Manifest {
	if !oci.IsManifest(d.MediaType) {
		return &oci.Manifest{}
	}
	data, err := l.Manifest(ctx, d)
	if err != nil {
		return &oci.Manifest{}
	}
	m, err := parse(d.Digest, data)
	if err != nil {
		return &oci.Manifest{}
	}
	return m
}

// Referrers returns what has d as its subject, by whichever of its digests: the
// manifests of index.json that say so, and those that the referrers tag schema lists
// (distribution-spec 1.1, "Referrers Tag Schema"). Each once; none is no error.
//
// Errors: as of Manifest; diag.BadArtifact for more than 4 MiB of them.
func (l *Layout) Referrers(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	if err := checkDescriptor(d); err != nil {
		return nil, err
	}
	subjects := []digest.Digest{d.Digest}
	if data, err := l.Manifest(ctx, d); err == nil { // else who wants it is told
		subjects = oci.Digests(data)
	}
	list := referrersList{seen: map[digest.Digest]bool{}}
	for _, subject := range subjects {
		if err := l.addReferrers(ctx, subject, &list); err != nil {
			return nil, err
		}
	}
	return list.all, nil
}

// referrersList is what refers to a subject, each once.
type referrersList struct {
	all  []ocispec.Descriptor
	seen map[digest.Digest]bool
	size int // of their annotations, in bytes
}

func (list *referrersList) add(d ocispec.Descriptor) {
	if !list.seen[d.Digest] {
		list.seen[d.Digest] = true
		list.all = append(list.all, d)
	}
}

// addReferrers adds what names a subject so.
func (l *Layout) addReferrers(ctx context.Context, subject digest.Digest, list *referrersList) error {
	for _, r := range l.referrers[subject] {
		data, err := l.Manifest(ctx, r)
		if err != nil {
			return err
		}
		m, err := parse(r.Digest, data)
		if err != nil {
			return err
		}
		for key, value := range m.Annotations {
			list.size += len(key) + len(value)
		}
		if list.size > oci.MaxManifest {
			return diag.Errorf(diag.BadArtifact, "the annotations of what refers to %s have more than 4 MiB", subject).
				WithHint("do not trust where the artifact came from")
		}
		list.add(ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size, ArtifactType: m.Kind(), Annotations: m.Annotations})
	}
	for _, index := range l.entries.lookup(oci.ReferrersTag(subject)) {
		data, err := l.Manifest(ctx, index)
		if err != nil {
			return err
		}
		m, err := parse(index.Digest, data)
		if err != nil {
			return err
		}
		for _, r := range m.Manifests {
			list.add(r)
		}
	}
	return nil
}

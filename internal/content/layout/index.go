package layout

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/base/strictjson"
)

// annotationName is where containerd and docker save write an image's full
// name; org.opencontainers.image.ref.name is its tag alone then.
const annotationName = "io.containerd.image.name"

// readIndex reads oci-layout and index.json, and checks every descriptor.
func readIndex(path string, files tree) (*ocispec.Index, error) {
	data, err := readSmall(path, files, ocispec.ImageLayoutFile)
	if err != nil {
		return nil, err
	}
	version := ""
	err = strictjson.Read(data, func(r *strictjson.Reader) {
		r.Object([]string{"imageLayoutVersion"}, func(name string) {
			if name == "imageLayoutVersion" {
				version = r.String()
			} else {
				r.Skip()
			}
		})
	})
	if err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "%s: %s: %w", path, ocispec.ImageLayoutFile, err).WithHint("the layout has to be written again")
	}
	if version != ocispec.ImageLayoutVersion {
		return nil, diag.Errorf(diag.BadArtifact, "%s is an OCI layout of version %.200q", path, version).WithHint("berth reads version %s", ocispec.ImageLayoutVersion)
	}
	data, err = readSmall(path, files, ocispec.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	return parseIndex(path, data)
}

func parseIndex(path string, data []byte) (*ocispec.Index, error) {
	m, err := oci.ParseManifest(data, ocispec.MediaTypeImageIndex)
	if err == nil && m.MediaType != ocispec.MediaTypeImageIndex {
		err = fmt.Errorf("it is a %s", m.MediaType)
	}
	if err != nil {
		return nil, diag.Errorf(diag.BadArtifact, "%s: %s is no image index: %w", path, ocispec.ImageIndexFile, err).WithHint("the layout has to be written again")
	}
	return m.Index(), nil
}

// readSmall reads a file that is held in memory.
func readSmall(path string, files tree, name string) ([]byte, error) {
	file, err := files.file(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diag.Errorf(diag.BadArtifact, "%s has no %s", path, name).
			WithHint("it is no OCI layout or docker-archive, or what wrote it did not end well")
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if file.size > oci.MaxManifest {
		return nil, diag.Errorf(diag.BadArtifact, "%s: %s has %d bytes", path, name, file.size).WithHint("berth reads up to 4 MiB of it")
	}
	data, err := io.ReadAll(file.reader())
	if err != nil {
		return nil, unreadable(path, err)
	}
	return data, nil
}

// entries is what index.json lists, found by the names that it gives.
type entries struct {
	list  []ocispec.Descriptor
	named map[string][]int // by org.opencontainers.image.ref.name and full name
	tags  map[string][]int // by the tags in these
	roots []ocispec.Descriptor
}

func newEntries(list []ocispec.Descriptor) entries {
	e := entries{list: list, named: map[string][]int{}, tags: map[string][]int{}}
	for i, d := range list {
		seen := map[string]bool{"": true}
		for _, name := range names(d) {
			tag := tagOf(name)
			if !seen["="+name] {
				e.named[name] = append(e.named[name], i)
			}
			if !seen[tag] {
				e.tags[tag] = append(e.tags[tag], i)
			}
			seen["="+name], seen[tag] = true, true
		}
	}
	return e
}

// root finds the roots: each digest once, but nothing that is inner and has no
// tag.
func (e *entries) root(inner map[digest.Digest]bool) {
	seen := map[digest.Digest]bool{}
	for _, d := range e.list {
		all := names(d)
		if seen[d.Digest] || len(all) == 0 && inner[d.Digest] || len(all) > 0 && isList(all[0]) {
			continue
		}
		seen[d.Digest] = true
		e.roots = append(e.roots, d)
	}
}

// names returns what an entry is called.
func names(d ocispec.Descriptor) []string {
	both := []string{d.Annotations[ocispec.AnnotationRefName], d.Annotations[annotationName]}
	return slices.DeleteFunc(both, func(name string) bool { return name == "" })
}

// tagOf returns the tag of a full name such as registry.example/ns/app:1.0, or
// a name that is none as it is; "" for one with a digest only.
func tagOf(name string) string {
	name, _, pinned := strings.Cut(name, "@")
	last := name[strings.LastIndex(name, "/")+1:]
	if _, tag, ok := strings.Cut(last, ":"); ok {
		return tag
	}
	if pinned {
		return ""
	}
	return name
}

// lookup returns the entries with a name, or else with a tag; of those with the
// same digest only the first.
func (e *entries) lookup(ref string) []ocispec.Descriptor {
	found := e.named[ref]
	if len(found) == 0 {
		found = e.tags[ref]
	}
	var list []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, i := range found {
		if d := e.list[i]; !seen[d.Digest] {
			seen[d.Digest] = true
			list = append(list, d)
		}
	}
	return list
}

// known returns the tags by which lookup finds one entry each, and full names
// where the tag is that of several. Sorted.
func (e *entries) known() []string {
	var list []string
	for _, d := range e.list {
		all := names(d)
		if len(all) == 0 || isList(all[0]) {
			continue
		}
		name := all[len(all)-1]
		tag := cmp.Or(tagOf(all[0]), tagOf(name), name)
		if found := e.lookup(tag); len(found) == 1 && found[0].Digest == d.Digest {
			name = tag
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// bare returns a descriptor without the names that a layout gives it.
func bare(d ocispec.Descriptor) ocispec.Descriptor {
	var rest map[string]string
	for key, value := range d.Annotations {
		if key == ocispec.AnnotationRefName || key == annotationName {
			continue
		}
		if rest == nil {
			rest = map[string]string{}
		}
		rest[key] = value
	}
	d.Annotations = rest
	return d
}

// some lists names for a message, and not more than fit in one.
func some(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", and more"
	}
	return strings.Join(names, ", ")
}

// merge adds to an index: tags, which move from where they were, and manifests
// without a tag, unless they are listed. The rest stays as it is.
func merge(index *ocispec.Index, tags map[string]ocispec.Descriptor, untagged []ocispec.Descriptor) {
	tagged := map[digest.Digest]bool{}
	for _, d := range tags {
		tagged[d.Digest] = true
	}
	list := slices.DeleteFunc(index.Manifests, func(d ocispec.Descriptor) bool {
		_, moved := tags[d.Annotations[ocispec.AnnotationRefName]]
		return moved || tagged[d.Digest] && len(names(d)) == 0
	})
	listed := map[digest.Digest]bool{}
	for _, d := range list {
		listed[d.Digest] = true
	}
	var added []ocispec.Descriptor
	for tag, d := range tags {
		d.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
		if strings.ContainsAny(tag, "/:") {
			d.Annotations[annotationName] = tag // by which docker and containerd name what they load
		}
		added = append(added, d)
	}
	for _, d := range untagged {
		if !listed[d.Digest] && !tagged[d.Digest] {
			added = append(added, d)
		}
	}
	slices.SortFunc(added, func(a, b ocispec.Descriptor) int {
		return cmp.Or(cmp.Compare(a.Annotations[ocispec.AnnotationRefName], b.Annotations[ocispec.AnnotationRefName]), cmp.Compare(a.Digest, b.Digest))
	})
	index.Versioned = specs.Versioned{SchemaVersion: 2}
	index.MediaType = ocispec.MediaTypeImageIndex
	index.Manifests = append(list, added...)
	if index.Manifests == nil {
		index.Manifests = []ocispec.Descriptor{} // the schema wants a list
	}
}

// encodeIndex fails with diag.BadArtifact for an index that nobody could read.
func encodeIndex(path string, index *ocispec.Index) ([]byte, error) {
	data, err := json.Marshal(index)
	if err != nil {
		return nil, diag.Errorf(diag.Failed, "cannot encode %s: %w", ocispec.ImageIndexFile, err)
	}
	if len(data) > oci.MaxManifest {
		return nil, diag.Errorf(diag.BadArtifact, "%s would need an %s of %d bytes, and 4 MiB are the most", path, ocispec.ImageIndexFile, len(data)).
			WithHint("spread the artifacts over several layouts")
	}
	return data, nil
}

// isList reports whether a tag is that of a list of referrers.
func isList(tag string) bool {
	_, ending, ok := oci.SplitReferrersTag(tag)
	return ok && ending == ""
}

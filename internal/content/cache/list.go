package cache

import (
	"cmp"
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/base/regular"
)

// maxDepth bounds how many indexes in indexes are read to see where a tag leads.
const maxDepth = 8

// Entry is a blob or manifest in the cache, or what has arrived of one.
type Entry struct {
	Digest       digest.Digest `json:"digest"`
	Size         int64         `json:"size"`                   // bytes that it takes
	Used         time.Time     `json:"used"`                   // last, within an hour or so
	Partial      bool          `json:"partial,omitempty"`      // not all of it is there
	Tags         []string      `json:"tags,omitempty"`         // references whose manifest it is
	Repositories []string      `json:"repositories,omitempty"` // that led to it, by their tags
	From         []Sighting    `json:"from,omitempty"`         // how sure it is who said so of its tags
}

// Sighting is a tag as one origin gave it.
type Sighting struct {
	Reference string    `json:"reference"`
	Origin    Origin    `json:"origin,omitzero"`
	Checked   time.Time `json:"checked"`
}

// List returns what is in the cache, what was used last first.
func (c *Cache) List(ctx context.Context) ([]Entry, error) {
	entries, err := c.entries(ctx)
	if err != nil {
		return nil, err
	}
	tags, repositories, from := map[digest.Digest][]string{}, map[digest.Digest][]string{}, map[digest.Digest][]Sighting{}
	err = c.eachTag(func(_ string, t tagFile, ok bool) error {
		if !ok {
			return ctx.Err()
		}
		d := t.Descriptor.Digest
		if name := t.Reference.String(); !slices.Contains(tags[d], name) {
			tags[d] = append(tags[d], name)
		}
		from[d] = append(from[d], Sighting{t.Reference.String(), t.Origin, t.Checked})
		c.trace(t.Descriptor.Digest, t.Host+"/"+t.Repository, maxDepth, repositories)
		return ctx.Err()
	})
	for i, e := range entries {
		entries[i].Tags = slices.Sorted(slices.Values(tags[e.Digest]))
		slices.SortFunc(from[e.Digest], func(a, b Sighting) int {
			return cmp.Or(cmp.Compare(a.Reference, b.Reference), cmp.Compare(a.Origin.String(), b.Origin.String()))
		})
		entries[i].From = from[e.Digest]
		entries[i].Repositories = slices.Sorted(slices.Values(repositories[e.Digest]))
	}
	slices.Reverse(entries)
	return entries, err
}

// trace notes that a repository led to a manifest and to what that names, as far
// as it is in the cache.
func (c *Cache) trace(d digest.Digest, repository string, depth int, led map[digest.Digest][]string) {
	if depth == 0 || d.Validate() != nil || slices.Contains(led[d], repository) {
		return
	}
	led[d] = append(led[d], repository)
	data, err := regular.ReadIn(c.root, blobName(d), oci.MaxManifest)
	if err != nil || len(data) == 0 || data[0] != '{' {
		return
	}
	m, err := oci.ParseManifest(data, "")
	if err != nil {
		return
	}
	for _, next := range m.Below() {
		if oci.IsIndex(m.MediaType) {
			c.trace(next.Digest, repository, depth-1, led)
		} else if !slices.Contains(led[next.Digest], repository) {
			led[next.Digest] = append(led[next.Digest], repository)
		}
	}
}

// entries returns what is in the cache, what was not used for longest first.
func (c *Cache) entries(ctx context.Context) ([]Entry, error) {
	all, err := c.partials()
	if err != nil {
		return nil, err
	}
	algorithms, err := c.readDir(blobsDir)
	if err != nil {
		return nil, err
	}
	for _, algorithm := range algorithms {
		dirs, err := c.readDir(path.Join(blobsDir, algorithm.Name()))
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if !dir.IsDir() { // a blob of a layout in the same directory
				continue
			}
			files, err := c.readDir(path.Join(blobsDir, algorithm.Name(), dir.Name()))
			if err != nil {
				return nil, err
			}
			for _, file := range files {
				d := digest.Digest(algorithm.Name() + ":" + file.Name())
				info, err := file.Info()
				if err == nil && d.Validate() == nil && dir.Name() == d.Encoded()[:2] {
					all = append(all, Entry{Digest: d, Size: info.Size(), Used: info.ModTime()})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(a.Digest, b.Digest)) })
	return all, nil
}

// partials returns an entry for each partial, also for what is left of one.
func (c *Cache) partials() ([]Entry, error) {
	files, err := c.readDir(partialDir)
	if err != nil {
		return nil, err
	}
	byDigest := map[digest.Digest]Entry{}
	for _, file := range files {
		name, _, _ := strings.Cut(file.Name(), ".")
		algorithm, hex, _ := strings.Cut(name, "-")
		d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex)
		info, err := file.Info()
		if err != nil || d.Validate() != nil {
			continue
		}
		e, ok := byDigest[d]
		if !ok {
			r, _ := c.readRecord(d)
			e = Entry{Digest: d, Partial: true, Size: r.Written.size()}
		}
		if info.ModTime().After(e.Used) {
			e.Used = info.ModTime()
		}
		byDigest[d] = e
	}
	return slices.AppendSeq([]Entry{}, maps.Values(byDigest)), nil
}

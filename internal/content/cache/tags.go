package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/regular"
)

// Origin is how sure it is who said where a tag leads. A tag from one origin is
// another tag than that from any other: what came over plain HTTP, or from another
// registry that once had the port, serves nobody who asks for more.
type Origin struct {
	Scheme string `json:"scheme"` // http or https
	// Verified is how the certificate was: by the system's authorities, as Verified
	// says, or by others too, which the digest of their certificates names; "" for
	// not at all.
	Verified string `json:"verified,omitempty"`
	// Registry is the identity of a registry that runs on this machine; "" for one
	// that is known by its address alone.
	Registry string `json:"registry,omitempty"`
}

// BySystem is the Verified of a certificate that the system's authorities signed.
const BySystem = "system"

// String describes the origin for people, and no two alike.
func (o Origin) String() string {
	text := o.Scheme
	switch {
	case o.Scheme == "https" && o.Verified == "":
		text += " without verification"
	case o.Verified != "" && o.Verified != BySystem:
		text += " verified by " + o.Verified
	}
	if o.Registry != "" {
		text += " of the registry " + o.Registry
	}
	return text
}

// Reference names a tag of a repository, or with a digest in its place a manifest,
// whose Origin is the zero one: content is what its digest says, whoever sent it. A
// host is as in references of users, with its port.
type Reference struct {
	Origin     Origin `json:"origin,omitzero"`
	Host       string `json:"host"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
}

// TagEntry is what a tag led to.
type TagEntry struct {
	Descriptor ocispec.Descriptor `json:"descriptor"`
	Checked    time.Time          `json:"checked"` // when the registry said so
}

// tagFile is the content of a tag's file. The name of the file tells nothing.
type tagFile struct {
	Reference
	TagEntry
}

// String is how a user writes it, without the origin. What was pulled by digest has
// that in place of a tag, which can hold no colon.
func (r Reference) String() string {
	separator := ":"
	if r.isDigest() {
		separator = "@"
	}
	return r.Host + "/" + r.Repository + separator + r.Tag
}

func (r Reference) isDigest() bool { return strings.Contains(r.Tag, ":") }

// Tag returns what a tag led to when somebody last asked the registry.
func (c *Cache) Tag(ref Reference) (TagEntry, bool) {
	for _, name := range tagNames(ref) {
		if t, ok := c.readTag(name); ok && t.Reference == ref {
			return t.TagEntry, true
		}
	}
	return TagEntry{}, false
}

// Origins returns where else a tag is known from, sorted. That of an entry which an
// older berth made is not known: it is the zero Origin.
func (c *Cache) Origins(ref Reference) ([]Origin, error) {
	var found []Origin
	err := c.eachTag(func(_ string, t tagFile, ok bool) error {
		if other := t.Reference; ok && other.Origin != ref.Origin {
			if other.Origin = ref.Origin; other == ref {
				found = append(found, t.Origin)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b Origin) int { return strings.Compare(a.String(), b.String()) })
	return found, err
}

// SetTag keeps what a tag leads to, whose manifest has been Put before: Prune
// removes tags without one.
func (c *Cache) SetTag(ref Reference, e TagEntry) error {
	if err := check(e.Descriptor); err != nil {
		return err
	}
	data, err := json.Marshal(tagFile{ref, e})
	if err != nil {
		return err
	}
	if err := c.replace(tagName(ref), data); err != nil {
		return c.fault(err)
	}
	return nil
}

// Forget removes a tag, and not what it led to.
func (c *Cache) Forget(ref Reference) error {
	for _, name := range tagNames(ref) {
		if err := c.remove(name); err != nil {
			return c.fault(err)
		}
	}
	return nil
}

// readTag returns what is in a tag's file if that makes sense.
func (c *Cache) readTag(name string) (tagFile, bool) {
	var t tagFile
	data, err := regular.ReadIn(c.root, name, maxRecord)
	if err != nil || json.Unmarshal(data, &t) != nil || check(t.Descriptor) != nil {
		return tagFile{}, false
	}
	return t, true
}

// eachTag calls do with the file of every tag; ok is false for a damaged one.
func (c *Cache) eachTag(do func(name string, t tagFile, ok bool) error) error {
	files, err := c.readDir(tagsDir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if sum, ok := strings.CutSuffix(f.Name(), ".json"); !ok || !isSum(sum) {
			continue
		}
		name := path.Join(tagsDir, f.Name())
		t, ok := c.readTag(name)
		if err := do(name, t, ok); err != nil {
			return err
		}
	}
	return nil
}

// isSum reports whether a name is of tagName's making, and not somebody else's in a
// directory that the cache shares.
func isSum(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size
}

// readDir returns what is in a directory, sorted; in one that is not there is
// nothing.
func (c *Cache) readDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(c.root.FS(), name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, c.fault(err)
	}
	return entries, nil
}

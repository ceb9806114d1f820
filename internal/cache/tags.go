package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TagEntry is what a tag led to.
type TagEntry struct {
	Descriptor ocispec.Descriptor `json:"descriptor"`
	Checked    time.Time          `json:"checked"` // when the registry said so
}

// tagFile is the content of a tag's file. The name of the file tells nothing.
type tagFile struct {
	Host       string `json:"host"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	TagEntry
}

// reference is how a user writes it. What was pulled by digest has that in place
// of a tag, which can hold no colon.
func (t tagFile) reference() string {
	separator := ":"
	if strings.Contains(t.Tag, ":") {
		separator = "@"
	}
	return t.Host + "/" + t.Repository + separator + t.Tag
}

// Tag returns what a tag led to when somebody last asked the registry. A host is
// as in a reference, with its port.
func (c *Cache) Tag(host, repository, tag string) (TagEntry, bool) {
	t, ok := c.readTag(tagName(host, repository, tag))
	if !ok || t.Host != host || t.Repository != repository || t.Tag != tag {
		return TagEntry{}, false
	}
	return t.TagEntry, true
}

// SetTag keeps what a tag leads to, whose manifest has been Put before: Prune
// removes tags without one.
func (c *Cache) SetTag(host, repository, tag string, e TagEntry) error {
	if err := check(e.Descriptor); err != nil {
		return err
	}
	data, err := json.Marshal(tagFile{Host: host, Repository: repository, Tag: tag, TagEntry: e})
	if err != nil {
		return err
	}
	if err := c.replace(tagName(host, repository, tag), data); err != nil {
		return c.fault(err)
	}
	return nil
}

// Forget removes a tag, and not what it led to.
func (c *Cache) Forget(host, repository, tag string) error {
	if err := c.remove(tagName(host, repository, tag)); err != nil {
		return c.fault(err)
	}
	return nil
}

// readTag returns what is in a tag's file if that makes sense.
func (c *Cache) readTag(name string) (tagFile, bool) {
	var t tagFile
	data, err := c.root.ReadFile(name)
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

package cache

import (
	"context"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// What processes that were killed leave behind is told from what others are at by
// its age: partials have locks beside, and are kept a while to be resumed.
const (
	staleTemp    = time.Hour
	stalePartial = 24 * time.Hour
)

// PruneOptions say what Prune removes beside what is stale. Bounds that are 0 are
// none.
type PruneOptions struct {
	OlderThan time.Duration // what was not used for so long
	MaxBytes  int64         // what was not used for longest, until no more than that is left
	All       bool
	DryRun    bool // remove nothing, and say what would be
}

// Pruned is the result of Prune.
type Pruned struct {
	Blobs    int   `json:"blobs"`
	Partials int   `json:"partials"` // what was left of interrupted downloads
	Tags     int   `json:"tags"`     // whose manifests are not there
	Bytes    int64 `json:"bytes"`    // that were in them
	Kept     struct {
		Blobs int   `json:"blobs"`
		Bytes int64 `json:"bytes"` // with those of partials
	} `json:"kept"`
}

// Prune removes blobs, what was not used for longest first; partials that nobody
// writes and that are a day old, or that the options mean as well; tags whose
// manifests are not there; and what killed processes have left. Other processes
// may use the cache meanwhile, and keep what they have open.
func (c *Cache) Prune(ctx context.Context, o PruneOptions) (Pruned, error) {
	var p Pruned
	entries, err := c.entries(ctx)
	if err != nil {
		return p, err
	}
	var left int64
	for _, e := range entries {
		left += e.Size
	}
	gone, now := map[digest.Digest]bool{}, time.Now()
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		age := now.Sub(e.Used)
		doomed := o.All || o.OlderThan > 0 && age > o.OlderThan || o.MaxBytes > 0 && left > o.MaxBytes || e.Partial && age > stalePartial
		if doomed {
			if doomed, err = c.prune(e, o.DryRun); err != nil {
				return p, c.fault(err)
			}
		}
		p.count(e, doomed)
		if doomed {
			left -= e.Size
			gone[e.Digest] = !e.Partial
		}
	}
	if err := c.pruneTags(&p, gone, o.DryRun); err != nil || o.DryRun {
		return p, err
	}
	return p, c.pruneTemp(now)
}

func (p *Pruned) count(e Entry, gone bool) {
	switch {
	case gone && e.Partial:
		p.Partials++
	case gone:
		p.Blobs++
	case !e.Partial:
		p.Kept.Blobs++
	}
	if gone {
		p.Bytes += e.Size
	} else {
		p.Kept.Bytes += e.Size
	}
}

// prune removes an entry unless it was used since it was listed, or is being
// written.
func (c *Cache) prune(e Entry, dryRun bool) (bool, error) {
	if e.Partial {
		return c.prunePartial(e.Digest, dryRun)
	}
	info, err := c.root.Lstat(blobName(e.Digest))
	if err != nil || info.ModTime().After(e.Used) {
		return false, nil
	}
	if dryRun {
		return true, nil
	}
	return true, c.remove(blobName(e.Digest))
}

func (c *Cache) prunePartial(d digest.Digest, dryRun bool) (bool, error) {
	l, err := c.tryLock(d)
	if l == nil || err != nil {
		return false, err
	}
	defer l.release()
	_, noData := c.root.Lstat(partialName(d))
	_, noRecord := c.root.Lstat(recordName(d))
	if noData != nil && noRecord != nil {
		return false, nil // only the lock was left, or it has become a blob
	}
	if dryRun {
		return true, nil
	}
	if err := c.remove(recordName(d)); err != nil {
		return false, err
	}
	return true, c.remove(partialName(d))
}

// pruneTags removes tags that lead to nothing, among them damaged ones. gone is
// what a dry run has not removed.
func (c *Cache) pruneTags(p *Pruned, gone map[digest.Digest]bool, dryRun bool) error {
	return c.eachTag(func(name string, t tagFile, ok bool) error {
		if ok && !gone[t.Descriptor.Digest] {
			// Now, and not in the list: it may have come since.
			if _, err := c.root.Lstat(blobName(t.Descriptor.Digest)); err == nil {
				return nil
			}
		}
		p.Tags++
		if dryRun {
			return nil
		}
		if err := c.remove(name); err != nil {
			return c.fault(err)
		}
		return nil
	})
}

func (c *Cache) pruneTemp(now time.Time) error {
	files, err := c.readDir(tempDir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && isTemp(info) && now.Sub(info.ModTime()) > staleTemp {
			if err := c.remove(path.Join(tempDir, f.Name())); err != nil {
				return c.fault(err)
			}
		}
	}
	return nil
}

// isTemp reports whether a file is of temp's making, and not somebody else's in a
// directory that the cache shares.
func isTemp(info fs.FileInfo) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // of rand.Text
	return info.Mode().IsRegular() && len(info.Name()) >= 26 && strings.Trim(info.Name(), alphabet) == ""
}

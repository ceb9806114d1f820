package cache

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// Verified is the result of Verify.
type Verified struct {
	Blobs   int             `json:"blobs"`   // that were read
	Bytes   int64           `json:"bytes"`   // in them
	Damaged []digest.Digest `json:"damaged"` // and removed
}

// Verify hashes every complete blob and removes those that are damaged. progress
// is told of bytes and may be nil.
func (c *Cache) Verify(ctx context.Context, progress func(done, total int64)) (Verified, error) {
	v := Verified{Damaged: []digest.Digest{}}
	entries, err := c.entries(ctx)
	if err != nil {
		return v, err
	}
	var total int64
	for _, e := range entries {
		if !e.Partial {
			total += e.Size
		}
	}
	for _, e := range entries {
		if e.Partial {
			continue
		}
		found, whole, err := c.verifyBlob(ctx, e.Digest, func(n int) {
			if v.Bytes += int64(n); progress != nil {
				progress(v.Bytes, total)
			}
		})
		if err != nil {
			return v, err
		}
		if found {
			v.Blobs++
		}
		if !whole {
			v.Damaged = append(v.Damaged, e.Digest)
		}
	}
	return v, nil
}

// verifyBlob removes a damaged blob. One that is gone meanwhile is whole.
func (c *Cache) verifyBlob(ctx context.Context, d digest.Digest, hashed func(int)) (found, whole bool, err error) {
	there := c.foreign(blobName(d))
	f, _, err := c.openBlob(d)
	if f == nil || err != nil {
		return there, !there, err
	}
	defer f.Close()
	if whole, err = hashes(ctx, f, d, hashed); err != nil || whole {
		return true, true, err
	}
	if err := c.discard(f, d); err != nil {
		return true, false, c.fault(err)
	}
	return true, false, nil
}

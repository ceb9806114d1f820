package transfer

import (
	"context"
	"fmt"
	"io"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/content/artifact"
)

// same reports whether the output holds what would be unpacked, and writes nothing.
// It goes by the cache alone: what has to be fetched is most likely something else,
// and is unpacked as it arrives. Whatever it fails at, unpacking tells of.
func (c *cached) same(ctx context.Context, m *manifest, opts PullOptions) bool {
	if there, err := os.ReadDir(opts.Path); err != nil || len(there) == 0 || unpackable(m) != nil {
		return false
	}
	u, err := artifact.NewComparer(opts.Path, opts.Limits)
	if err != nil {
		return false
	}
	defer u.Close()
	err = eachLayer(ctx, u, opts.Path, m, func(i int, f form) error { return c.compare(ctx, u, m.Layers[i], f) })
	if err != nil {
		return false
	}
	for _, layer := range m.Layers {
		c.events.send(fromCache(layer))
	}
	return true
}

// compare compares a layer in the cache. It is hashed on the way, as nothing comes
// of it before its end.
func (c *cached) compare(ctx context.Context, u *artifact.Unpacker, layer ocispec.Descriptor, f form) error {
	blob, err := c.cache.Blob(ctx, layer, false)
	if err != nil {
		return err
	}
	if blob == nil {
		return fmt.Errorf("%s is not in the cache", layer.Digest)
	}
	defer blob.Close()
	body := io.Reader(io.NewSectionReader(blob, 0, blob.Size()))
	if !c.pull.Verify {
		return f.put(ctx, u, layer, body)
	}
	verifier := layer.Digest.Verifier()
	if err := f.put(ctx, u, layer, io.TeeReader(body, verifier)); err != nil {
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("%s is damaged in the cache", layer.Digest)
	}
	return nil
}

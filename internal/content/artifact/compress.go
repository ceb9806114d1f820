package artifact

import (
	"io"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Compression says how a layer is compressed.
type Compression struct {
	Enabled bool
	Zstd    bool // instead of gzip
	Level   int  // 0 (stored, or with zstd fastest) to 9 (smallest)
}

// mediaType returns that of a tar which is compressed so.
func (c Compression) mediaType() string {
	switch {
	case !c.Enabled:
		return ocispec.MediaTypeImageLayer
	case c.Zstd:
		return ocispec.MediaTypeImageLayerZstd
	}
	return ocispec.MediaTypeImageLayerGzip
}

// writer compresses to w. What it writes does not depend on the number of cores.
func (c Compression) writer(w io.Writer) (io.WriteCloser, error) {
	switch {
	case !c.Enabled:
		return nopCloser{w}, nil
	case c.Zstd:
		// One encoder whatever the machine: several split their input otherwise.
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(1, c.Level))), zstd.WithEncoderConcurrency(2))
	}
	return newGzipWriter(w, c.Level)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

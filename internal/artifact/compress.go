package artifact

import (
	"bufio"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
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

// maxWindow bounds what a zstd stream makes its reader remember, in bytes.
const maxWindow = 128 << 20

// decompress goes by the content, as media types of foreign layers are
// unreliable. Reading ahead keeps a second core busy.
func decompress(r io.Reader) (io.Reader, func(), error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, _ := buffered.Peek(4)
	switch {
	case len(magic) >= 2 && string(magic[:2]) == "\x1f\x8b":
		gz, err := pgzip.NewReaderN(buffered, 1<<20, 4)
		if err != nil {
			return nil, nil, err
		}
		return gz, func() { _ = gz.Close() }, nil
	case string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return buffered, func() {}, nil
}

// isZstdFormat reports whether err is about the content of a zstd stream.
func isZstdFormat(err error) bool {
	for _, known := range []error{zstd.ErrMagicMismatch, zstd.ErrWindowSizeExceeded, zstd.ErrWindowSizeTooSmall, zstd.ErrDecoderSizeExceeded,
		zstd.ErrUnknownDictionary, zstd.ErrFrameSizeExceeded, zstd.ErrFrameSizeMismatch, zstd.ErrCRCMismatch, zstd.ErrReservedBlockType,
		zstd.ErrCompressedSizeTooBig, zstd.ErrBlockTooSmall, zstd.ErrUnexpectedBlockSize} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// A small archive that unpacks to much more than files do is made to fill disks.
const (
	suspectAbove = 1 << 30 // bytes unpacked
	suspectRatio = 200     // times the bytes packed
)

// tally counts what is read.
type tally struct {
	r io.Reader
	n atomic.Int64 // a decompressor may read ahead
}

func (t *tally) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n.Add(int64(n))
	return n, err
}

// inflated refuses to go on with an archive that unpacks to too many times its
// size.
type inflated struct {
	r      io.Reader
	packed *tally
	n      int64
}

func (i *inflated) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if i.n += int64(n); i.n > suspectAbove && i.n > suspectRatio*i.packed.n.Load() {
		return 0, diag.Errorf(diag.UnsafeArchive, "the archive unpacks to more than %d times its size, and to more than %d bytes", suspectRatio, int64(suspectAbove)).
			WithHint("nothing was unpacked; it is made to fill disks, or holds files of nothing but zeros, which are better made where they are used")
	}
	return n, err
}

package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// Form is what a stream is compressed with.
type Form int

// What archives and layers are stored as.
const (
	Plain Form = iota
	Gzip
	Zstd
)

// FormOf tells it by the first four bytes: media types and file names are unreliable.
func FormOf(head []byte) Form {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return Gzip
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return Zstd
	}
	return Plain
}

// maxWindow bounds what a zstd stream makes its reader remember, in bytes: the
// largest that the zstd program takes unasked.
const maxWindow = 128 << 20

// A small archive that unpacks to much more than files do is made to fill disks.
const (
	suspectAbove = 1 << 30 // bytes unpacked
	suspectRatio = 200     // times the bytes packed
)

// Content is what a stream decompresses to. Reading it fails with a *Fault for too
// many times the size of the stream.
type Content struct {
	Form   Form
	r      io.Reader
	close  func()
	packed *tally
	n      int64
	left   *int64
}

// Decompress reads a stream of any form. It reads ahead, which keeps a second core
// busy; Content must be closed before anything else reads from r. IsFormat tells
// errors of the content.
func Decompress(r io.Reader) (*Content, error) {
	c := &Content{packed: &tally{r: r}, close: func() {}}
	buffered := bufio.NewReaderSize(c.packed, 64<<10)
	head, _ := buffered.Peek(4)
	c.Form = FormOf(head)
	switch c.Form {
	case Gzip:
		gz, err := pgzip.NewReaderN(buffered, 1<<20, 4)
		if err != nil {
			return nil, err
		}
		c.r, c.close = gz, func() { _ = gz.Close() }
	case Zstd:
		z, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, err
		}
		c.r, c.close = z, z.Close
	default:
		c.r = buffered
	}
	return c, nil
}

// Within makes what is read count against the budget, whatever it is: headers and
// what is behind the end of an archive are content too.
func (c *Content) Within(b *Budget) { c.left = &b.read }

// Read implements io.Reader.
func (c *Content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > suspectAbove && c.n > suspectRatio*c.packed.n.Load() {
		return 0, &Fault{"", fmt.Sprintf("unpacks to more than %d times its size, and to more than %d bytes", suspectRatio, int64(suspectAbove))}
	}
	if c.left != nil {
		if *c.left -= int64(n); *c.left < 0 {
			return 0, &Fault{"", "unpacks to more bytes than allowed"}
		}
	}
	return n, err
}

// Close ends what reads ahead. It closes nothing below.
func (c *Content) Close() { c.close() }

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

// IsFormat reports whether err is about the content of an archive, as opposed to
// where it is read from.
func IsFormat(err error) bool {
	for _, known := range []error{tar.ErrHeader, tar.ErrFieldTooLong, gzip.ErrHeader, gzip.ErrChecksum, pgzip.ErrHeader, pgzip.ErrChecksum, io.ErrUnexpectedEOF, io.EOF,
		zstd.ErrMagicMismatch, zstd.ErrWindowSizeExceeded, zstd.ErrWindowSizeTooSmall, zstd.ErrDecoderSizeExceeded,
		zstd.ErrUnknownDictionary, zstd.ErrFrameSizeExceeded, zstd.ErrFrameSizeMismatch, zstd.ErrCRCMismatch, zstd.ErrReservedBlockType,
		zstd.ErrCompressedSizeTooBig, zstd.ErrBlockTooSmall, zstd.ErrUnexpectedBlockSize} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt
}

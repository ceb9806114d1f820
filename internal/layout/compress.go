package layout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/berth-oci/berth/diag"
)

// maxUnpacked bounds what a compressed archive or layer may unpack to, in bytes.
const maxUnpacked = 64 << 30

// compression is a form that archives and layers are stored in.
type compression int

const (
	uncompressed compression = iota
	gzipped
	zstandard
)

// sniff tells the compression by the first bytes: media types and file names
// are unreliable.
func sniff(head []byte) compression {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return gzipped
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return zstandard
	}
	return uncompressed
}

// decompress returns what r unpacks to, whatever it is compressed with.
func decompress(r io.Reader) (io.ReadCloser, compression, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, _ := buffered.Peek(4)
	form := sniff(head)
	switch form {
	case gzipped:
		gz, err := gzip.NewReader(buffered)
		return gz, form, err
	case zstandard:
		// The window is the largest that the zstd program takes unasked.
		zs, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, form, err
		}
		return zs.IOReadCloser(), form, nil
	}
	return io.NopCloser(buffered), form, nil
}

// unpack decompresses r into w, and returns how many bytes that gave.
// It fails with diag.UnsafeArchive for more than the bound.
func unpack(w io.Writer, r io.Reader) (int64, compression, error) {
	content, form, err := decompress(r)
	if err != nil {
		return 0, form, err
	}
	defer content.Close()
	if form == uncompressed {
		n, err := copyBytes(w, content)
		return n, form, err
	}
	n, err := copyBytes(w, io.LimitReader(content, maxUnpacked+1))
	if err == nil && n > maxUnpacked {
		err = diag.Errorf(diag.UnsafeArchive, "it unpacks to more than %d GiB", maxUnpacked>>30).WithHint("decompress it, if you trust where it came from")
	}
	return n, form, err
}

// plain returns the uncompressed content of an archive: the file itself, or a
// temporary one in its place. It closes file unless it fails.
func plain(ctx context.Context, path string, file *os.File) (extent, error) {
	info, err := file.Stat()
	if err != nil {
		return extent{}, unreadable(path, err)
	}
	head := make([]byte, 4)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return extent{}, unreadable(path, err)
	}
	if sniff(head[:n]) == uncompressed {
		return extent{file, info.Size(), file}, nil
	}
	temp, err := os.CreateTemp("", "berth-archive-*")
	if err != nil {
		return extent{}, spoolFault(err)
	}
	s := spool{temp, temp.Name()}
	if os.Remove(s.name) == nil { // as open files can be on most systems: nothing is left behind, however berth ends
		s.name = ""
	}
	source := &faultReader{r: readerOf(ctx, file)}
	target := &faultWriter{w: temp}
	size, _, err := unpack(target, source)
	if err != nil {
		_ = s.Close()
		return extent{}, unpackFault(path, err, source.err, spoolFault(target.err))
	}
	file.Close()
	return extent{temp, size, s}, nil
}

// spool is a temporary file.
type spool struct {
	*os.File
	name string // "" when it is removed already
}

func (s spool) Close() error {
	err := s.File.Close()
	if s.name != "" {
		os.Remove(s.name)
	}
	return err
}

func spoolFault(err error) error {
	if err == nil {
		return nil
	}
	return diag.Errorf(diag.StorageFailed, "cannot spool: %w", err).WithHint("set TMPDIR to a directory with space")
}

// unpackFault tells whose fault it is that something does not unpack: of who
// reads it, of who writes the result, or of the content.
func unpackFault(path string, err, read, written error) error {
	d, ok := errors.AsType[*diag.Diagnostic](err)
	switch {
	case written != nil:
		return written
	case read != nil:
		return read
	case ok:
		d.Message = path + ": " + d.Message
		return d
	}
	return damaged(path, err)
}

// faultReader remembers what it failed with.
type faultReader struct {
	r   io.Reader
	err error
}

func (r *faultReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && err != io.EOF { // itself: a connection that is cut wraps it
		r.err = err
	}
	return n, err
}

// faultWriter remembers what it failed with.
type faultWriter struct {
	w   io.Writer
	err error
}

func (w *faultWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if err != nil {
		w.err = err
	}
	return n, err
}

// copyBytes copies in pieces of one size, whatever shortcuts both sides know:
// an io.WriterTo would go around what counts and hashes.
func copyBytes(w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
}

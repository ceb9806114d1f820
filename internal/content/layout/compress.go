package layout

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/archive"
)

// maxUnpacked bounds what a compressed archive or layer may unpack to, in bytes.
const maxUnpacked = 64 << 30

// unpack decompresses r into w, and returns how many bytes that gave.
func unpack(w io.Writer, r io.Reader) (int64, archive.Form, error) {
	content, err := archive.Decompress(r)
	if err != nil {
		return 0, archive.Plain, err
	}
	defer content.Close()
	if content.Form != archive.Plain {
		content.Within(archive.Limits{Bytes: maxUnpacked}.Budget())
	}
	n, err := copyBytes(w, content)
	return n, content.Form, err
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
	if archive.FormOf(head[:n]) == archive.Plain {
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
	fault, ok := errors.AsType[*archive.Fault](err)
	switch {
	case written != nil:
		return written
	case read != nil:
		return read
	case ok:
		return unsafeArchive(path, fault)
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

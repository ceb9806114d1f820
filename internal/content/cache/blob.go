package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// touchEvery is how exact the time of last use is, so that reading seldom writes.
const touchEvery = time.Hour

// Blob is complete content, open for reading until Close, also when it is
// removed from the cache meanwhile. It is safe for concurrent use.
type Blob struct {
	file *os.File
	size int64
}

// ReadAt implements io.ReaderAt.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) { return b.file.ReadAt(p, off) }

// Size returns how many bytes the blob has.
func (b *Blob) Size() int64 { return b.size }

// Open returns a reader of the blob from offset on, which lasts as long as the
// blob is open.
func (b *Blob) Open(offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(b.file, offset, max(0, b.size-offset))), nil
}

// File returns the open file, positioned at its beginning, which takes the place
// of the Blob: it must be closed instead.
func (b *Blob) File() *os.File { return b.file }

// Close implements io.Closer.
func (b *Blob) Close() error { return b.file.Close() }

// Blob returns the content that d describes, or nil when it is not there. With
// verify all of it is hashed first, and what is not as its digest says, or cannot
// be read, is told in an event, removed and not there; without, only its size is
// compared, unless the machine has been started since: what comes into the cache
// is not synced, so that a power cut may have taken it.
func (c *Cache) Blob(ctx context.Context, d ocispec.Descriptor, verify bool) (*Blob, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	f, info, err := c.openBlob(d.Digest)
	if f == nil || err != nil {
		return nil, err
	}
	ok, err := c.usable(ctx, f, info, d, verify)
	if !ok || err != nil {
		f.Close()
		return nil, err
	}
	return &Blob{file: f, size: d.Size}, nil
}

// openBlob opens what has the name of a blob; it returns nil when nothing has. What
// has it and is no file that can be opened is a damaged blob, and is removed.
func (c *Cache) openBlob(d digest.Digest) (*os.File, fs.FileInfo, error) {
	name := blobName(d)
	f, info, err := c.open(name)
	switch {
	case err == nil:
		return f, info, nil
	case c.foreign(name):
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	default:
		return nil, nil, c.fault(err)
	}
	c.events.send(Event{Step: Damaged, Digest: d})
	if err := c.remove(name); err != nil {
		return nil, nil, c.fault(err)
	}
	return nil, nil, nil
}

func (c *Cache) usable(ctx context.Context, f *os.File, info fs.FileInfo, d ocispec.Descriptor, verify bool) (bool, error) {
	if verify || info.ModTime().Before(bootTime()) {
		whole, err := hashes(ctx, f, d.Digest, nil)
		if err != nil {
			return false, err
		}
		if !whole {
			// One that cannot be removed is not used, and is replaced.
			_ = c.discard(f, d.Digest)
			return false, nil
		}
	}
	if info.Size() != d.Size {
		return false, nil // a wrong descriptor, whose fetch fails
	}
	c.touch(d.Digest, info)
	return true, nil
}

// hashes reports whether a file can be read and has a digest; hashed is told of
// bytes and may be nil. Its error is the context's.
func hashes(ctx context.Context, f *os.File, d digest.Digest, hashed func(n int)) (bool, error) {
	verifier, buf := d.Verifier(), make([]byte, 256<<10)
	for off := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := f.ReadAt(buf, off)
		_, _ = verifier.Write(buf[:n]) // never fails
		off += int64(n)
		if hashed != nil {
			hashed(n)
		}
		if err != nil {
			return err == io.EOF && verifier.Verified(), nil
		}
	}
}

// discard removes a damaged blob, unless it was replaced meanwhile.
func (c *Cache) discard(f *os.File, d digest.Digest) error {
	c.events.send(Event{Step: Damaged, Digest: d})
	open, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := c.root.Stat(blobName(d))
	if err != nil || !os.SameFile(open, named) {
		return nil
	}
	return c.remove(blobName(d))
}

// touch sets the time of last use. A cache that cannot be written to has none.
func (c *Cache) touch(d digest.Digest, info fs.FileInfo) {
	if now := time.Now(); now.Sub(info.ModTime()) > touchEvery {
		_ = c.root.Chtimes(blobName(d), now, now)
	}
}

// Has reports whether the content that d describes is there, by its size alone.
func (c *Cache) Has(d ocispec.Descriptor) (bool, error) {
	if err := check(d); err != nil {
		return false, err
	}
	info, err := c.root.Stat(blobName(d.Digest))
	if errors.Is(err, fs.ErrNotExist) || err != nil && c.foreign(blobName(d.Digest)) {
		return false, nil
	}
	if err != nil {
		return false, c.fault(err)
	}
	return info.Mode().IsRegular() && info.Size() == d.Size, nil
}

// Put keeps content that is at hand, such as a manifest. It reads at most one byte
// more than d.Size. It fails with diag.DigestMismatch, and with what reading r
// fails with.
func (c *Cache) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if err := check(d); err != nil {
		return err
	}
	f, temp, err := c.temp()
	if err != nil {
		return c.fault(err)
	}
	defer func() { _ = c.remove(temp) }() // it is gone once it was renamed
	source := &source{ctx: ctx, r: io.LimitReader(r, d.Size+1)}
	verifier := d.Digest.Verifier()
	n, err := io.Copy(io.MultiWriter(f, verifier), source)
	switch {
	case source.err != nil:
		f.Close()
		return source.err
	case err == nil && (n != d.Size || !verifier.Verified()):
		f.Close()
		return mismatch(d.Digest)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = c.name(temp, blobName(d.Digest))
	}
	if err != nil {
		return c.fault(err)
	}
	return nil
}

// source tells the errors of reading from those of writing.
type source struct {
	ctx context.Context // of the one Put that reads it
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func mismatch(d digest.Digest) error {
	return diag.Errorf(diag.DigestMismatch, "the content that came for %s is not what the digest says", d).
		WithHint("nothing was kept; try again, and check the disk of the registry that it came from")
}

package layout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// verified reads a blob, and knows in the end whether it is what d describes.
type verified struct {
	d        ocispec.Descriptor
	source   faultReader
	digester digest.Digester
	size     int64
}

func newVerified(ctx context.Context, r io.Reader, d ocispec.Descriptor) *verified {
	return &verified{d: d, source: faultReader{r: readerOf(ctx, r)}, digester: d.Digest.Algorithm().Digester()}
}

// Read fails with diag.DigestMismatch as soon as there is too much.
func (v *verified) Read(b []byte) (int, error) {
	n, err := v.source.Read(b)
	v.size += int64(n)
	v.digester.Hash().Write(b[:n])
	if v.size > v.d.Size {
		v.source.err = wrongSize(v.d, v.size)
		return 0, v.source.err
	}
	return n, err
}

// finish reads what is left, and verifies everything.
func (v *verified) finish() error {
	if _, err := copyBytes(io.Discard, v); err != nil {
		return err
	}
	if v.size != v.d.Size {
		return wrongSize(v.d, v.size)
	}
	if sum := v.digester.Digest(); sum != v.d.Digest {
		return wrongDigest(v.d, sum)
	}
	return nil
}

// File is the content of a blob that was verified before it is given, from its
// beginning to its end. It is copied without being verified again, and by the
// system, which on some file systems lets both share the disk.
type File struct{ *os.File }

// copyPiece is how much the system copies before somebody looks whether it is
// still wanted.
const copyPiece = 64 << 20

func (f File) copy(ctx context.Context, w io.Writer, name string, d ocispec.Descriptor) error {
	for size := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(w, f.File, copyPiece)
		size += n
		switch {
		case errors.Is(err, io.EOF) && size == d.Size:
			return nil
		case errors.Is(err, io.EOF) || size > d.Size:
			return wrongSize(d, size)
		case err != nil:
			return unwritable(name, fmt.Errorf("from %s: %w", f.Name(), err))
		}
	}
}

// copyVerified copies a blob to a file of the given name and verifies it.
func copyVerified(ctx context.Context, w io.Writer, name string, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	body, err := open(0)
	if err != nil {
		return err
	}
	defer body.Close()
	if f, ok := body.(File); ok {
		return f.copy(ctx, w, name, d)
	}
	v, target := newVerified(ctx, body, d), &faultWriter{w: w}
	if _, err := copyBytes(target, v); err != nil {
		if target.err != nil {
			return unwritable(name, target.err)
		}
		return err
	}
	return v.finish()
}

// Names of files that are not whole yet.
const (
	tempPrefix = ".berth-"
	tempSuffix = ".part"
)

func tempName() string { return tempPrefix + rand.Text() + tempSuffix }

// abandoned reports whether a temporary file is one that a killed process left:
// whoever is at work on one writes to it more often.
func abandoned(e os.DirEntry) bool {
	info, err := e.Info()
	return err == nil && strings.HasPrefix(e.Name(), tempPrefix) && strings.HasSuffix(e.Name(), tempSuffix) && info.Mode().IsRegular() && time.Since(info.ModTime()) > 24*time.Hour
}

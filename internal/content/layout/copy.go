package layout

import (
	"context"
	"crypto/rand"
	"errors"
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

// Verified is the content of a blob from its beginning to its end, of which its giver
// knows whether it is right, at the latest when it is closed: Close fails unless it
// is. It is copied without being verified again, and a file by the system, which on
// some file systems lets both share the disk.
type Verified struct{ io.ReadCloser }

// copyPiece is how much is copied before somebody looks whether it is still wanted.
const copyPiece = 64 << 20

// copy copies and closes it.
func (v Verified) copy(ctx context.Context, w io.Writer, name string, d ocispec.Descriptor) error {
	copyPart, source := io.CopyN, &faultReader{r: v.ReadCloser}
	if _, isFile := v.ReadCloser.(*os.File); !isFile {
		copyPart = func(w io.Writer, r io.Reader, n int64) (int64, error) {
			n, err := copyBytes(w, io.LimitReader(source, n))
			if n == 0 && err == nil {
				err = io.EOF
			}
			return n, err
		}
	}
	var size int64
	for size <= d.Size {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, v.Close())
		}
		n, err := copyPart(w, v.ReadCloser, copyPiece)
		if size += n; err == io.EOF { // itself: a connection that is cut wraps it
			break
		}
		if source.err != nil {
			return errors.Join(source.err, v.Close())
		}
		if err != nil {
			return errors.Join(unwritable(name, err), v.Close())
		}
	}
	if err := v.Close(); err != nil {
		return err
	}
	if size != d.Size {
		return wrongSize(d, size)
	}
	return nil
}

// copyVerified copies a blob to a file of the given name and verifies it.
func copyVerified(ctx context.Context, w io.Writer, name string, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	body, err := open(0)
	if err != nil {
		return err
	}
	if v, ok := body.(Verified); ok {
		return v.copy(ctx, w, name, d)
	}
	defer body.Close()
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

// isPart reports whether a file is one that is not whole yet.
func isPart(e os.DirEntry) bool {
	return strings.HasPrefix(e.Name(), tempPrefix) && strings.HasSuffix(e.Name(), tempSuffix) && e.Type().IsRegular()
}

// abandoned reports whether a temporary file is one that a killed process left:
// whoever is at work on one writes to it more often.
func abandoned(e os.DirEntry) bool {
	info, err := e.Info()
	return err == nil && isPart(e) && time.Since(info.ModTime()) > 24*time.Hour
}

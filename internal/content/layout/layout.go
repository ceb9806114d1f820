// Package layout owns artifacts in files: OCI image layouts (image-spec 1.1,
// "Image Layout") as a directory or a tar, and the archives that docker save
// writes. A Layout reads one, a Writer makes or adds to one. It copies nothing
// and knows no registry: package transfer does.
package layout

import (
	"context"
	_ "crypto/sha256" // the digests that a layout may have
	_ "crypto/sha512"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/base/regular"
)

// Layout is content that is read. All its methods may be called at once, until
// Close.
type Layout struct {
	path    string
	content content
	entries entries
	// What has a digest as its subject, by the subject.
	referrers map[digest.Digest][]ocispec.Descriptor
}

// content finds what has a digest. It fails with fs.ErrNotExist.
type content interface {
	open(digest.Digest) (extent, error)
	io.Closer
}

// tree finds files by their names, slash-separated and clean. It fails with
// fs.ErrNotExist.
type tree interface {
	file(name string) (extent, error)
	io.Closer
}

// extent is a file, or a part of one.
type extent struct {
	io.ReaderAt
	size int64
	io.Closer
}

// reader reads all of it.
func (e extent) reader() io.Reader { return io.NewSectionReader(e, 0, e.size) }

// Open reads what a path holds: a directory with an OCI layout, a tar with one,
// or a docker-archive. Where a tar is both of these it is read as the former. A
// tar that is compressed as a whole, with gzip or zstd, is unpacked to a
// temporary file first, an uncompressed one is read in place. A docker-archive
// is read once, to compute its digests.
//
// Errors: diag.NotFound for no such path; diag.BadArtifact for what is none of
// these, or damaged; diag.UnsafeArchive; diag.DigestMismatch for layers of a
// docker-archive that their config does not name; diag.StorageFailed.
func Open(ctx context.Context, path string) (*Layout, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, diag.Errorf(diag.NotFound, "there is no layout or archive at %s", path).WithHint("name a directory or a tar")
	case err != nil:
		return nil, unreadable(path, err)
	case info.IsDir():
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, unreadable(path, err)
		}
		return openOCI(ctx, path, &dirTree{root})
	case !info.Mode().IsRegular():
		return nil, diag.Errorf(diag.BadArtifact, "%s is neither a directory nor a file", path).WithHint("name a directory or a tar")
	}
	file, _, err := regular.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	archive, err := plain(ctx, path, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return openArchive(ctx, path, archive)
}

// openArchive reads an uncompressed tar, and closes it when that fails.
func openArchive(ctx context.Context, path string, archive extent) (*Layout, error) {
	files, err := scan(ctx, path, archive)
	if err != nil {
		archive.Close()
		return nil, err
	}
	switch {
	case files.has(ocispec.ImageLayoutFile):
		return openOCI(ctx, path, files)
	case files.has(dockerManifest):
		return openDocker(ctx, path, files)
	}
	_ = files.Close()
	return nil, diag.Errorf(diag.BadArtifact, "%s is neither an OCI layout nor a docker-archive: it has no %s and no %s", path, ocispec.ImageLayoutFile, dockerManifest).
		WithHint("name what docker save, skopeo copy or berth wrote; the files must be at the top of the archive")
}

func openOCI(ctx context.Context, path string, files tree) (*Layout, error) {
	l := &Layout{path: path, content: ociContent{files}}
	index, err := readIndex(path, files)
	if err == nil {
		l.entries = newEntries(index.Manifests)
		err = l.relate(ctx)
	}
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	return l, nil
}

// Close releases the files. Nothing may be read afterwards.
func (l *Layout) Close() error { return l.content.Close() }

// Manifest returns a manifest or index, verified.
//
// Errors: diag.NotFound; diag.DigestMismatch; diag.BadArtifact when d is no
// digest or describes more than 4 MiB; diag.UnsafeArchive; diag.StorageFailed.
func (l *Layout) Manifest(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if err := checkDescriptor(d); err != nil {
		return nil, err
	}
	if d.Size > oci.MaxManifest {
		return nil, tooLarge(d)
	}
	r, err := l.Blob(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil && ctx.Err() == nil {
		err = unreadable(l.path, err)
	}
	if err != nil {
		return nil, err
	}
	return data, verify(d, data)
}

// Blob returns the bytes of a blob or manifest from an offset on, without
// verifying them; only that there are as many as d says is checked.
//
// Errors: as of Manifest.
func (l *Layout) Blob(ctx context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error) {
	if err := checkDescriptor(d); err != nil {
		return nil, err
	}
	file, err := l.open(d.Digest)
	if err != nil {
		return nil, err
	}
	if file.size != d.Size {
		file.Close()
		return nil, diag.Errorf(diag.DigestMismatch, "%s has %d bytes of %s, which has %d", l.path, file.size, d.Digest, d.Size).
			WithHint("the layout is damaged: write it again")
	}
	if offset < 0 || offset > file.size {
		file.Close()
		return nil, diag.Errorf(diag.Failed, "%s has %d bytes, and none at %d", d.Digest, file.size, offset)
	}
	body := io.NewSectionReader(file, offset, file.size-offset)
	return readCloser{readerOf(ctx, body), file}, nil
}

// Check reads a blob or manifest to see whether it has its digest.
//
// Errors: as of Blob; diag.DigestMismatch where it has another.
func (l *Layout) Check(ctx context.Context, d ocispec.Descriptor) error {
	body, err := l.Blob(ctx, d, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	sum, err := d.Digest.Algorithm().FromReader(body)
	if err != nil && ctx.Err() == nil {
		err = unreadable(l.path, err)
	}
	if err == nil && sum != d.Digest {
		return diag.Errorf(diag.DigestMismatch, "%s has other content for %s: %s", l.path, d.Digest, sum).
			WithHint("the layout is damaged: write it again")
	}
	return err
}

// open finds a digest, and turns what goes wrong into diagnostics.
func (l *Layout) open(d digest.Digest) (extent, error) {
	file, err := l.content.open(d)
	if errors.Is(err, fs.ErrNotExist) {
		return extent{}, diag.Errorf(diag.NotFound, "%s does not have %s", l.path, d).
			WithHint("the layout is incomplete: write it again")
	}
	return file, err
}

// ociContent finds digests in an OCI layout.
type ociContent struct{ tree }

func (c ociContent) open(d digest.Digest) (extent, error) { return c.file(blobName(d)) }

// blobName returns the name of a blob in an OCI layout. The digest has been
// checked.
func blobName(d digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

type readCloser struct {
	io.Reader
	io.Closer
}

// nopCloser is for what another closes.
type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// readerOf stops reading when the context ends.
func readerOf(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

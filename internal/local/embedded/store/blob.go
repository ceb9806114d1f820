package store

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Blob is one that a repository has.
type Blob struct {
	Digest digest.Digest // canonical: of SHA-256
	Size   int64
}

// Blob returns a blob of a repository by any of its digests. A client that is
// told of it may rely on it: it will not be collected for a while.
//
// Errors: oci.CodeBlobUnknown.
func (s *Store) Blob(ctx context.Context, repo string, d digest.Digest) (Blob, error) {
	key := at(repo, d)
	k, err := s.known(ctx, key, repo, d)
	if err != nil {
		return Blob{}, err
	}
	b := k.Blob
	if !k.seen.lately() {
		if err := s.check(ctx, d, &b, nil); err != nil {
			return b, err
		}
		if b == k.Blob {
			k.seen.now()
		}
	}
	s.claims.rely(repo, b.Digest)
	_, err = s.known(ctx, key, repo, d)
	return b, err
}

// find looks a blob up without any promise that it stays.
func (s *Store) find(ctx context.Context, repo string, d digest.Digest) (Blob, error) {
	k, err := s.known(ctx, at(repo, d), repo, d)
	if err != nil {
		return Blob{}, err
	}
	return k.Blob, nil
}

// knownBlob is what is remembered of a blob of a repository.
type knownBlob struct {
	Blob
	seen sighting // its size on the disk, which was right
}

// known is find for who has the key.
func (s *Store) known(ctx context.Context, key, repo string, d digest.Digest) (*knownBlob, error) {
	if k, ok := s.blobs.Get(key); ok {
		return k, nil
	}
	defer s.blobLocks.lock(key)()
	canonical, err := s.canonicalLink(ctx, layerLink(repo, d), d)
	if missing(err) {
		return nil, fault(oci.CodeBlobUnknown, "the repository has no such blob")
	}
	if err != nil {
		return nil, err
	}
	k := &knownBlob{Blob: Blob{Digest: canonical}}
	if k.Size, err = s.size(ctx, canonical); err != nil {
		return nil, err
	}
	s.blobs.Add(key, k)
	return k, nil
}

// size returns that of a blob by its canonical digest, whichever repositories
// have it. It fails with oci.CodeBlobUnknown.
func (s *Store) size(ctx context.Context, canonical digest.Digest) (int64, error) {
	info, err := s.driver.Stat(ctx, blobData(canonical))
	if missing(err) {
		return 0, fault(oci.CodeBlobUnknown, "the content of the blob is gone")
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// OpenBlob returns the content of a blob, which is a file where the storage has
// files. The caller closes it.
//
// Errors: oci.CodeBlobUnknown.
func (s *Store) OpenBlob(ctx context.Context, repo string, d digest.Digest) (Blob, io.ReadSeekCloser, error) {
	b, err := s.find(ctx, repo, d)
	if err != nil {
		return b, nil, err
	}
	r, err := s.driver.Reader(ctx, blobData(b.Digest), 0)
	if missing(err) {
		s.blobs.Remove(at(repo, d))
		return b, nil, fault(oci.CodeBlobUnknown, "the content of the blob is gone")
	}
	if err != nil {
		return b, nil, err
	}
	file, isFile := r.(io.ReadSeekCloser)
	if err := s.check(ctx, d, &b, file); err != nil {
		return b, nil, errors.Join(err, r.Close())
	}
	if isFile {
		return b, file, nil
	}
	return b, &seeker{ctx: ctx, driver: s.driver, path: blobData(b.Digest), size: b.Size, r: r}, nil
}

// DeleteBlob takes a blob out of a repository. Its content stays until garbage
// is collected.
//
// Errors: oci.CodeBlobUnknown.
func (s *Store) DeleteBlob(ctx context.Context, repo string, d digest.Digest) error {
	b, err := s.find(ctx, repo, d)
	if err != nil {
		return err
	}
	aliases, err := s.list(ctx, path.Join(layersPath(repo), digest.SHA512.String()))
	if err != nil {
		return err
	}
	names := []digest.Digest{b.Digest}
	for _, hex := range aliases {
		alias := digest.NewDigestFromEncoded(digest.SHA512, hex)
		if canonical, err := s.canonicalLink(ctx, layerLink(repo, alias), alias); err == nil && canonical == b.Digest {
			names = append(names, alias)
		}
	}
	for _, name := range slices.Backward(names) {
		if err := s.unlinkBlob(ctx, repo, name); err != nil {
			return err
		}
	}
	s.claims.forget(repo, b.Digest)
	return nil
}

func (s *Store) unlinkBlob(ctx context.Context, repo string, d digest.Digest) error {
	defer s.blobLocks.lock(at(repo, d))()
	err := s.removeOnly(ctx, layerLink(repo, d))
	s.blobs.Remove(at(repo, d))
	return err
}

// Mount gives a repository a blob that another one has, and that is not damaged, as
// far as its size tells.
//
// Errors: oci.CodeBlobUnknown.
func (s *Store) Mount(ctx context.Context, repo, from string, d digest.Digest) error {
	b, err := s.find(ctx, from, d)
	if err != nil {
		return err
	}
	if err := s.check(ctx, d, &b, nil); err != nil {
		return err
	}
	defer s.claims.hold(b.Digest, repositoryClaim(repo))()
	if b, err = s.find(ctx, from, d); err != nil { // it may have gone while hold waited
		return err
	}
	if err := s.publish(ctx, "", "", layerLinks(repo, b.Digest, d)...); err != nil {
		return err
	}
	s.linked(repo, b, d)
	return nil
}

// layerLinks is what makes a blob a repository's own, under its canonical digest
// and the one that the client knows.
func layerLinks(repo string, canonical, alias digest.Digest) []write {
	links := []write{{layerLink(repo, canonical), []byte(canonical)}}
	if alias != canonical {
		links = append(links, write{layerLink(repo, alias), []byte(canonical)})
	}
	return links
}

// linked notes that layerLinks were written. Nothing names the blob yet.
func (s *Store) linked(repo string, b Blob, alias digest.Digest) {
	s.claims.add(repo, b.Digest)
	s.blobs.Add(at(repo, b.Digest), &knownBlob{Blob: b})
	s.blobs.Add(at(repo, alias), &knownBlob{Blob: b})
}

// seeker reads a blob of a storage without files. To seek costs nothing until
// something is read.
type seeker struct {
	ctx    context.Context
	driver storagedriver.StorageDriver
	path   string
	size   int64

	offset int64 // of the next Read
	r      io.ReadCloser
	at     int64 // where r is; r is nil until it is needed
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.offset
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning of a blob")
	}
	s.offset = offset
	return offset, nil
}

func (s *seeker) Read(p []byte) (int, error) {
	if s.offset >= s.size {
		return 0, io.EOF
	}
	if s.r == nil || s.at != s.offset {
		if err := s.Close(); err != nil {
			return 0, err
		}
		r, err := s.driver.Reader(s.ctx, s.path, s.offset)
		if err != nil {
			return 0, err
		}
		s.r, s.at = r, s.offset
	}
	n, err := s.r.Read(p)
	s.at += int64(n)
	s.offset = s.at
	return n, err
}

func (s *seeker) Close() error {
	if s.r == nil {
		return nil
	}
	err := s.r.Close()
	s.r = nil
	return err
}

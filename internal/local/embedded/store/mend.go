package store

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// onDisk reports whether the storage is a disk, on which files rot unseen, and on
// which a look at one costs next to nothing. A service looks after what it has.
func (s *Store) onDisk() bool {
	_, ok := s.driver.(publisher)
	return ok
}

// compared is the largest blob, in bytes, that is read again from a service when it
// is pushed again.
const compared = 1 << 20

// lookAgain is how long a blob's size on a disk counts once it was looked at: who
// asks for a blob over and over need not wait for the disk each time.
const lookAgain = time.Second

// sighting is when something was last looked at. The zero one is never. It may be
// used concurrently.
type sighting struct {
	at atomic.Pointer[time.Time] // the clock of which never jumps
}

func (s *sighting) now() {
	t := time.Now()
	s.at.Store(&t)
}

func (s *sighting) lately() bool {
	t := s.at.Load()
	return t != nil && time.Since(*t) < lookAgain
}

// keeps reports whether content that was pushed need not be stored: the storage has
// it, and has it right. A disk gets it again, which costs no more than to compare it
// and mends what rots there. size is that of what the storage has, or of b.
func (s *Store) keeps(ctx context.Context, b Blob) (size int64, keep bool, err error) {
	size, err = s.size(ctx, b.Digest)
	var e *Error
	switch {
	case errors.As(err, &e):
		return b.Size, false, nil
	case err != nil || size != b.Size || s.onDisk():
		return size, false, err
	case size > compared:
		return size, true, nil
	}
	_, keep, err = newPass(s).verify(ctx, b.Digest)
	return size, keep, err
}

// replace publishes a file as a blob, in place of what the storage may have of it.
// Not every system replaces a file that somebody reads, as Windows does not: then
// what is there is kept if it is right, and moved is false.
func (s *Store) replace(ctx context.Context, from string, b Blob, links []write) (moved bool, err error) {
	if err = s.publish(ctx, from, blobData(b.Digest), links...); err == nil {
		return true, nil
	}
	if _, failed := s.driver.Stat(ctx, from); failed != nil {
		return false, err // it was moved, and the links are what failed
	}
	if size, failed := s.size(ctx, b.Digest); failed != nil || size != b.Size {
		return false, err
	}
	if _, ok, failed := newPass(s).verify(ctx, b.Digest); failed != nil || !ok {
		return false, err
	}
	return false, s.publish(ctx, "", "", links...)
}

// learn remembers how large the blobs of a manifest are.
func (s *Store) learn(p parsed) {
	for _, d := range p.blobs {
		s.sizes.Add(d.Digest, d.Size)
	}
}

// emptyBlob is the digest of no bytes.
const emptyBlob digest.Digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// check fails with oci.CodeBlobUnknown for a blob, asked for by any digest, which the size
// that it has in the storage tells to be damaged: it is not what was remembered, or
// what a manifest says, or nothing. file is the blob where it is open as one. The
// blob gets its right size.
func (s *Store) check(ctx context.Context, asked digest.Digest, b *Blob, file io.Seeker) (err error) {
	size := b.Size
	switch {
	case file != nil:
		if size, err = file.Seek(0, io.SeekEnd); err == nil {
			_, err = file.Seek(0, io.SeekStart)
		}
	case s.onDisk():
		size, err = s.size(ctx, b.Digest)
	}
	if err != nil {
		return err
	}
	want, known := s.sizes.Get(asked)
	if size == b.Size && (!known || size == want) && (size > 0 || b.Digest == emptyBlob) {
		return nil
	}
	damaged, err := s.doubt(ctx, b.Digest, size)
	if damaged {
		return fault(oci.CodeBlobUnknown, "the content of the blob is damaged: push it again")
	}
	b.Size = size
	return err
}

// doubt verifies a blob that does not have the size it should, and puts it into
// quarantine if it is damaged. It is read once only, whoever is wrong about it and
// however many ask at once. Where a push or a collection is at it, a damaged one
// stays where it is: the next push replaces it, or else a scrub finds it.
func (s *Store) doubt(ctx context.Context, canonical digest.Digest, size int64) (damaged bool, err error) {
	leave, err := s.verdicts.enter(ctx, canonical)
	if err != nil {
		return false, err
	}
	defer leave()
	sound, known := s.verdicts.get(canonical, size)
	if known {
		return !sound, nil
	}
	p := newPass(s)
	n, sound, err := p.verify(ctx, canonical)
	switch {
	case missing(err):
		s.forgetBlobs()
		return true, nil
	case err != nil:
		return false, err
	}
	s.verdicts.add(canonical, n, sound)
	if sound {
		return false, nil
	}
	_, err = p.setAside(ctx, canonical)
	return true, err
}

// sizeError is the fault of a manifest that gives a blob another size than the
// storage has of it.
type sizeError struct {
	fault *Error
	asked digest.Digest
	blob  Blob
}

func (e *sizeError) Error() string { return e.fault.Error() }
func (e *sizeError) Unwrap() error { return e.fault }

// wrongSize returns the error to answer with where the size of a blob is wrong: it
// may be the storage's.
func (s *Store) wrongSize(ctx context.Context, err error) error {
	var e *sizeError
	if !errors.As(err, &e) {
		return err
	}
	damaged, failed := s.doubt(ctx, e.blob.Digest, e.blob.Size)
	if damaged {
		lost := fault(oci.CodeManifestBlobUnknown, "the manifest names what is damaged here: %s", e.asked)
		lost.Detail = []digest.Digest{e.asked}
		return errors.Join(lost, failed)
	}
	return errors.Join(failed, e.fault)
}

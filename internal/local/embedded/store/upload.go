package store

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"io"
	"sync"
	"sync/atomic"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Upload is a blob on its way. Its methods exclude each other.
type Upload struct {
	ID   string
	Repo string

	s  *Store
	mu sync.Mutex // held by a request, for as long as its body lasts, or by another for a moment
	// busy is whether a request is at it: it has mu, or waits for who has it for a
	// moment.
	busy atomic.Bool

	client string // that began it, from its first byte on
	known  bool   // to uploads: something of it has come
	slot   bool   // of writers
	slotOf string // the client that has it

	offset int64
	seen   atomic.Int64             // offset, for who does not wait for mu
	writer storagedriver.FileWriter // nil before the first byte, and when closed for idleness
	stored bool                     // the storage shows the content: nothing is to be committed
	ended  bool                     // committed or cancelled

	hash256, hash512 hash.Hash // of offset bytes; nil when they have to be made from the storage
	used             time.Time
}

// take holds an upload for a request, until release. It is false when another
// request is at it.
func (u *Upload) take() bool {
	if !u.busy.CompareAndSwap(false, true) {
		return false
	}
	u.mu.Lock()
	return true
}

func (u *Upload) release() {
	u.busy.Store(false)
	u.leave()
}

// leave gives back what the holder of mu used, and mu.
func (u *Upload) leave() {
	if u.slot {
		u.slot = false
		u.s.writers.leave(u.slotOf)
	}
	if u.writer != nil {
		u.s.writers.park(u)
	}
	u.mu.Unlock()
}

// rest closes the writer of an upload that no request was at for a time, and then
// does what it is given.
func (u *Upload) rest(idle time.Duration, then func()) {
	if !u.mu.TryLock() {
		return
	}
	defer u.mu.Unlock()
	if time.Since(u.used) < idle {
		return
	}
	_ = u.pause()
	then()
}

// Offset returns how many bytes have come, so far where a request is at it.
func (u *Upload) Offset(ctx context.Context) int64 {
	if !u.take() {
		return u.seen.Load()
	}
	defer u.release()
	if u.offset > 0 && !u.stored && !u.ended {
		_ = u.open(ctx) // which corrects it
	}
	return u.offset
}

var errBusy = fault(oci.CodeBlobUploadInvalid, "another request is at work on this upload")

// Append adds to an upload what comes from r. from is the offset at which the
// client believes to be, negative when it does not say. What came before an
// error stays, and can be gone on from.
//
// Errors: oci.CodeBlobUploadInvalid when from is not where the upload is, or another
// request is at work on it, or the storage lost some of what came, see Resumable;
// oci.CodeBlobUploadUnknown; oci.CodeTooMany.
func (u *Upload) Append(ctx context.Context, r io.Reader, from int64) (offset int64, err error) {
	if !u.take() {
		return 0, errBusy
	}
	defer u.release()
	err = u.append(ctx, r, from)
	return u.offset, err
}

func (u *Upload) append(ctx context.Context, r io.Reader, from int64) error {
	if u.ended {
		return fault(oci.CodeBlobUploadUnknown, "the upload has ended")
	}
	if u.offset > 0 && !u.stored {
		if err := u.open(ctx); err != nil { // it may have to correct the offset
			return err
		}
	}
	if from >= 0 && from != u.offset {
		return fault(oci.CodeBlobUploadInvalid, "the upload is at %d, not at %d", u.offset, from)
	}
	err := copyTo(appender{ctx, u}, r)
	u.used = time.Now()
	u.s.claims.push(u.Repo)
	return err
}

// copyTo copies all of r. Its buffer is large only while r fills it, so that many
// slow clients need little.
func copyTo(w io.Writer, r io.Reader) error {
	const little, much = 32 << 10, 256 << 10
	buffer := make([]byte, little)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case n == little && len(buffer) == little:
			buffer = make([]byte, much)
		}
	}
}

// appender writes to the storage and the hashes alike.
type appender struct {
	ctx context.Context
	u   *Upload
}

func (a appender) Write(p []byte) (int, error) {
	u := a.u
	if err := u.open(a.ctx); err != nil {
		return 0, err
	}
	n, err := u.writer.Write(p)
	u.offset += int64(n)
	u.seen.Store(u.offset)
	for _, h := range []hash.Hash{u.hash256, u.hash512} {
		if h != nil {
			h.Write(p[:n])
		}
	}
	if err != nil {
		// How much the storage has is not known for sure.
		_ = u.pause()
		u.hash256, u.hash512 = nil, nil
	}
	return n, err
}

// open makes the writer ready. It fails with oci.CodeBlobUploadInvalid once when the
// storage has not what this upload believes, after a write that failed or a
// buffer that was lost; the offset is right from then on.
func (u *Upload) open(ctx context.Context) error {
	if err := u.enter(ctx); err != nil {
		return err
	}
	if u.writer != nil {
		return nil
	}
	// Or the repository could be found empty, and be removed.
	defer u.s.claims.hold(repositoryClaim(u.Repo))()
	if !u.known {
		if err := u.s.uploads.begin(ctx, u); err != nil {
			return err
		}
	}
	// It outlives the request.
	w, err := u.s.driver.Writer(context.WithoutCancel(ctx), uploadPath(u.Repo, u.ID), u.offset > 0)
	if err != nil {
		return err
	}
	u.writer, u.stored = w, false
	if before := u.offset; w.Size() != before {
		u.offset, u.hash256, u.hash512 = w.Size(), nil, nil
		u.seen.Store(u.offset)
		return fault(oci.CodeBlobUploadInvalid, "the storage has %d bytes of the upload, not %d: go on from there", u.offset, before)
	}
	return nil
}

// enter gets the upload the slot that release gives back.
func (u *Upload) enter(ctx context.Context) error {
	if u.slot {
		return nil
	}
	u.slotOf = clientOf(ctx)
	if err := u.s.writers.enter(ctx, u.slotOf); err != nil {
		return err
	}
	u.slot = true
	u.s.writers.unpark(u)
	return nil
}

// pause closes the writer; the upload can go on.
func (u *Upload) pause() error {
	if u.writer == nil {
		return nil
	}
	u.s.writers.unpark(u)
	err := u.writer.Close()
	u.writer = nil
	return err
}

// Commit adds what comes from r, as Append does, and makes a blob of all, which
// must have the digest that the client says. The upload ends; it goes on after
// an error of the storage or of r.
//
// Errors: oci.CodeDigestInvalid, and those of Append.
func (u *Upload) Commit(ctx context.Context, r io.Reader, from int64, want digest.Digest) (Blob, error) {
	if !u.take() {
		return Blob{}, errBusy
	}
	defer u.release()
	if want.Algorithm() == digest.SHA512 && u.offset == 0 && u.hash512 == nil {
		u.hash512 = sha512.New()
	}
	if err := u.append(ctx, r, from); err != nil {
		return Blob{}, err
	}
	if err := u.rehash(ctx, want.Algorithm()); err != nil {
		return Blob{}, err
	}
	canonical := digest.NewDigest(digest.SHA256, u.hash256)
	got := canonical
	if want.Algorithm() == digest.SHA512 {
		got = digest.NewDigest(digest.SHA512, u.hash512)
	}
	if got != want {
		e := fault(oci.CodeDigestInvalid, "the content has another digest: %s", got)
		e.Detail = map[string]string{"expected": want.String(), "received": got.String()}
		return Blob{}, errors.Join(e, u.cancel(ctx))
	}
	b := Blob{Digest: canonical, Size: u.offset}
	moved, err := u.publish(ctx, b, want)
	switch {
	case err != nil:
		return Blob{}, err
	case moved:
		u.end()
	default:
		_ = u.cancel(ctx) // what stays behind is purged as an upload that was abandoned
	}
	return b, nil
}

// publish makes the content a blob. Content that the storage has, as far as that is
// known, is not stored again, and so not moved.
func (u *Upload) publish(ctx context.Context, b Blob, alias digest.Digest) (moved bool, err error) {
	s := u.s
	defer s.claims.hold(b.Digest, repositoryClaim(u.Repo))()
	links := layerLinks(u.Repo, b.Digest, alias)
	size, keep, err := s.keeps(ctx, b)
	switch {
	case err != nil:
		return false, err
	case keep:
		err = s.publish(ctx, "", "", links...)
	default:
		if err = u.store(ctx); err == nil {
			moved, err = s.replace(ctx, uploadPath(u.Repo, u.ID), b, links)
			s.verdicts.forget(b.Digest)
		}
	}
	if err == nil {
		if size != b.Size {
			s.forgetBlobs()
		}
		s.linked(u.Repo, b, alias)
	}
	return moved, err
}

// store makes the storage show what came, if only that it is empty.
func (u *Upload) store(ctx context.Context) error {
	if u.stored {
		return nil
	}
	if err := u.open(ctx); err != nil {
		return err
	}
	if err := u.writer.Commit(ctx); err != nil {
		return errors.Join(err, u.pause())
	}
	if err := u.pause(); err != nil {
		return err
	}
	u.stored = true
	return nil
}

// rehash makes the hashes that are missing from what the storage has.
func (u *Upload) rehash(ctx context.Context, a digest.Algorithm) error {
	need512 := a == digest.SHA512 && u.hash512 == nil
	if u.hash256 != nil && !need512 {
		return nil
	}
	// Storage shows the content only once it is committed; the writer that is
	// opened anew appends nothing.
	if err := u.store(ctx); err != nil {
		return err
	}
	r, err := u.s.driver.Reader(ctx, uploadPath(u.Repo, u.ID), 0)
	if err != nil {
		return err
	}
	defer r.Close()
	h256, h512 := sha256.New(), sha512.New()
	var n counter
	if err := copyTo(io.MultiWriter(h256, h512, &n), r); err != nil {
		return err
	}
	u.offset, u.hash256, u.hash512 = int64(n), h256, h512
	u.seen.Store(u.offset)
	return nil
}

// Cancel ends an upload and removes what came. It fails with oci.CodeBlobUploadInvalid
// when another request is at work on it.
func (u *Upload) Cancel(ctx context.Context) error {
	if !u.take() {
		return errBusy
	}
	defer u.release()
	return u.cancel(ctx)
}

func (u *Upload) cancel(ctx context.Context) error {
	if u.writer != nil {
		u.s.writers.unpark(u)
		_ = u.writer.Cancel(ctx)
		u.writer = nil
	}
	begun := u.known
	u.end()
	if !begun { // the storage has nothing of it
		return nil
	}
	return u.s.remove(ctx, uploadPath(u.Repo, u.ID))
}

func (u *Upload) end() {
	u.ended = true
	u.s.uploads.end(u)
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// Expect says, before the first byte and anything else is asked of a new upload,
// by which algorithm the client will name the blob: the content need not be read
// again for it. It changes the ID.
func (u *Upload) Expect(a digest.Algorithm) {
	if a == digest.SHA512 {
		u.ID, u.hash512 = u.s.uploads.ids.make(u.Repo, a), sha512.New()
	}
}

// Resumable returns the offset at which an upload can go on; ok is false when it
// has ended, or a request is at it.
func (u *Upload) Resumable() (offset int64, ok bool) {
	if !u.take() {
		return 0, false
	}
	defer u.release()
	return u.offset, !u.ended
}

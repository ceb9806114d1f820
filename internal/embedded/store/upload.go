package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
)

// uploads knows those that are under way. What they have is in the storage, so
// that one can go on after a restart; only a hash has to be made again then.
type uploads struct {
	s *Store

	mu  sync.Mutex
	all map[string]*Upload // by repository/id
}

func newUploads(s *Store) *uploads { return &uploads{s: s, all: map[string]*Upload{}} }

// Upload is a blob on its way. Its methods exclude each other.
type Upload struct {
	ID   string
	Repo string

	s  *Store
	mu sync.Mutex // held by a request, for as long as its body lasts

	offset int64
	seen   atomic.Int64             // offset, for who does not wait for mu
	writer storagedriver.FileWriter // nil before the first byte, and when closed for idleness
	stored bool                     // the storage shows the content: nothing is to be committed
	ended  bool                     // committed or cancelled

	hash256, hash512 hash.Hash // of offset bytes; nil when they have to be made from the storage
	used             time.Time
}

// uploadID is what newUploadID makes, and the UUIDs of distribution.
var uploadID = regexp.MustCompile(`^[0-9a-f-]{32,36}$`)

func newUploadID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// StartUpload begins an upload to a repository.
func (s *Store) StartUpload(repo string) *Upload {
	s.claims.push(repo)
	// Or the repository could be found empty, and be removed with the first bytes.
	defer s.claims.hold(repositoryClaim(repo))()
	return s.uploads.put(&Upload{ID: newUploadID(), Repo: repo, s: s, used: time.Now(), hash256: sha256.New()})
}

// Upload returns an upload that was begun, also before a restart.
//
// Errors: BlobUploadUnknown.
func (s *Store) Upload(ctx context.Context, repo, id string) (*Upload, error) {
	unknown := fault(BlobUploadUnknown, "no such upload: it was finished, cancelled or abandoned")
	if !uploadID.MatchString(id) {
		return nil, unknown
	}
	if u := s.uploads.get(repo, id); u != nil {
		return u, nil
	}
	// Opened to be appended to, which shows parts that a service has of it and
	// does not list yet.
	w, err := s.driver.Writer(context.WithoutCancel(ctx), uploadPath(repo, id), true)
	if missing(err) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	if w.Size() == 0 { // nobody began it, or nothing of it came through
		_ = w.Cancel(ctx)
		_ = s.remove(ctx, uploadPath(repo, id))
		return nil, unknown
	}
	u := &Upload{ID: id, Repo: repo, s: s, writer: w, offset: w.Size(), used: time.Now()}
	u.seen.Store(u.offset)
	return s.uploads.put(u), nil
}

func (us *uploads) get(repo, id string) *Upload {
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.all[repo+"/"+id]
}

// put adds an upload, unless another request has just done so.
func (us *uploads) put(u *Upload) *Upload {
	us.mu.Lock()
	defer us.mu.Unlock()
	key := u.Repo + "/" + u.ID
	if known := us.all[key]; known != nil {
		_ = u.pause()
		return known
	}
	us.all[key] = u
	return u
}

// Offset returns how many bytes have come, so far where a request is at it.
func (u *Upload) Offset(ctx context.Context) int64 {
	if !u.mu.TryLock() {
		return u.seen.Load()
	}
	defer u.mu.Unlock()
	if u.offset > 0 && !u.stored && !u.ended {
		_ = u.open(ctx) // which corrects it
	}
	return u.offset
}

var errBusy = fault(BlobUploadInvalid, "another request is at work on this upload")

// Append adds to an upload what comes from r. from is the offset at which the
// client believes to be, negative when it does not say. What came before an
// error stays, and can be gone on from.
//
// Errors: BlobUploadInvalid when from is not where the upload is, or another
// request is at work on it, or the storage lost some of what came, see Resumable;
// BlobUploadUnknown.
func (u *Upload) Append(ctx context.Context, r io.Reader, from int64) (offset int64, err error) {
	if !u.mu.TryLock() {
		return 0, errBusy
	}
	defer u.mu.Unlock()
	err = u.append(ctx, r, from)
	return u.offset, err
}

func (u *Upload) append(ctx context.Context, r io.Reader, from int64) error {
	if u.ended {
		return fault(BlobUploadUnknown, "the upload has ended")
	}
	if u.offset > 0 && !u.stored {
		if err := u.open(ctx); err != nil { // it may have to correct the offset
			return err
		}
	}
	if from >= 0 && from != u.offset {
		return fault(BlobUploadInvalid, "the upload is at %d, not at %d", u.offset, from)
	}
	_, err := io.CopyBuffer(appender{ctx, u}, onlyReader{r}, make([]byte, 256<<10))
	u.used = time.Now()
	u.s.claims.push(u.Repo)
	return err
}

// onlyReader hides what else a reader can do: io.CopyBuffer would go past the
// buffer.
type onlyReader struct{ io.Reader }

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

// open makes the writer ready. It fails with BlobUploadInvalid once when the
// storage has not what this upload believes, after a write that failed or a
// buffer that was lost; the offset is right from then on.
func (u *Upload) open(ctx context.Context) error {
	if u.writer != nil {
		return nil
	}
	// Or the repository could be found empty, and be removed.
	defer u.s.claims.hold(repositoryClaim(u.Repo))()
	// It outlives the request.
	w, err := u.s.driver.Writer(context.WithoutCancel(ctx), uploadPath(u.Repo, u.ID), u.offset > 0)
	if err != nil {
		return err
	}
	u.writer, u.stored = w, false
	if before := u.offset; w.Size() != before {
		u.offset, u.hash256, u.hash512 = w.Size(), nil, nil
		u.seen.Store(u.offset)
		return fault(BlobUploadInvalid, "the storage has %d bytes of the upload, not %d: go on from there", u.offset, before)
	}
	return nil
}

// pause closes the writer; the upload can go on.
func (u *Upload) pause() error {
	if u.writer == nil {
		return nil
	}
	err := u.writer.Close()
	u.writer = nil
	return err
}

// Commit adds what comes from r, as Append does, and makes a blob of all, which
// must have the digest that the client says. The upload ends; it goes on after
// an error of the storage or of r.
//
// Errors: DigestInvalid, and those of Append.
func (u *Upload) Commit(ctx context.Context, r io.Reader, from int64, want digest.Digest) (Blob, error) {
	if !u.mu.TryLock() {
		return Blob{}, errBusy
	}
	defer u.mu.Unlock()
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
		e := fault(DigestInvalid, "the content has another digest: %s", got)
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

// publish makes the content a blob. Content that the storage has is not stored
// again, and so not moved.
func (u *Upload) publish(ctx context.Context, b Blob, alias digest.Digest) (moved bool, err error) {
	s := u.s
	defer s.claims.hold(b.Digest, repositoryClaim(u.Repo))()
	links := layerLinks(u.Repo, b.Digest, alias)
	size, err := s.size(ctx, b.Digest)
	var e *Error
	switch {
	case err == nil && size == b.Size:
		err = s.publish(ctx, "", "", links...)
	case err == nil || errors.As(err, &e):
		if err = u.store(ctx); err == nil {
			err = s.publish(ctx, uploadPath(u.Repo, u.ID), blobData(b.Digest), links...)
		}
		moved = err == nil
	}
	if err == nil {
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
	n, err := io.CopyBuffer(io.MultiWriter(h256, h512), onlyReader{r}, make([]byte, 256<<10))
	if err != nil {
		return err
	}
	u.offset, u.hash256, u.hash512 = n, h256, h512
	u.seen.Store(n)
	return nil
}

// Cancel ends an upload and removes what came. It fails with BlobUploadInvalid
// when another request is at work on it.
func (u *Upload) Cancel(ctx context.Context) error {
	if !u.mu.TryLock() {
		return errBusy
	}
	defer u.mu.Unlock()
	return u.cancel(ctx)
}

func (u *Upload) cancel(ctx context.Context) error {
	if u.writer != nil {
		_ = u.writer.Cancel(ctx)
		u.writer = nil
	}
	u.end()
	return u.s.remove(ctx, uploadPath(u.Repo, u.ID))
}

func (u *Upload) end() {
	u.ended = true
	u.s.uploads.mu.Lock()
	defer u.s.uploads.mu.Unlock()
	delete(u.s.uploads.all, u.Repo+"/"+u.ID)
}

// close keeps what all uploads have.
func (us *uploads) close() (err error) {
	us.mu.Lock()
	all := slices.Collect(maps.Values(us.all))
	us.mu.Unlock()
	for _, u := range all {
		u.mu.Lock()
		err = errors.Join(err, u.pause())
		u.mu.Unlock()
	}
	return err
}

// purge removes the uploads of a repository that are idle for as long as delay,
// and returns how many there were. Those that a request is at are not.
func (us *uploads) purge(ctx context.Context, repo string, delay time.Duration, dryRun bool) (n int, err error) {
	ids, err := us.s.list(ctx, uploadsPath(repo))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		old, err := us.idle(ctx, repo, id, delay)
		if err != nil {
			return n, err
		}
		if !old {
			continue
		}
		n++
		if dryRun {
			continue
		}
		u, err := us.s.Upload(ctx, repo, id)
		if err == nil {
			if !u.mu.TryLock() {
				continue // somebody came back
			}
			err = u.cancel(ctx)
			u.mu.Unlock()
		} else {
			err = us.s.remove(ctx, uploadPath(repo, id))
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (us *uploads) idle(ctx context.Context, repo, id string, delay time.Duration) (bool, error) {
	if u := us.get(repo, id); u != nil {
		if !u.mu.TryLock() {
			return false, nil
		}
		defer u.mu.Unlock()
		return time.Since(u.used) >= delay, nil
	}
	info, err := us.s.driver.Stat(ctx, uploadPath(repo, id))
	if missing(err) {
		return true, nil
	}
	return err == nil && time.Since(info.ModTime()) >= delay, err
}

// any reports whether a repository has an upload under way.
func (us *uploads) any(repo string) bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	for _, u := range us.all {
		if u.Repo == repo {
			return true
		}
	}
	return false
}

// Expect says, before the first byte, by which algorithm the client will name
// the blob: the content need not be read again for it.
func (u *Upload) Expect(a digest.Algorithm) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if a == digest.SHA512 && u.offset == 0 {
		u.hash512 = sha512.New()
	}
}

// Resumable returns the offset at which an upload can go on; ok is false when it
// has ended, or a request is at it.
func (u *Upload) Resumable() (offset int64, ok bool) {
	if !u.mu.TryLock() {
		return 0, false
	}
	defer u.mu.Unlock()
	return u.offset, !u.ended
}

// Tidy closes the files of uploads that nobody is at, and forgets those that are
// idle for long: what they have is in the storage, and they can go on all the
// same. It is called now and then.
func (s *Store) Tidy() {
	const idle, unused, forgotten = time.Minute, 10 * time.Minute, time.Hour
	s.claims.tidy()
	s.uploads.mu.Lock()
	all := slices.Collect(maps.Values(s.uploads.all))
	s.uploads.mu.Unlock()
	for _, u := range all {
		if !u.mu.TryLock() {
			continue
		}
		if since := time.Since(u.used); since >= forgotten || since >= unused && u.offset == 0 {
			_ = u.pause()
			u.end()
		} else if since >= idle {
			_ = u.pause()
		}
		u.mu.Unlock()
	}
	s.tags.forget("")
}

package store

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// uploads knows those that are under way: that something has come of. What they
// have is in the storage, so that one can go on after a restart; only a hash has
// to be made again then. Of an upload that was merely asked for nothing is kept,
// see uploadIDs.
type uploads struct {
	s   *Store
	ids *uploadIDs
	// maxAll and maxEach bound how many there are, and of one client.
	maxAll, maxEach int

	mu     sync.Mutex
	all    map[string]*Upload // by repository/id
	each   map[string]int     // by client
	looked time.Time          // for room
}

const (
	// Some 600 bytes each are remembered.
	maxUploads       = 1 << 14
	maxClientUploads = 1 << 12

	// How long an upload may rest until its file is closed, until it is forgotten
	// where room is needed, and until it is forgotten at all. It can go on from
	// what the storage has.
	uploadIdle      = time.Minute
	uploadForgotten = time.Hour
)

func newUploads(s *Store) *uploads {
	return &uploads{s: s, ids: newUploadIDs(), maxAll: maxUploads, maxEach: maxClientUploads,
		all: map[string]*Upload{}, each: map[string]int{}}
}

type clientKey struct{}

// WithClient says who asks for what is done with a context: a name by which the
// uploads of one client are counted.
func WithClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

func clientOf(ctx context.Context) string {
	client, _ := ctx.Value(clientKey{}).(string)
	return client
}

// StartUpload begins an upload to a repository. Nothing is kept of it before its
// first byte.
func (s *Store) StartUpload(repo string) *Upload {
	return &Upload{ID: s.uploads.ids.make(repo, digest.SHA256), Repo: repo, s: s, used: time.Now(), hash256: sha256.New()}
}

// UploadRoom fails with oci.CodeTooMany when the client of a context has as many uploads
// under way as it may have, or all clients together have: there is no point in
// sending anything.
func (s *Store) UploadRoom(ctx context.Context) error {
	return s.uploads.room(clientOf(ctx))
}

// Upload returns an upload that was begun, also before a restart.
//
// Errors: oci.CodeBlobUploadUnknown, oci.CodeTooMany.
func (s *Store) Upload(ctx context.Context, repo, id string) (*Upload, error) {
	if !isUploadID(id) {
		return nil, errUploadUnknown
	}
	if u := s.uploads.get(repo, id); u != nil {
		return u, nil
	}
	if a, ok := s.uploads.ids.fresh(repo, id); ok {
		u := &Upload{ID: id, Repo: repo, s: s, used: time.Now(), hash256: sha256.New()}
		if a == digest.SHA512 {
			u.hash512 = sha512.New()
		}
		return u, nil
	}
	if u := s.uploads.get(repo, id); u != nil { // it was begun just now
		return u, nil
	}
	if err := s.UploadRoom(ctx); err != nil {
		return nil, err
	}
	return s.uploads.stored(ctx, repo, id)
}

var errUploadUnknown = fault(oci.CodeBlobUploadUnknown, "no such upload: it was finished, cancelled or abandoned")

// stored returns an upload of which only the storage knows.
func (us *uploads) stored(ctx context.Context, repo, id string) (*Upload, error) {
	u := &Upload{ID: id, Repo: repo, s: us.s, client: clientOf(ctx), known: true, used: time.Now()}
	u.mu.Lock()
	defer u.leave()
	if err := u.enter(ctx); err != nil {
		return nil, err
	}
	// Opened to be appended to, which shows parts that a service has of it and
	// does not list yet.
	w, err := us.s.driver.Writer(context.WithoutCancel(ctx), uploadPath(repo, id), true)
	if missing(err) {
		return nil, errUploadUnknown
	}
	if err != nil {
		return nil, err
	}
	if w.Size() == 0 { // nobody began it, or nothing of it came through
		_ = w.Cancel(ctx)
		_ = us.s.remove(ctx, uploadPath(repo, id))
		return nil, errUploadUnknown
	}
	u.writer, u.offset = w, w.Size()
	u.seen.Store(u.offset)
	if known, added := us.add(u); !added { // another request has just found it
		return known, u.pause()
	}
	return u, nil
}

func (us *uploads) get(repo, id string) *Upload {
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.all[repo+"/"+id]
}

// add returns the upload that is known, and whether it is the one given.
func (us *uploads) add(u *Upload) (known *Upload, added bool) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if known := us.all[u.key()]; known != nil {
		return known, false
	}
	us.insert(u)
	return u, true
}

// insert is add for the holder of mu.
func (us *uploads) insert(u *Upload) {
	us.all[u.key()] = u
	us.each[u.client]++
}

func (u *Upload) key() string { return u.Repo + "/" + u.ID }

// begin makes an upload known before its first byte is stored.
//
// Errors: oci.CodeBlobUploadInvalid, oci.CodeBlobUploadUnknown, oci.CodeTooMany.
func (us *uploads) begin(ctx context.Context, u *Upload) error {
	client := clientOf(ctx)
	if err := us.room(client); err != nil {
		return err
	}
	us.mu.Lock()
	defer us.mu.Unlock()
	if !us.ids.begin(u.Repo, u.ID) { // another request was faster
		u.ended = true
		if us.all[u.key()] != nil {
			return errBusy
		}
		return errUploadUnknown
	}
	u.client, u.known = client, true
	us.insert(u)
	return nil
}

// room fails with oci.CodeTooMany where there is none for one more upload of a client.
// Those that rest make room: of the client, if it is the one that has too many.
func (us *uploads) room(client string) error {
	all, each := us.fits(client)
	if all && each {
		return nil
	}
	if us.mayLook() {
		us.forget(uploadIdle, func(u *Upload) bool { return !all || u.client == client })
		if all, each = us.fits(client); all && each {
			return nil
		}
	}
	return fault(oci.CodeTooMany, "too many uploads are under way: finish or cancel some, or come again")
}

// fits reports whether all clients together may have one more, and a client may.
func (us *uploads) fits(client string) (all, each bool) {
	us.mu.Lock()
	defer us.mu.Unlock()
	return len(us.all) < us.maxAll, us.each[client] < us.maxEach
}

// mayLook is true once a second: to look for uploads that rest takes its time.
func (us *uploads) mayLook() bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	if time.Since(us.looked) < time.Second {
		return false
	}
	us.looked = time.Now()
	return true
}

// forget forgets the uploads that rest for so long.
func (us *uploads) forget(idle time.Duration, which func(*Upload) bool) {
	for _, u := range us.snapshot() {
		if which(u) {
			u.rest(idle, func() { us.remove(u); u.ended = true })
		}
	}
}

// end is for an upload that nobody can go on with.
func (us *uploads) end(u *Upload) {
	if !u.known {
		us.ids.begin(u.Repo, u.ID)
		return
	}
	us.remove(u)
}

func (us *uploads) remove(u *Upload) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.all[u.key()] != u {
		return
	}
	delete(us.all, u.key())
	if us.each[u.client]--; us.each[u.client] == 0 {
		delete(us.each, u.client)
	}
}

func (us *uploads) snapshot() []*Upload {
	us.mu.Lock()
	defer us.mu.Unlock()
	return slices.Collect(maps.Values(us.all))
}

// close keeps what all uploads have.
func (us *uploads) close() (err error) {
	for _, u := range us.snapshot() {
		err = errors.Join(err, u.settle())
	}
	return err
}

// settle waits for the request that is at an upload, and keeps what the upload has.
func (u *Upload) settle() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.pause()
}

// purge removes the uploads of a repository that are idle for as long as delay,
// and returns how many there were. Those that a request is at are not, and those
// that cannot be opened now are left to another time.
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
		if !dryRun {
			gone, err := us.abandon(ctx, repo, id)
			if err != nil {
				return n, err
			}
			if !gone {
				continue
			}
		}
		n++
	}
	return n, nil
}

// abandon removes an upload, unless somebody came back to it, and reports whether
// it is gone. One that is merely hard to open has what its client was told that it
// has, and stays.
func (us *uploads) abandon(ctx context.Context, repo, id string) (gone bool, err error) {
	u := us.get(repo, id)
	if u == nil {
		if u, err = us.stored(ctx, repo, id); err != nil {
			return us.abandonClosed(ctx, repo, id, err)
		}
	}
	if !u.take() {
		return false, nil
	}
	defer u.release()
	return true, u.cancel(ctx)
}

// abandonClosed is abandon for an upload that cannot be opened, and why. It is
// nobody's if the storage has none of it, or a directory, as other programs make it.
func (us *uploads) abandonClosed(ctx context.Context, repo, id string, why error) (gone bool, err error) {
	if !errors.Is(why, errUploadUnknown) {
		info, err := us.s.driver.Stat(ctx, uploadPath(repo, id))
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil || !info.IsDir() {
			us.s.log.Warn("an abandoned upload cannot be opened, and is left to the next collection", "repository", repo, "error", why)
			return false, nil
		}
	}
	return true, us.s.remove(ctx, uploadPath(repo, id))
}

func (us *uploads) idle(ctx context.Context, repo, id string, delay time.Duration) (bool, error) {
	if u := us.get(repo, id); u != nil {
		old := false
		u.rest(delay, func() { old = true })
		return old, nil
	}
	info, err := us.s.driver.Stat(ctx, uploadPath(repo, id))
	if missing(err) {
		return true, nil
	}
	return err == nil && us.s.claims.age(info.ModTime()) >= delay, err
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

// Tidy closes the files of uploads that nobody is at, and forgets those that are
// idle for long: what they have is in the storage, and they can go on all the
// same. It is called now and then.
func (s *Store) Tidy() {
	s.claims.tidy()
	s.uploads.forget(uploadForgotten, func(*Upload) bool { return true })
	for _, u := range s.uploads.snapshot() {
		u.rest(uploadIdle, func() {})
	}
	s.tags.tidy()
}

package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/time/rate"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Scrub is one pass over all blobs.
type Scrub struct {
	Rate int64 // bytes read per second at most; 0 for no limit
	// Progress keeps how far the pass came, so that it goes on there when it was
	// stopped; nil forgets.
	Progress Progress
}

// Progress is a small document that outlives the process.
type Progress interface {
	Read() ([]byte, error) // empty when there is none
	Write([]byte) error
}

// Damage is a blob that is not what its digest says, or cannot be read: it is kept in
// quarantine and not served. Or tags lead to it, and it is missing.
type Damage struct {
	Digest  digest.Digest `json:"digest"`
	Missing bool          `json:"missing,omitempty"` // or a repository lacks its link to it
	// Size is what its content has at most, in bytes: what manifests say, else what is
	// in quarantine or, where that is less, a manifest may have.
	Size   int64   `json:"size"`
	Places []Place `json:"places"` // that need it; none when nothing does
}

// Place is a repository that needs a blob.
type Place struct {
	Repository string   `json:"repository"`
	Tags       []string `json:"tags"` // that lead to it
}

// Scrubbed tells how a pass went.
type Scrubbed struct {
	Blobs   int      `json:"blobs"` // read, in all sittings of the pass
	Bytes   int64    `json:"bytes"`
	Resumed bool     `json:"resumed"` // the pass began in an earlier sitting
	Damaged []Damage `json:"damaged"` // also what earlier passes found
	// Lost are tags that lead to no manifest, though not for damage that is in Damaged.
	Lost []LostTag `json:"lost,omitempty"`
	// Unreadable counts blobs that could not be verified, for a reason that need not
	// be damage: the log has it.
	Unreadable int           `json:"unreadable"`
	Duration   time.Duration `json:"duration_ns"`
}

// ErrScrubbing means that the blobs are being verified already.
var ErrScrubbing = errors.New("the blobs are being verified already")

// position is what Progress keeps.
type position struct {
	Next  string `json:"next"` // hex from which to go on; "" for a new pass
	Blobs int    `json:"blobs"`
	Bytes int64  `json:"bytes"`

	Unreadable int `json:"unreadable,omitempty"`
}

// saveEvery bounds what is read again after a stop.
const saveEvery = 5 * time.Second

// quarantinePath is where damaged content is kept for whoever wants to look
// into it.
func quarantinePath(d digest.Digest) string {
	return path.Join(root, "quarantine", d.Algorithm().String(), d.Encoded())
}

// Scrub reads every blob and compares it with its digest, in the order of
// digests. What is damaged goes to quarantine: a client is told that it is not
// there, and pushing it again mends it. When ctx is done the pass stops, and
// another call goes on with it.
//
// Errors: ErrScrubbing.
func (s *Store) Scrub(ctx context.Context, o Scrub) (Scrubbed, error) {
	if !s.scrubbing.TryLock() {
		return Scrubbed{}, ErrScrubbing
	}
	defer s.scrubbing.Unlock()
	began := time.Now()
	p := newPass(s)
	p.o = o
	if o.Rate > 0 {
		p.limit = rate.NewLimiter(rate.Limit(o.Rate), max(int(o.Rate), len(p.buffer)))
	}
	p.restore()
	report := Scrubbed{Resumed: p.at.Next != ""}
	err := p.all(ctx)
	report.Blobs, report.Bytes, report.Unreadable = p.at.Blobs, p.at.Bytes, p.at.Unreadable
	if err == nil {
		report.Damaged, report.Lost, err = s.damage(ctx)
	}
	report.Duration = time.Since(began)
	return report, err
}

// pass is the state of a scrub.
type pass struct {
	s      *Store
	o      Scrub
	limit  *rate.Limiter // nil for none
	buffer []byte
	at     position
	saved  time.Time
}

func newPass(s *Store) *pass { return &pass{s: s, buffer: make([]byte, 256<<10)} }

func (p *pass) restore() {
	if p.o.Progress == nil {
		return
	}
	data, err := p.o.Progress.Read()
	if err != nil || len(data) == 0 {
		return
	}
	if json.Unmarshal(data, &p.at) != nil || p.at.Next != "" && digest.NewDigestFromEncoded(digest.SHA256, p.at.Next).Validate() != nil {
		p.at = position{}
	}
}

// save notes that everything before next was read; "" ends the pass.
func (p *pass) save(next string) {
	p.at.Next = next
	if p.o.Progress == nil || next != "" && time.Since(p.saved) < saveEvery {
		return
	}
	p.saved = time.Now()
	at := p.at
	if next == "" {
		at = position{}
	}
	data, err := json.Marshal(at)
	if err == nil {
		err = p.o.Progress.Write(data)
	}
	if err != nil {
		p.s.log.Warn("the progress of verifying blobs cannot be kept", "error", err)
	}
}

func (p *pass) all(ctx context.Context) error {
	dirs, err := p.s.list(ctx, blobsPath(digest.SHA256))
	if err != nil {
		return err
	}
	slices.Sort(dirs)
	from := p.at.Next
	for _, dir := range dirs {
		if len(dir) != 2 || from != "" && dir < from[:2] {
			continue
		}
		hexes, err := p.s.list(ctx, path.Join(blobsPath(digest.SHA256), dir))
		if err != nil {
			return err
		}
		slices.Sort(hexes)
		for _, hex := range hexes {
			d := digest.NewDigestFromEncoded(digest.SHA256, hex)
			if hex < from || d.Validate() != nil {
				continue
			}
			p.save(hex)
			if err := p.blob(ctx, d); err != nil {
				p.saved = time.Time{}
				p.save(hex)
				return err
			}
		}
	}
	p.save("")
	return nil
}

// blob verifies one blob, and once more before it is condemned: the memory that
// it was read to may have been at fault.
func (p *pass) blob(ctx context.Context, d digest.Digest) error {
	var fault error
	for range 2 {
		n, ok, err := p.verify(ctx, d)
		switch {
		case missing(err):
			return nil // collected meanwhile
		case ctx.Err() != nil:
			return ctx.Err()
		case ok:
			p.at.Blobs++
			p.at.Bytes += n
			return nil
		}
		if err != nil {
			// A storage that is not there has not lost anything.
			if ready := p.s.Ready(ctx); ready != nil {
				return errors.Join(err, ready)
			}
		}
		fault = err
	}
	p.at.Blobs++
	if fault == nil || errors.Is(fault, syscall.EIO) {
		fault = p.quarantine(ctx, d)
	}
	if fault != nil && ctx.Err() == nil {
		// Too many open files, a service that is too busy: not the blob's fault.
		p.s.log.Error("a blob cannot be verified", "digest", d, "error", fault)
		p.at.Unreadable++
	}
	return ctx.Err()
}

// verify reports whether a blob is what its digest says. A directory is not.
func (p *pass) verify(ctx context.Context, d digest.Digest) (n int64, ok bool, err error) {
	r, err := p.s.driver.Reader(ctx, blobData(d), 0)
	if err != nil {
		return 0, false, err
	}
	defer r.Close()
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil { // not every storage looks at it
			return n, false, err
		}
		m, err := r.Read(p.buffer)
		h.Write(p.buffer[:m])
		n += int64(m)
		if p.limit != nil && m > 0 {
			if err := p.limit.WaitN(ctx, m); err != nil {
				return n, false, err
			}
		}
		if err == io.EOF {
			return n, digest.NewDigest(digest.SHA256, h) == d, nil
		}
		if errors.Is(err, syscall.EISDIR) {
			return n, false, nil
		}
		if err != nil {
			return n, false, err
		}
	}
}

// quarantine takes a damaged blob out of the way as soon as nobody is at it.
func (p *pass) quarantine(ctx context.Context, d digest.Digest) error {
	const wait = 20 * time.Millisecond
	for {
		if done, err := p.setAside(ctx, d); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// setAside takes a damaged blob out of the way. It does not, and is not done, while
// a push looks at it, nor before the end of a collection in which one did.
func (p *pass) setAside(ctx context.Context, d digest.Digest) (done bool, err error) {
	s := p.s
	if !s.claims.condemn(d) {
		return false, nil
	}
	defer s.claims.spare(d)
	// Those who were at it may have mended or removed it.
	if _, ok, err := p.verify(ctx, d); ok || missing(err) {
		return true, nil
	}
	s.log.Error("a blob is damaged and not served any more: push it again", "digest", d)
	err = s.driver.Move(ctx, blobData(d), quarantinePath(d))
	s.forgetBlobs()
	s.manifests.Remove(d)
	return true, err
}

// forgetBlobs forgets what the storage may have otherwise now, whichever
// repositories have it and whoever just looked at it.
func (s *Store) forgetBlobs() {
	defer s.blobLocks.lockAll()()
	s.blobs.Purge()
}

// Restore puts back the content of a blob or manifest that was lost, and the links of
// it that the last scrub missed.
//
// Errors: oci.CodeDigestInvalid.
func (s *Store) Restore(ctx context.Context, d digest.Digest, r io.Reader) error {
	u := s.StartUpload("restored")
	if _, err := u.Append(ctx, r, -1); err != nil {
		return errors.Join(err, u.Cancel(ctx))
	}
	return u.restore(ctx, d)
}

// restore is Commit without a repository that has the blob.
func (u *Upload) restore(ctx context.Context, want digest.Digest) error {
	if !u.take() {
		return errBusy
	}
	defer u.release()
	if err := u.rehash(ctx, digest.SHA256); err != nil {
		return err
	}
	if got := digest.NewDigest(digest.SHA256, u.hash256); got != want {
		return errors.Join(fault(oci.CodeDigestInvalid, "the content has another digest: %s", got), u.cancel(ctx))
	}
	defer u.s.claims.hold(want)()
	if err := u.store(ctx); err != nil {
		return err
	}
	if err := u.s.referAgain(ctx, want); err != nil {
		return err
	}
	if err := u.s.publish(ctx, uploadPath(u.Repo, u.ID), blobData(want), u.s.absent.links(want)...); err != nil {
		return err
	}
	u.end()
	u.s.manifests.Remove(want)
	u.s.verdicts.forget(want)
	if err := u.s.remove(ctx, quarantinePath(want)); err != nil {
		return err
	}
	return u.s.referAgain(ctx, want)
}

// referAgain makes the index of referrers anew where a manifest is one that comes
// back, which an index made without it does not have. It is called before, as this
// process may end in between, and after, as the index may be made in between.
func (s *Store) referAgain(ctx context.Context, canonical digest.Digest) error {
	var repos []string
	if err := s.eachRepository(ctx, func(repo string, _ []string) { repos = append(repos, repo) }); err != nil {
		return err
	}
	for _, repo := range repos {
		if _, err := s.link(ctx, revisionLink(repo, canonical)); err == nil {
			if err := s.referrers.invalidate(ctx, repo); err != nil {
				return err
			}
		}
	}
	return nil
}

package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/client/transport"
)

// Growing is content that is still being made.
type Growing interface {
	// Grown waits until there are at least size bytes, or all, and returns how many
	// there are.
	Grown(ctx context.Context, size int64) (int64, error)
	// Open gives the content from offset on, of which no more is read than there
	// is.
	Open(offset int64) (io.ReadCloser, error)
	// State returns what changes when what the content is made of does: another
	// process goes on only with what had the same.
	State() string
}

// Ahead sends a blob while it is made: its digest, by which all else is sent, is
// known only in the end. It sends to a repository without tags alone: any other may
// have the blob already, which only the digest tells.
type Ahead struct {
	content Growing
	upload  *upload
	// note is kept by the key that was given: where the upload stands, and once its
	// digest is known, that. From then on the upload has a note of its own, by the
	// digest, as any other.
	note    *note
	release func()
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the upload is left to Finish
	taken   bool          // by Finish
}

// Outcome is what became of content that was sent ahead.
type Outcome int

const (
	Interrupted Outcome = iota // somebody may go on with it
	Unwanted                   // nobody will
	Published                  // it is where it belongs, with all that it is a part of
)

// SendAhead begins to send content. Another process that sends what has the same
// key goes on where this one was killed. What goes wrong meanwhile is left to
// Finish. The result must be closed.
func (r *Repository) SendAhead(ctx context.Context, key string, content Growing) *Ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &Ahead{content: content, release: func() {}, cancel: cancel, ended: make(chan struct{})}
	a.upload = &upload{Repository: r, open: content.Open, piece: r.piece}
	if r.uploads.Journal != nil {
		a.note, a.release = r.openNote(key)
	}
	if r.uploads.Journal != nil && a.note == nil || a.note.read().Sent != "" {
		// Another process is at it, or nothing can be noted; or one that was killed had
		// sent it all, which is there.
		close(a.ended)
		return a
	}
	a.upload.note = a.note
	go func() {
		defer close(a.ended)
		a.send(ctx)
	}()
	return a
}

// maxBroken is how often in a row a piece may break before the rest is left to
// Finish.
const maxBroken = 4

// send sends pieces for as long as there are more to come. The last one is left to
// Finish.
func (a *Ahead) send(ctx context.Context) {
	u, least := a.upload, a.upload.piece
	if size, err := a.content.Grown(ctx, least); err != nil || size < least {
		return // no time is won by it
	}
	if !a.open(ctx) {
		return
	}
	for broken := 0; ; {
		if u.uncertain && !a.find(ctx) {
			return
		}
		least = max(least, u.least)
		size, err := a.content.Grown(ctx, u.offset+least)
		if err != nil || size < u.offset+least {
			return
		}
		u.blob.Size = size
		if err = u.patch(ctx); err == nil {
			broken = 0
			continue
		}
		u.uncertain = true
		if broken++; broken > maxBroken || !transport.Transient(err) || u.client.Pause(ctx, broken-1) != nil {
			return
		}
	}
}

// open finds the upload that another process has left, or begins one, unless there
// are tags.
func (a *Ahead) open(ctx context.Context) bool {
	u, state := a.upload, a.content.State()
	if a.note != nil {
		last := a.note.read()
		u.location, u.least, a.note.state = a.note.location(), last.Least, state
		u.piece = max(u.piece, u.least)
		if u.location != nil && last.State != state {
			a.drop(ctx)
		}
	}
	err := u.Tags(ctx, Page{Limit: 1}, func([]string) error { return errTagged })
	free := err == nil || Missing(err)
	if u.location != nil {
		u.uncertain, u.doubtful, u.inherited = true, true, true
		return free
	}
	return free && a.begin(ctx)
}

// errTagged ends a look for tags; no caller sees it.
var errTagged = errors.New("there are tags")

func (a *Ahead) begin(ctx context.Context) bool {
	err := a.upload.begin(ctx)
	a.upload.failed = nil // Finish begins again
	return err == nil && a.upload.location != nil
}

// find asks how much the registry has, and begins anew where it does not know the
// upload any more, or another process's cannot be asked about.
func (a *Ahead) find(ctx context.Context) bool {
	u := a.upload
	offset, err := u.where(ctx)
	switch {
	case err == nil:
		u.offset, u.uncertain = offset, false
		return true
	case transport.Transient(err) || !gone(err) && !u.inherited || u.fresh >= maxFresh:
		return false
	}
	u.fresh++
	u.disinherit()
	return a.begin(ctx)
}

// Finish sends what is left of the content, now that all of it is there: PutBlob
// for content that was sent ahead.
func (a *Ahead) Finish(ctx context.Context, d ocispec.Descriptor, open Content) error {
	<-a.ended
	u := a.upload
	if a.taken { // once more: what was sent is of no use
		_, err := u.PutBlob(ctx, d, open, "")
		return err
	}
	a.taken = true
	u.blob, u.open = d, open
	if u.offset > d.Size { // of something else
		a.drop(ctx)
	}
	done := u.remember()
	defer done()
	if u.location != nil {
		u.note.record(u)
	}
	a.note.settle(d.Digest)
	_, err := u.run(ctx)
	return err
}

// Close ends the sending. What was sent for nothing is given up.
func (a *Ahead) Close(ctx context.Context, outcome Outcome) {
	defer a.release()
	a.cancel()
	<-a.ended
	if outcome != Interrupted && !a.taken {
		a.drop(ctx)
	}
	if outcome == Published {
		a.note.forget()
	}
}

// dropTime bounds what is only a kindness to the registry.
const dropTime = 5 * time.Second

// drop lets go of the upload, and lets the registry know.
func (a *Ahead) drop(ctx context.Context) {
	u := a.upload
	if u.location != nil {
		ctx, cancel := context.WithTimeout(ctx, dropTime)
		defer cancel()
		if resp, err := u.do(ctx, request{method: http.MethodDelete, url: u.location}, http.StatusNoContent); err == nil {
			discard(resp)
		}
	}
	u.disinherit()
	a.note.forget()
}

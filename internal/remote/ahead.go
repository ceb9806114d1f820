package remote

import (
	"context"
	"errors"
	"io"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Growing is content that is still being made.
type Growing interface {
	// Grown waits until there are at least size bytes, or all, and returns how many
	// there are.
	Grown(ctx context.Context, size int64) (int64, error)
	// Open gives the content from offset on, of which no more is read than there
	// is.
	Open(offset int64) (io.ReadCloser, error)
}

// Ahead sends a blob while it is made: its digest, by which all else is sent, is
// known only in the end. It sends to a repository without tags alone: any other may
// have the blob already, which only the digest tells.
type Ahead struct {
	content Growing
	upload  *upload
	note    *note // by the key; nil for none
	release func()
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the upload is left to Finish
	taken   bool          // by Finish
}

// SendAhead begins to send content. Another process that sends what has the same
// key goes on where this one was killed; content that turns out to be another is
// sent anew. What goes wrong meanwhile is left to Finish. The result must be closed.
func (r *Repository) SendAhead(ctx context.Context, key string, content Growing) *Ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &Ahead{content: content, release: func() {}, cancel: cancel, ended: make(chan struct{})}
	a.upload = &upload{Repository: r, open: content.Open, piece: r.piece}
	if r.uploads.Journal != nil {
		a.note, a.release = r.uploads.Journal.open(r.base.Host, r.name, key)
	}
	if r.uploads.Journal != nil && a.note == nil || a.note.sent() != "" {
		// Another process is at it, or one that was killed had sent it all: it may be
		// there.
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

// send sends pieces for as long as there are more to come. The last one is left to
// Finish.
func (a *Ahead) send(ctx context.Context) {
	u := a.upload
	least := u.piece
	if size, err := a.content.Grown(ctx, least); err != nil || size < least {
		return // no time is won by it
	}
	if !a.goOn(ctx) && !a.begin(ctx) {
		return
	}
	for {
		least = max(least, u.least)
		size, err := a.content.Grown(ctx, u.offset+least)
		if err != nil || size < u.offset+least {
			return
		}
		u.blob.Size = size
		if err := u.patch(ctx); err != nil {
			u.uncertain = true
			return
		}
	}
}

// goOn finds the upload that another process has left.
func (a *Ahead) goOn(ctx context.Context) bool {
	u := a.upload
	if u.location = a.note.location(); u.location == nil {
		return false
	}
	var err error
	if u.offset, err = u.where(ctx); err != nil {
		u.location, u.offset = nil, 0
	}
	return err == nil
}

// begin opens an upload where there is nothing yet.
func (a *Ahead) begin(ctx context.Context) bool {
	err := a.upload.Tags(ctx, Page{Limit: 1}, func([]string) error { return errTagged })
	if err != nil && !Missing(err) {
		return false
	}
	err = a.upload.begin(ctx)
	a.upload.failed = nil // Finish begins again
	return err == nil && a.upload.location != nil
}

// errTagged ends a look for tags; no caller sees it.
var errTagged = errors.New("there are tags")

// Finish sends what is left of the content, now that all of it is there: PutBlob
// for content that was sent ahead.
func (a *Ahead) Finish(ctx context.Context, d ocispec.Descriptor, open Content) error {
	<-a.ended
	a.taken = true
	u := a.upload
	u.blob, u.open = d, open
	if u.offset > d.Size { // of other content
		u.location, u.offset = nil, 0
	}
	done := u.remember()
	defer done()
	if u.location != nil {
		u.note.record(u.location)
		a.note.settle(d.Digest)
	}
	_, err := u.run(ctx)
	return err
}

// Close ends the sending. published is whether all that the content is a part of
// is where it belongs. An upload that is of no use is given up; one that can be
// gone on with is not.
func (a *Ahead) Close(ctx context.Context, published bool) {
	defer a.release()
	a.cancel()
	<-a.ended
	if published || !a.taken && ctx.Err() == nil {
		a.note.forget()
	}
	if location := a.upload.location; location != nil && !a.taken && ctx.Err() == nil {
		if resp, err := a.upload.do(ctx, request{method: http.MethodDelete, url: location}, http.StatusNoContent); err == nil {
			discard(resp)
		}
	}
}

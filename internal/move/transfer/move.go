package transfer

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/content/layout"
)

// pauser is a source that wants to be left alone for a while after a failure.
type pauser interface {
	Pause(ctx context.Context, retry int) error
}

// blob moves one blob unless it is there.
func (g *graph) blob(ctx context.Context, d ocispec.Descriptor) error {
	event := Event{Name: d.Annotations[ocispec.AnnotationTitle], Digest: d.Digest, Total: d.Size}
	has := false
	err := g.slots.do(ctx, 0, func() (err error) {
		has, err = g.dst.Has(ctx, d)
		return g.dstErr(err)
	})
	if err != nil {
		return err
	}
	if has {
		event.Step = Present
		g.events.send(event)
		return nil
	}
	event.Step = g.step
	return g.slots.do(ctx, d.Size, func() error {
		err := g.put(ctx, d, event)
		if fault, ok := errors.AsType[*diag.Diagnostic](err); ok && fault.Code == diag.DigestMismatch && ctx.Err() == nil {
			err = g.put(ctx, d, event) // once more: it may have been damaged on the way
			if src, ok := g.src.(checker); ok && err != nil {
				if fault := src.Check(ctx, d); fault != nil {
					err = g.srcErr(fault)
				}
			}
		}
		return err
	})
}

// checker is a source that may have other content than a digest says, which whoever
// takes it tells first, and puts down to the way: see layout.Layout.
type checker interface {
	Check(ctx context.Context, d ocispec.Descriptor) error
}

// verifier is a source that verifies blobs, which it gives from their beginning: see
// layout.Verified.
type verifier interface {
	Verified(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error)
}

// put moves a blob that is not there.
func (g *graph) put(ctx context.Context, d ocispec.Descriptor, event Event) error {
	var failed failure
	if src, ok := g.src.(verifier); ok {
		err := g.dst.PutBlob(ctx, d, func(int64) (io.ReadCloser, error) {
			body, err := src.Verified(ctx, d)
			failed.set(err)
			if _, isFile := body.(*os.File); err == nil && !isFile {
				body = &telling{body, &failed}
			}
			return layout.Verified{ReadCloser: body}, err
		})
		return g.moved(d, err, failed.get())
	}
	err := g.dst.PutBlob(ctx, d, func(offset int64) (io.ReadCloser, error) {
		event.Done = offset
		body := &steady{ctx: ctx, offset: offset, end: d.Size, open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
			return g.src.Blob(ctx, d, offset)
		}}
		if p, ok := g.src.(pauser); ok {
			body.pause = p.Pause
		}
		return &watched{ReadCloser: body, event: event, events: g.events, failed: &failed}, nil
	})
	return g.moved(d, err, failed.get())
}

// moved says how a move ended: err is the target's, cause what reading failed
// with.
func (g *graph) moved(d ocispec.Descriptor, err, cause error) error {
	switch {
	case err == nil || cause == nil:
		return g.dstErr(err)
	case missing(cause) && len(d.URLs) > 0:
		return nil // kept elsewhere by its publisher
	case missing(cause):
		return lost(d)
	}
	return g.srcErr(cause)
}

// missing reports whether a source does not have what it was asked for.
func missing(err error) bool {
	d, ok := errors.AsType[*diag.Diagnostic](err)
	return remote.Missing(err) || ok && d.Code == diag.NotFound
}

// lost says that a registry does not have a blob that a manifest of it names.
func lost(d ocispec.Descriptor) error {
	what := d.Digest.String()
	if title := d.Annotations[ocispec.AnnotationTitle]; title != "" {
		what = title + " (" + what + ")"
	}
	return diag.Errorf(diag.DigestMismatch, "the registry has lost %s, which the manifest names", what).
		WithHint("push the artifact again: what is lost is sent again")
}

// failure keeps what reading failed with, which writing may tell otherwise.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) set(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// telling tells what reading failed with, closing included.
type telling struct {
	io.ReadCloser
	failed *failure
}

func (t *telling) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil && err != io.EOF { // itself: a connection that is cut wraps it
		t.failed.set(err)
	}
	return n, err
}

func (t *telling) Close() error {
	err := t.ReadCloser.Close()
	if err != nil && t.failed.get() == nil {
		t.failed.set(err)
	}
	return err
}

// watched tells of the bytes that pass.
type watched struct {
	io.ReadCloser
	event  Event
	events Events
	failed *failure
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.event.Done += int64(n)
		w.events.send(w.event)
	}
	if err != nil && err != io.EOF && !errors.Is(err, errClosed) {
		w.failed.set(err)
	}
	return n, err
}

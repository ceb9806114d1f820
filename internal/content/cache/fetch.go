package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/filelock"
)

// poll is how often one who waits looks whether the blob is there, or whoever
// fetches it has gone.
const poll = 50 * time.Millisecond

// Fetch returns the content that d describes, verified. Where it is not there,
// fetch is called to write what is missing into a partial, by one caller at a
// time among all goroutines and processes; the others wait. What an interrupted
// fetch has written need not be fetched again.
//
// fetch returns when nobody writes for it any more. It is called a second time,
// with an empty partial, when the beginning that an earlier process left turns
// out to be wrong: readers of the first have failed then.
//
// Errors: fetch's, io.ErrUnexpectedEOF when that returned before all was there,
// and diag.DigestMismatch when what it wrote is not what the digest says, of
// which nothing is kept. An error of fetch is returned also when the content is
// complete, and kept.
func (c *Cache) Fetch(ctx context.Context, d ocispec.Descriptor, fetch func(context.Context, *Partial) error) (*Blob, error) {
	for waited := false; ; waited = true {
		if b, err := c.Blob(ctx, d, true); b != nil || err != nil {
			return b, err
		}
		l, err := c.tryLock(d.Digest)
		if err != nil {
			return nil, c.fault(err)
		}
		if l != nil {
			defer l.release()
			return c.fetchLocked(ctx, d, fetch)
		}
		if !waited {
			c.events.send(Event{Step: Waiting, Digest: d.Digest})
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fetchLocked is Fetch for the holder of the lock.
func (c *Cache) fetchLocked(ctx context.Context, d ocispec.Descriptor, fetch func(context.Context, *Partial) error) (*Blob, error) {
	// It may have come between the look for it and the lock.
	if b, err := c.Blob(ctx, d, true); b != nil || err != nil {
		return b, err
	}
	for {
		p, err := c.openPartial(d)
		if err != nil {
			return nil, c.fault(err)
		}
		if p.resumed > 0 {
			c.events.send(Event{Step: Resumed, Digest: d.Digest, Done: p.resumed})
		}
		err = p.fill(ctx, fetch)
		if err == nil {
			return &Blob{file: p.file, size: d.Size}, nil
		}
		p.file.Close()
		fault, ok := errors.AsType[*diag.Diagnostic](err)
		if _, broken := p.outcome(); !ok || fault.Code != diag.DigestMismatch || !broken || p.resumed == 0 {
			return nil, err
		}
		// Once more, with nothing: the partial is gone.
	}
}

// fill calls fetch and verifies behind it. Afterwards the partial is a blob, is
// left for another fetch, or is gone.
func (p *Partial) fill(ctx context.Context, fetch func(context.Context, *Partial) error) error {
	verified := make(chan struct{})
	go func() {
		defer close(verified)
		p.end(p.verify(ctx))
	}()
	err := fetch(ctx, p)
	if missing := p.Missing(); len(missing) > 0 {
		if err == nil {
			err = fmt.Errorf("the content of %s ends at byte %d of %d: %w", p.desc.Digest, missing[0].Start, p.desc.Size, io.ErrUnexpectedEOF)
		}
		p.end(err)
	}
	<-verified
	ended, broken := p.outcome()
	switch {
	case ended == nil:
		if failed := p.publish(); err == nil {
			err = failed
		}
		return err
	case broken:
		p.discard()
		return ended // and not what fetch made of it
	}
	_ = p.record() // without it more is fetched again
	if err == nil {
		err = ended
	}
	return err
}

// publish gives a complete and verified partial its name as a blob.
func (p *Partial) publish() error {
	if err := p.cache.name(partialName(p.desc.Digest), blobName(p.desc.Digest)); err != nil {
		p.discard()
		return p.cache.fault(err)
	}
	_ = p.cache.remove(recordName(p.desc.Digest)) // else Prune does
	return nil
}

// discard removes a partial of which nothing is to be used again.
func (p *Partial) discard() {
	p.file.Close()
	// The record first: one without its file would vouch for another.
	_ = p.cache.remove(recordName(p.desc.Digest))
	_ = p.cache.remove(partialName(p.desc.Digest))
}

// lock is the right to write the partial of one blob. The system releases it
// when the process ends, however it ends.
type lock struct {
	*filelock.Lock
	cache *Cache
	d     digest.Digest
}

// tryLock returns nil when another process, or another goroutine, holds the lock.
func (c *Cache) tryLock(d digest.Digest) (*lock, error) {
	if err := c.writable(partialDir); err != nil {
		return nil, err
	}
	l, err := filelock.Try(c.path(lockName(d)), fileMode)
	if l == nil || err != nil {
		return nil, err
	}
	return &lock{Lock: l, cache: c, d: d}, nil
}

func lockName(d digest.Digest) string { return partialName(d) + ".lock" }

// release removes the file unless there is a partial that it goes with. Where
// files that are open cannot be removed, Prune does.
func (l *lock) release() {
	if _, err := l.cache.root.Lstat(partialName(l.d)); os.IsNotExist(err) {
		l.Remove()
		return
	}
	l.Release()
}

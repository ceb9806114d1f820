package storage

import (
	"context"
	"errors"
	"time"
)

// errSilent is why a patience ended when it was not its caller who ended it.
var errSilent = errors.New("no answer in time")

// patience is a context that ends when one wait takes longer than its limit.
// Unlike a deadline it bounds no whole transfer: the time between two waits, in
// which a client takes or sends, does not count.
type patience struct {
	context.Context
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer
}

// newPatience returns a patience, which lasts until end is called.
func newPatience(ctx context.Context, limit time.Duration) *patience {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &patience{Context: ctx, cancel: cancel, limit: limit}
	p.timer = time.AfterFunc(limit, func() { cancel(errSilent) })
	p.pause()
	return p
}

// wait runs f, which uses the context, within the limit.
func (p *patience) wait(f func() error) error {
	p.resume()
	defer p.pause()
	return f()
}

func (p *patience) resume() { p.timer.Reset(p.limit) }
func (p *patience) pause()  { p.timer.Stop() }

// end gives back what the context holds.
func (p *patience) end() {
	p.pause()
	p.cancel(nil)
}

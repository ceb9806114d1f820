package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/quota"
)

// writers bounds the files, or the buffers of a service, that uploads have open.
// Each request at work on an upload has a slot. Between two requests a few stay
// open, for a service that has to be asked where an upload stands takes its time;
// the one that was used least recently makes way.
type writers struct {
	slots *quota.Quota
	rests int // how many stay open between two requests

	mu   sync.Mutex
	idle []*Upload // with an open writer and no request; the last used at the end
}

const (
	defaultWriters = 256
	maxIdleWriters = 32
)

// newWriters bounds them to n in all.
func newWriters(n int) *writers {
	if n <= 0 {
		n = defaultWriters
	}
	rests := max(1, min(maxIdleWriters, n/4))
	return &writers{slots: quota.New(max(1, n-rests)), rests: rests}
}

// enter waits for a slot.
//
// Errors: oci.CodeTooMany.
func (ws *writers) enter(ctx context.Context, client string) error {
	err := ws.slots.Enter(ctx, client)
	if errors.Is(err, quota.ErrFull) {
		return fault(oci.CodeTooMany, "too many uploads are being sent at once: come again")
	}
	return err
}

func (ws *writers) leave(client string) { ws.slots.Leave(client) }

// park keeps the writer of an upload open, and closes the one that was used least
// recently when there are too many. The caller holds the upload.
func (ws *writers) park(u *Upload) {
	ws.mu.Lock()
	ws.idle = append(ws.idle, u)
	var old *Upload
	if len(ws.idle) > ws.rests {
		old = ws.idle[0]
		ws.idle = slices.Delete(ws.idle, 0, 1)
	}
	ws.mu.Unlock()
	if old != nil {
		old.rest(0, func() {}) // or a request is at it, and parks it again
	}
}

// unpark is park taken back.
func (ws *writers) unpark(u *Upload) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if i := slices.Index(ws.idle, u); i >= 0 {
		ws.idle = slices.Delete(ws.idle, i, i+1)
	}
}

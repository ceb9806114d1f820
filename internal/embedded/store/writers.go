package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

// writers bounds the files, or the buffers of a service, that uploads have open.
// Each request at work on an upload has a slot. Between two requests a few stay
// open, for a service that has to be asked where an upload stands takes its time;
// the one that was used least recently makes way.
type writers struct {
	most, each int // slots, and of them for one client
	patience   time.Duration

	mu      sync.Mutex
	used    int
	clients map[string]int // those with slots
	freed   chan struct{}  // closed when a slot becomes free; nil while nobody waits
	idle    []*Upload      // with an open writer and no request; the last used at the end
}

const (
	defaultWriters = 256
	maxIdleWriters = 32
	// writerPatience is how long a request waits for its slot.
	writerPatience = 10 * time.Second
)

func newWriters(n int) *writers {
	if n <= 0 {
		n = defaultWriters
	}
	return &writers{most: n, each: max(1, n/2), patience: writerPatience, clients: map[string]int{}}
}

// enter waits for a slot.
//
// Errors: TooMany.
func (ws *writers) enter(ctx context.Context, client string) error {
	var late <-chan time.Time
	for {
		freed, ok := ws.try(client)
		if ok {
			return nil
		}
		if late == nil {
			late = time.After(ws.patience)
		}
		select {
		case <-freed:
		case <-late:
			return fault(TooMany, "too many uploads are being sent at once: come again")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try takes a slot, or else returns what to wait for.
func (ws *writers) try(client string) (freed <-chan struct{}, ok bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.used < ws.most && ws.clients[client] < ws.each {
		ws.used++
		ws.clients[client]++
		return nil, true
	}
	if ws.freed == nil {
		ws.freed = make(chan struct{})
	}
	return ws.freed, false
}

func (ws *writers) leave(client string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.used--
	if ws.clients[client]--; ws.clients[client] == 0 {
		delete(ws.clients, client)
	}
	if ws.freed != nil {
		close(ws.freed)
		ws.freed = nil
	}
}

// park keeps the writer of an upload open, and closes the one that was used least
// recently when there are too many. The caller holds the upload.
func (ws *writers) park(u *Upload) {
	ws.mu.Lock()
	ws.idle = append(ws.idle, u)
	var old *Upload
	if len(ws.idle) > maxIdleWriters {
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

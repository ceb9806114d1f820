// Package quota bounds how much is under way at once, in all and for each client.
// It does not know what.
package quota

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull is the error of who waited for a place in vain.
var ErrFull = errors.New("too much is under way: come again")

// patience is how long a place is waited for.
const patience = 10 * time.Second

// Quota is a number of places. It may be used concurrently.
type Quota struct {
	most, each int

	mu      sync.Mutex
	used    int
	clients map[string]int // those with places
	freed   chan struct{}  // closed when a place becomes free; nil while nobody waits
}

// New returns a quota of so many places, half of which one client may have.
func New(most int) *Quota {
	return &Quota{most: most, each: max(1, most/2), clients: map[string]int{}}
}

// Enter waits for a place, which Leave gives back.
//
// Errors: ErrFull after some seconds, and that of ctx.
func (q *Quota) Enter(ctx context.Context, client string) error {
	var late <-chan time.Time
	for {
		freed, ok := q.try(client)
		if ok {
			return nil
		}
		if late == nil {
			late = time.After(patience)
		}
		select {
		case <-freed:
		case <-late:
			return ErrFull
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try takes a place, or else returns what to wait for.
func (q *Quota) try(client string) (freed <-chan struct{}, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used < q.most && q.clients[client] < q.each {
		q.used++
		q.clients[client]++
		return nil, true
	}
	if q.freed == nil {
		q.freed = make(chan struct{})
	}
	return q.freed, false
}

// Leave gives a place of a client back.
func (q *Quota) Leave(client string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used--
	if q.clients[client]--; q.clients[client] == 0 {
		delete(q.clients, client)
	}
	if q.freed != nil {
		close(q.freed)
		q.freed = nil
	}
}

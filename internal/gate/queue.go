package gate

import (
	"context"
	"net/netip"
	"sync"
)

// queue bounds expensive work. Of each client one piece runs or waits for a
// slot at a time, so that a flood from one leaves the others their turn.
type queue struct {
	slots chan struct{} // as many as pieces may run at once

	mu    sync.Mutex
	lanes map[netip.Prefix]*lane // by client: those with work
}

type lane struct {
	turn chan struct{} // holds a value while the lane is taken
	used int           // by work that runs or waits
}

func newQueue(slots int) *queue {
	return &queue{slots: make(chan struct{}, slots), lanes: map[netip.Prefix]*lane{}}
}

// enter waits for the turn of a client's work; the function that it returns ends
// it. The error is that of ctx.
func (q *queue) enter(ctx context.Context, client netip.Prefix) (leave func(), err error) {
	q.mu.Lock()
	l := q.lanes[client]
	if l == nil {
		l = &lane{turn: make(chan struct{}, 1)}
		q.lanes[client] = l
	}
	l.used++
	q.mu.Unlock()

	if err := take(ctx, l.turn); err != nil {
		q.done(client, l)
		return nil, err
	}
	if err := take(ctx, q.slots); err != nil {
		<-l.turn
		q.done(client, l)
		return nil, err
	}
	return func() {
		<-q.slots
		<-l.turn
		q.done(client, l)
	}, nil
}

func (q *queue) done(client netip.Prefix, l *lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.used--; l.used == 0 {
		delete(q.lanes, client)
	}
}

func take(ctx context.Context, c chan<- struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package quota

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who comes while too many are there waits for a turn, and not for ever.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(4)
		enter := func(client string) error { return q.Enter(t.Context(), client) }
		for range 2 {
			if err := enter("one"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := enter("one"); !errors.Is(err, ErrFull) || time.Since(began) != patience {
			t.Errorf("more than half: %v after %s", err, time.Since(began))
		}
		for _, client := range []string{"two", "three"} {
			if err := enter(client); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := q.Enter(ctx, "four"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that of the context", err)
		}
		got := make(chan error, 2)
		for range 2 {
			go func() { got <- enter("four") }()
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("more than there are places")
		}
		q.Leave("one")
		q.Leave("one")
		for range 2 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
		for _, client := range []string{"two", "three", "four", "four"} {
			q.Leave(client)
		}
		if q.used != 0 || len(q.clients) != 0 || q.freed != nil {
			t.Errorf("left: %+v", q)
		}
	})
}

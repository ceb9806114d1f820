//go:build unix

package registry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Metrics that are not loads.
var (
	rowStart       = metric{"start to ready, empty", "ms", true}
	rowStartFilled = metric{"start to ready, filled", "ms", true}
	rowIdle        = metric{"RSS idle", "MiB", true}
	rowPeak        = metric{"RSS peak under load", "MiB", true}
	rowSize        = metric{"program, stripped", "MiB", true}
	rowHash        = metric{"SHA-256, one core", "MiB/s", false}
)

// row is one load: clients that repeat an operation, each on its own connection.
type row struct {
	metric
	clients    int
	ops        int                          // how many in all; 0: as many as time allows
	scale      float64                      // of a rate: what one operation counts
	skipsFloor bool                         // the bare server has nothing like it
	needsLists bool                         // only a server with the referrers API has it
	do         func(c *client, i int) error // i counts the operations of all clients
}

// referrersOfEach is how many manifests are attached to each of some others.
const referrersOfEach = 50

// tagsOfRound is how many tags one manifest gets in each round.
const tagsOfRound = 1000

// rows are the loads in their order: pulls need what was pushed before.
func (s *session) rows() []row {
	b, one := s.blobs, manifest(emptyDigest, 2)
	push := func(set []blob) func(*client, int) error {
		return func(c *client, i int) error { return c.push(set[i]) }
	}
	each := func(set []blob, do func(*client, blob) error) func(*client, int) error {
		return func(c *client, i int) error { return do(c, set[i%len(set)]) }
	}
	list := func(query string) func(*client, int) error {
		return func(c *client, _ int) error { return c.list(query, s.Tags) }
	}
	manifest := func(c *client, b blob) error { return c.get(b.manifestPath(), 0) }
	subjects := b.four[:min(len(b.four), repos)]
	attached := referrersOfEach * len(subjects)
	attach := func(c *client, i int) error { return c.attach(subjects[i%len(subjects)], i) }
	referrers := func(c *client, b blob) error { return c.listReferrers(b, referrersOfEach) }
	tag := func(c *client, i int) error {
		return c.pushManifest(taggedRepo, fmt.Sprintf("round-%d-%d", s.number, i), one)
	}
	return []row{
		{metric: metric{"push 1 MiB, 4 clients", "op/s", false}, clients: 4, ops: len(b.four), do: push(b.four)},
		{metric: metric{"push 1 MiB, 8 clients", "op/s", false}, clients: 8, ops: len(b.eight), do: push(b.eight)},
		{metric: metric{"pull 1 MiB, 4 clients", "op/s", false}, clients: 4, do: each(b.four, (*client).pull)},
		{metric: metric{"pull 1 MiB, 8 clients", "op/s", false}, clients: 8, do: each(b.eight, (*client).pull)},
		{metric: metric{"push 100 MiB, 2 clients", "MiB/s", false}, clients: 2, ops: len(b.large), scale: 100, do: push(b.large)},
		{metric: metric{"pull 100 MiB, 2 clients", "MiB/s", false}, clients: 2, scale: 100, do: each(b.large, (*client).pull)},
		{metric: metric{"manifest GET by tag, 8 clients", "op/s", false}, clients: 8, do: each(b.eight, manifest)},
		{metric: metric{"blob HEAD, 8 clients", "op/s", false}, clients: 8, do: each(b.eight, (*client).head)},
		{metric: metric{"tag one manifest, 8 clients", "op/s", false}, clients: 8, ops: tagsOfRound, skipsFloor: true, do: tag},
		{metric: metric{"attach a referrer, 4 clients", "op/s", false}, clients: 4, ops: attached, needsLists: true, skipsFloor: true, do: attach},
		{metric: metric{"list 50 referrers", "ms", true}, clients: 1, needsLists: true, skipsFloor: true, do: each(subjects, referrers)},
		{metric: metric{"list all tags, server's pages", "ms", true}, clients: 1, skipsFloor: true, do: list("")},
		{metric: metric{"list all tags, n=1000", "ms", true}, clients: 1, skipsFloor: true, do: list("?n=1000")},
	}
}

// run lets the clients work until the operations are done or the time is over,
// and closes them.
func (r row) run(ctx context.Context, clients []*client, limit time.Duration) (ops int, took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var workers sync.WaitGroup
	begin := time.Now()
	for _, c := range clients {
		workers.Go(func() {
			defer c.close()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if r.ops > 0 && i >= r.ops || r.ops == 0 && time.Since(begin) > limit {
					return
				}
				if err := r.do(c, i); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	workers.Wait()
	return int(done.Load()), time.Since(begin), context.Cause(ctx)
}

// value is what the row reports: a rate, or the time of one operation.
func (r row) value(ops int, took time.Duration) float64 {
	if r.lower {
		return milliseconds(took) / float64(ops)
	}
	return float64(ops) * max(r.scale, 1) / took.Seconds()
}

package transfer

import (
	"context"
	"io"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/content/cache"
)

// A blob is fetched in parts, over several connections at once, when it is large:
// one connection seldom fills a long or shared way. Another one is added for as
// long as that makes it faster.
const (
	partsAbove = 64 << 20
	partSize   = 16 << 20
	firstParts = 2
	mostParts  = 8
	judgeEvery = 300 * time.Millisecond
	worthwhile = 1.1 // times the speed before
)

// download writes what is missing of a blob into its partial.
type download struct {
	*session
	blob   ocispec.Descriptor
	into   *cache.Partial
	events Events

	mu      sync.Mutex
	parts   []cache.Range // still to be fetched, in order
	drained chan struct{} // closed when there are none left
	event   Event
	serial  bool // the registry serves no parts
}

func (s *session) download(ctx context.Context, d ocispec.Descriptor, into *cache.Partial, event Event, events Events) error {
	w := &download{session: s, blob: d, into: into, events: events, event: event, drained: make(chan struct{})}
	missing := into.Missing()
	w.event.Done = d.Size
	for _, r := range missing {
		w.event.Done -= r.Size()
	}
	if d.Size-w.event.Done <= partsAbove {
		w.parts = missing
		return w.work(ctx)
	}
	for _, r := range missing {
		for ; r.Size() > partSize; r.Start += partSize {
			w.parts = append(w.parts, cache.Range{Start: r.Start, End: r.Start + partSize})
		}
		w.parts = append(w.parts, r)
	}
	return w.parallel(ctx)
}

// parallel fetches parts with several workers.
func (w *download) parallel(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range firstParts {
		group.Go(func() error { return w.work(ctx) })
	}
	// A group may grow only while a member runs: so whoever lets it grow is one.
	group.Go(func() error {
		w.grow(ctx, func() { group.Go(func() error { return w.work(ctx) }) })
		return nil
	})
	return group.Wait()
}

// grow adds workers for as long as that pays, and there is something left to
// fetch.
func (w *download) grow(ctx context.Context, add func()) {
	tick := time.NewTicker(judgeEvery)
	defer tick.Stop()
	before, speed := w.done(), 0.0
	for workers := firstParts; workers < mostParts; workers++ {
		select {
		case <-ctx.Done():
			return
		case <-w.drained:
			return
		case <-tick.C:
		}
		now := w.done()
		gained := float64(now - before)
		if before = now; gained < speed*worthwhile {
			return
		}
		speed = gained
		add()
	}
}

func (w *download) done() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event.Done
}

// next returns the next part to fetch. Where the registry serves no parts, one
// worker gets all that is left as one.
func (w *download) next() (r cache.Range, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.parts) == 0 {
		return r, false
	}
	r, w.parts = w.parts[0], w.parts[1:]
	if w.serial && len(w.parts) > 0 {
		r.End, w.parts = w.parts[len(w.parts)-1].End, nil
	}
	if len(w.parts) == 0 {
		close(w.drained)
	}
	return r, true
}

func (w *download) work(ctx context.Context) error {
	buf := make([]byte, 256<<10)
	for {
		part, ok := w.next()
		if !ok {
			return nil
		}
		if err := w.fetch(ctx, part, buf); err != nil {
			return err
		}
	}
}

// fetch fetches one part.
func (w *download) fetch(ctx context.Context, part cache.Range, buf []byte) error {
	body := &steady{ctx: ctx, offset: part.Start, end: part.End, pause: w.Pause,
		open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
			body, ranged, err := w.Range(ctx, w.blob, offset, part.End)
			if err == nil && !ranged {
				w.mu.Lock()
				w.serial = true
				w.mu.Unlock()
			}
			return body, err
		}}
	defer body.Close()
	for at := part.Start; ; {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.into.WriteAt(buf[:n], at); err != nil {
				return err
			}
			at += int64(n)
			w.progress(int64(n))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *download) progress(n int64) {
	w.mu.Lock()
	w.event.Done = min(w.event.Done+n, w.blob.Size) // a registry without parts gives some twice
	event := w.event
	w.mu.Unlock()
	w.events.send(event)
}

package store

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/opencontainers/go-digest"
)

// verdicts remembers what came of verifying blobs that were doubted, so that each is
// read once, however many ask for it. It may be used concurrently.
type verdicts struct {
	all *lru.Cache[digest.Digest, verdict]

	mu       sync.Mutex
	underway map[digest.Digest]chan struct{} // closed at the end
}

type verdict struct {
	size  int64 // of the content that was verified, in bytes
	sound bool
	at    time.Time
}

// unsoundFor is how long a blob counts as damaged unseen. The memory or the disk may
// have been at fault, or an operator may have put the content back.
const unsoundFor = time.Minute

func newVerdicts() *verdicts {
	return &verdicts{all: cache[digest.Digest, verdict](cachedLinks), underway: map[digest.Digest]chan struct{}{}}
}

// enter waits until nobody else verifies a blob, and keeps others from it until
// leave is called.
//
// Errors: that of ctx.
func (v *verdicts) enter(ctx context.Context, d digest.Digest) (leave func(), err error) {
	for {
		v.mu.Lock()
		others, busy := v.underway[d]
		if !busy {
			done := make(chan struct{})
			v.underway[d] = done
			v.mu.Unlock()
			return func() {
				v.mu.Lock()
				delete(v.underway, d)
				v.mu.Unlock()
				close(done)
			}, nil
		}
		v.mu.Unlock()
		select {
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// get returns what came of verifying a blob that had so many bytes.
func (v *verdicts) get(d digest.Digest, size int64) (sound, known bool) {
	was, ok := v.all.Get(d)
	known = ok && was.size == size && (was.sound || time.Since(was.at) < unsoundFor)
	return was.sound, known
}

func (v *verdicts) add(d digest.Digest, size int64, sound bool) {
	v.all.Add(d, verdict{size, sound, time.Now()})
}

// forget is for a blob whose content was replaced.
func (v *verdicts) forget(d digest.Digest) { v.all.Remove(d) }

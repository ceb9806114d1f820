package transfer

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// answers are what a repository was asked whether it has, so that each question is
// put once, also before somebody needs to know. It is safe for concurrent use.
type answers struct {
	mu  sync.Mutex
	all map[node]*reply
}

// reply is an answer, or one that is on its way.
type reply struct {
	done    chan struct{}
	there   bool
	err     error
	stopped bool // whoever asked
}

func newAnswers() *answers { return &answers{all: map[node]*reply{}} }

// has returns the answer, for which the first who wants it asks. A failure is an
// answer as well, unless whoever asked was stopped, which leaves it to the next.
func (a *answers) has(ctx context.Context, d ocispec.Descriptor, ask func() (bool, error)) (bool, error) {
	key := node{d.Digest, oci.IsManifest(d.MediaType)}
	for {
		a.mu.Lock()
		r, asked := a.all[key]
		if !asked {
			r = &reply{done: make(chan struct{})}
			a.all[key] = r
		}
		a.mu.Unlock()
		if !asked {
			r.there, r.err = ask()
			if r.stopped = r.err != nil && ctx.Err() != nil; r.stopped {
				a.mu.Lock()
				delete(a.all, key)
				a.mu.Unlock()
			}
			close(r.done)
			return r.there, r.err
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		if !r.stopped {
			return r.there, r.err
		}
	}
}

// told notes that a manifest is there.
func (a *answers) told(d digest.Digest) {
	r := &reply{done: make(chan struct{}), there: true}
	close(r.done)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[node{d, true}] = r
}

package transfer

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/base/oci"
)

// graph copies manifests with all that is below them, and on request all that
// refers to them, from one place to another: each thing once, what is below
// before what is above, nothing that is there already. It is safe for concurrent
// use.
type graph struct {
	src  Source
	dst  Sink
	step Step // what events call the move of a blob

	again     bool // look below manifests that are there: what is below may be lost
	referrers bool // also what refers to a manifest, and to that, and so on
	events    Events

	srcErr, dstErr func(error) error // map what the two fail with

	// beside returns the tags that belong to a manifest by their names: what
	// clients keep for registries without referrers. nil for none.
	beside func(context.Context, digest.Digest) ([]string, error)

	slots slots
	mu    sync.Mutex
	nodes map[node]*visit
	read  map[digest.Digest][]byte               // manifests that were read already
	there map[digest.Digest][]ocispec.Descriptor // referrers that the target lists, by subject
}

func newGraph(src Source, dst Sink, step Step, events Events) *graph {
	same := func(err error) error { return err }
	return &graph{src: src, dst: dst, step: step, events: events, srcErr: same, dstErr: same, slots: newSlots(),
		nodes: map[node]*visit{}, read: map[digest.Digest][]byte{}, there: map[digest.Digest][]ocispec.Descriptor{}}
}

// has gives the graph a manifest of the source that was read already.
func (g *graph) has(d ocispec.Descriptor, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.read[d.Digest] = data
}

// forget is for a manifest that nobody wants to read any more.
func (g *graph) forget(d ocispec.Descriptor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.read, d.Digest)
}

// source returns a manifest of the source.
func (g *graph) source(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	g.mu.Lock()
	data, read := g.read[d.Digest]
	delete(g.read, d.Digest) // it is asked for once
	g.mu.Unlock()
	if read {
		return data, nil
	}
	data, err := g.src.Manifest(ctx, d)
	return data, g.srcErr(err)
}

// node is a blob or a manifest; the same bytes can be both.
type node struct {
	digest   digest.Digest
	manifest bool
}

// visit is what became of a node.
type visit struct {
	done     chan struct{}
	children []ocispec.Descriptor // the manifests of an index
	had      bool                 // a manifest was there
	err      error
}

// once calls f for the first who asks, and lets the others wait for it. A visitor
// that was stopped, by its own context, leaves the node to the next.
func (g *graph) once(ctx context.Context, n node, f func(*visit) error) (*visit, error) {
	for {
		g.mu.Lock()
		v, known := g.nodes[n]
		if !known {
			v = &visit{done: make(chan struct{})}
			g.nodes[n] = v
		}
		g.mu.Unlock()
		if !known {
			v.err = f(v)
			if v.err != nil && ctx.Err() != nil {
				g.mu.Lock()
				delete(g.nodes, n)
				g.mu.Unlock()
			}
			close(v.done)
			return v, v.err
		}
		select {
		case <-v.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		g.mu.Lock()
		left := g.nodes[n] != v
		g.mu.Unlock()
		if !left {
			return v, v.err
		}
	}
}

// copy copies the manifest or blob d and what belongs to it.
func (g *graph) copy(ctx context.Context, d ocispec.Descriptor) error {
	if !g.referrers || !oci.IsManifest(d.MediaType) {
		_, err := g.below(ctx, d, 0)
		return err
	}
	seen := map[digest.Digest]bool{d.Digest: true}
	for level, n := []related{{Descriptor: d}}, 0; len(level) > 0; n++ {
		if n > maxLevels || len(seen) > maxRelated {
			return endless(d)
		}
		found, err := g.level(ctx, level, maxRelated)
		if err != nil {
			return err
		}
		level = nil
		for _, r := range found {
			if !seen[r.Digest] {
				seen[r.Digest] = true
				level = append(level, r)
			}
		}
	}
	return nil
}

// below copies d and what is below it. depth is how many indexes lead to it.
func (g *graph) below(ctx context.Context, d ocispec.Descriptor, depth int) (*visit, error) {
	if !oci.IsManifest(d.MediaType) {
		return g.once(ctx, node{d.Digest, false}, func(*visit) error { return g.blob(ctx, d) })
	}
	if depth > maxLevels {
		return nil, endless(d)
	}
	return g.once(ctx, node{d.Digest, true}, func(v *visit) error { return g.manifest(ctx, d, v, depth) })
}

func (g *graph) all(ctx context.Context, list []ocispec.Descriptor, depth int) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range list {
		group.Go(func() error {
			_, err := g.below(ctx, d, depth)
			return err
		})
	}
	return group.Wait()
}

// manifest copies what is below d, then d.
func (g *graph) manifest(ctx context.Context, d ocispec.Descriptor, v *visit, depth int) error {
	var data []byte
	err := g.slots.do(ctx, 0, func() (err error) {
		if !g.again {
			if v.had, err = g.dst.Has(ctx, d); err != nil {
				return g.dstErr(err)
			}
		}
		if !v.had || g.referrers && oci.IsIndex(d.MediaType) {
			data, err = g.source(ctx, d)
		}
		return err
	})
	if err != nil || data == nil {
		return err
	}
	m, err := parseManifest(d, data)
	if err != nil {
		return err
	}
	v.children = m.Manifests
	if v.had {
		return nil
	}
	if err := g.all(ctx, m.Below(), depth+1); err != nil {
		return err
	}
	return g.store(ctx, d, data)
}

func (g *graph) store(ctx context.Context, d ocispec.Descriptor, data []byte) error {
	return g.slots.do(ctx, 0, func() error {
		if err := g.dst.PutManifest(ctx, d, data); err != nil {
			return g.dstErr(err)
		}
		g.events.send(Event{Step: Stored, Digest: d.Digest, Total: d.Size})
		return nil
	})
}

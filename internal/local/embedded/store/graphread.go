package store

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/base/oci"
)

// readGraph reads the manifests and tags of a repository. What manifests say of the
// size of anything in sizes, which may be nil, is added there.
func (s *Store) readGraph(ctx context.Context, repo string, sizes map[sum]int64) (*graph, error) {
	g := newGraph(repo)
	g.sizes = sizes
	// Tags after manifests would miss one that is moved to a manifest read
	// already; a push that does so holds the manifest.
	tags, err := s.leads(ctx, repo)
	if err != nil {
		return nil, err
	}
	err = s.eachRevision(ctx, repo, func(canonical digest.Digest, names []digest.Digest) error {
		for _, alias := range names[1:] {
			g.aliases[alias] = canonical
		}
		g.add(canonical)
		return nil
	})
	if errors.Is(err, errDamagedLink) {
		g.unsure = true
	} else if err != nil {
		return nil, err
	}
	if err := s.tag(ctx, g, tags); err != nil {
		return nil, err
	}
	for read := 0; read < len(g.manifests); {
		some := g.manifests[read:]
		read = len(g.manifests)
		if err := s.readNodes(ctx, g, some); err != nil {
			return nil, err
		}
		for _, l := range g.lacks {
			if l.manifest != "" && g.bySum[sumOf(l.manifest)] == nil {
				g.add(l.manifest).unlinked = true
			}
		}
	}
	if err := s.findNameless(ctx, g); err != nil {
		return nil, err
	}
	g.connect()
	return g, nil
}

// tag adds where tags lead. One that leads to nothing may be meant to lead to
// anything.
func (s *Store) tag(ctx context.Context, g *graph, tags []lead) error {
	for _, t := range tags {
		if t.to != "" {
			to := g.sum(t.to)
			g.tags[to] = append(g.tags[to], t.tag)
			if g.bySum[to] != nil {
				continue
			}
		}
		// Or a client has just removed both, or moved the tag: then it holds the other.
		why, err := s.lostNow(ctx, g.repo, t.tag)
		if err != nil {
			return err
		}
		if why == "" {
			continue
		}
		g.unsure = true
		if t.to != "" && t.to.Algorithm() == digest.SHA256 {
			g.add(t.to).unlinked = true
		}
	}
	return nil
}

// readNodes reads what manifests lead to. A service takes its time for each, and
// they may be large: nothing is held of them but that.
func (s *Store) readNodes(ctx context.Context, g *graph, nodes []*node) error {
	const parallel = 16
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, m := range nodes {
		group.Go(func() error { return s.readNode(ctx, g, m) })
	}
	return group.Wait()
}

func (s *Store) readNode(ctx context.Context, g *graph, m *node) error {
	p, err := s.loadNode(ctx, m)
	var e *Error
	if errors.As(err, &e) {
		m.opaque = errors.Is(err, errNoManifest)
		m.damaged = !m.opaque
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range p.blobs {
		if _, err := s.nameBlob(ctx, g, m, d); err != nil {
			return err
		}
	}
	for _, d := range p.manifests {
		child := g.sum(d.Digest)
		g.sized(child, d.Size)
		m.children = append(m.children, child)
		if g.bySum[child] != nil {
			continue
		}
		// A blob, as in caches of builds, or a manifest whose link a client deleted or
		// the storage lost: that one leads on.
		canonical, err := s.nameBlob(ctx, g, m, d)
		if err != nil {
			return err
		}
		if canonical != "" && oci.IsManifest(d.MediaType) {
			g.lack(lack{of: child, manifest: canonical})
		}
	}
	if p.subject != "" {
		m.subject = g.sum(p.subject)
		if p.subject.Algorithm() != digest.SHA256 && g.bySum[m.subject] == nil {
			g.lack(lack{of: m.subject})
		}
	}
	return nil
}

// loadNode is load for what may be no manifest, and of any size.
func (s *Store) loadNode(ctx context.Context, m *node) (parsed, error) {
	if m.unlinked {
		size, err := s.size(ctx, m.digest)
		if err != nil {
			return parsed{}, err
		}
		if size > oci.MaxManifest {
			return parsed{}, errors.Join(fault(oci.CodeManifestUnknown, "the content is no manifest"), errNoManifest)
		}
	}
	_, p, err := s.load(ctx, m.digest)
	return p, err
}

// nameBlob adds what a manifest names and is no manifest of the repository, and returns
// its canonical digest; "" where that is not known.
func (s *Store) nameBlob(ctx context.Context, g *graph, m *node, d v1.Descriptor) (digest.Digest, error) {
	canonical, err := s.canonicalLayer(ctx, g.repo, d.Digest)
	switch {
	case errors.Is(err, errDamagedLink):
		g.lack(lack{damaged: true})
		return "", nil
	case missing(err): // of a SHA-512
		g.lack(lack{of: sumOf(d.Digest), size: d.Size})
		return "", nil
	case err != nil:
		return "", err
	}
	m.blobs = append(m.blobs, sumOf(canonical))
	g.sized(sumOf(canonical), d.Size)
	return canonical, nil
}

// lack is a link that a manifest needs and the repository does not have.
type lack struct {
	of       sum           // as the manifest names it
	size     int64         // of what is not a manifest, as far as is known; else 0
	manifest digest.Digest // it is one, and of this canonical digest; else ""
	damaged  bool          // it is there, and of no use
}

func (g *graph) lack(l lack) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lacks = append(g.lacks, l)
}

// sized notes what a manifest says of a size that is asked for.
func (g *graph) sized(of sum, size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, asked := g.sizes[of]; asked {
		g.sizes[of] = max(known, size)
	}
}

// findNameless finds the manifests that are named by a SHA-512 whose link is lost.
// What else has such a name is a blob, of which only the size is known.
func (s *Store) findNameless(ctx context.Context, g *graph) error {
	names := map[sum]int64{}
	for _, l := range g.lacks {
		switch {
		case l.damaged:
			g.unsure = true
		case l.manifest != "":
			g.bySum[l.of] = g.bySum[sumOf(l.manifest)]
		default:
			names[l.of] = max(names[l.of], l.size)
		}
	}
	if len(names) == 0 {
		return nil
	}
	for _, m := range g.manifests {
		if m.damaged || m.opaque {
			continue
		}
		content, _, err := s.load(ctx, m.digest)
		if e := (*Error)(nil); errors.As(err, &e) {
			continue // it has gone
		}
		if err != nil {
			return err
		}
		name := sumOf(digest.SHA512.FromBytes(content.Content))
		if _, ok := names[name]; ok {
			g.bySum[name] = m
			delete(names, name)
		}
	}
	for _, size := range names {
		g.nameless[size] = true
	}
	return nil
}

// connect makes each manifest known to those that it leads to.
func (g *graph) connect() {
	for _, m := range g.manifests {
		g.unsure = g.unsure || m.damaged
		for i, child := range m.children {
			if n := g.bySum[child]; n != nil {
				m.children[i] = sumOf(n.digest)
				n.parents = append(n.parents, m)
			}
		}
		if m.subject == (sum{}) {
			continue
		}
		if n := g.bySum[m.subject]; n != nil {
			m.subject = sumOf(n.digest)
		}
		g.referrers[m.subject] = append(g.referrers[m.subject], m)
	}
	g.lacks = nil
}

// sum returns that of a manifest by any of its digests.
func (g *graph) sum(d digest.Digest) sum {
	if canonical, ok := g.aliases[d]; ok {
		d = canonical
	}
	return sumOf(d)
}

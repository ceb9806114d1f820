package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// graph is what leads to what among the manifests of one repository.
type graph struct {
	repo      string
	manifests []*node
	bySum     map[sum]*node
	aliases   map[digest.Digest]digest.Digest // of SHA-512 to canonical
	tags      map[sum][]string                // of a manifest, in byte order
	referrers map[sum][]*node                 // by subject
	unsure    bool                            // something is damaged: what it leads to is not known
	lost      []sum                           // manifests that tags lead to and the repository does not have
	sizes     map[sum]int64                   // the largest that a manifest gives what is in it
}

func newGraph(repo string) *graph {
	return &graph{repo: repo, bySum: map[sum]*node{}, aliases: map[digest.Digest]digest.Digest{}, tags: map[sum][]string{}, referrers: map[sum][]*node{}}
}

// add adds a manifest of which nothing more is known yet.
func (g *graph) add(canonical digest.Digest) *node {
	m := &node{digest: canonical}
	g.manifests = append(g.manifests, m)
	g.bySum[sumOf(canonical)] = m
	return m
}

// node is a manifest.
type node struct {
	digest   digest.Digest // canonical
	blobs    []sum
	children []sum
	parents  []*node
	subject  sum // zero for none

	why    string // it stays; "" when it does not
	swept  bool
	gone   bool
	opaque bool // it is whole, and what it names is not known
}

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
	// A service takes its time for each, and a batch bounds what is held of them.
	const batch, parallel = 256, 16
	for some := range slices.Chunk(g.manifests, batch) {
		read, damaged := make([]parsed, len(some)), make([]bool, len(some))
		group, loads := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for i, m := range some {
			group.Go(func() (err error) {
				_, read[i], err = s.load(loads, m.digest)
				var e *Error
				if errors.As(err, &e) {
					m.opaque = errors.Is(err, errNoManifest)
					damaged[i], err = !m.opaque, nil
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		g.unsure = g.unsure || slices.Contains(damaged, true)
		for i, m := range some {
			if err := s.connect(ctx, g, m, read[i]); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// tag adds where tags lead. One that leads to nothing may be meant to lead to
// anything.
func (s *Store) tag(ctx context.Context, g *graph, tags []lead) error {
	for _, t := range tags {
		if t.to == "" {
			g.unsure = true
			continue
		}
		to := g.sum(t.to)
		g.tags[to] = append(g.tags[to], t.tag)
		if g.bySum[to] != nil {
			continue
		}
		// Or a client has just removed both, or moved the tag: then it holds the other.
		why, err := s.lost(ctx, g.repo, t.tag)
		if err != nil {
			return err
		}
		if why != "" {
			g.unsure, g.lost = true, append(g.lost, to)
		}
	}
	return nil
}

// connect adds what a manifest leads to.
func (s *Store) connect(ctx context.Context, g *graph, m *node, p parsed) error {
	blob := func(d v1.Descriptor) error {
		canonical, err := s.canonicalLayer(ctx, g.repo, d.Digest)
		switch {
		case missing(err): // a client may have deleted it
			g.unsure = g.unsure || errors.Is(err, errDamagedLink)
		case err != nil:
			return err
		default:
			m.blobs = append(m.blobs, sumOf(canonical))
			g.sized(sumOf(canonical), d.Size)
		}
		return nil
	}
	for _, d := range p.blobs {
		if err := blob(d); err != nil {
			return err
		}
	}
	for _, d := range p.manifests {
		child := g.sum(d.Digest)
		g.sized(child, d.Size)
		m.children = append(m.children, child)
		if n := g.bySum[child]; n != nil {
			n.parents = append(n.parents, m)
		} else if err := blob(d); err != nil { // caches of builds are indexes of blobs
			return err
		}
	}
	if p.subject != "" {
		m.subject = g.sum(p.subject)
		g.referrers[m.subject] = append(g.referrers[m.subject], m)
	}
	return nil
}

// sized notes what a manifest says of a size that is asked for.
func (g *graph) sized(of sum, size int64) {
	if known, asked := g.sizes[of]; asked {
		g.sizes[of] = max(known, size)
	}
}

// sum returns that of a manifest by any of its digests.
func (g *graph) sum(d digest.Digest) sum {
	if canonical, ok := g.aliases[d]; ok {
		d = canonical
	}
	return sumOf(d)
}

// mark finds out which manifests stay, and why.
func (c *collection) mark(ctx context.Context, g *graph) {
	for _, m := range g.manifests {
		if tags := g.tags[sumOf(m.digest)]; tags != nil {
			g.keep(m, "tag "+strings.Join(tags, ", "))
		} else if !c.s.opts.Untagged {
			g.keep(m, "manifests without a tag are kept (gc_untagged)")
		}
	}
	for _, m := range g.manifests {
		if m.why == "" && c.s.claims.freshIn(g.repo, m.digest, c.written(ctx, revisionLink(g.repo, m.digest), nil, m.digest), c.Delay) {
			g.keep(m, "pushed, asked for or untagged of late")
		}
	}
	g.unsure = g.unsure || slices.ContainsFunc(g.manifests, func(m *node) bool { return m.opaque && m.why != "" })
	if g.unsure {
		for _, m := range g.manifests {
			g.keep(m, damagedMay)
		}
	}
}

// damagedMay is why all of a repository stays while a tag, manifest or link in it is
// damaged: it may lead to anything, or be what refers to it, and can be repaired.
const damagedMay = "a damaged manifest or tag of the repository may lead to it"

// keep marks a manifest and all that it keeps alive: what an index names, what
// refers to it, and what it refers to.
func (g *graph) keep(m *node, why string) {
	if m.why != "" || m.gone {
		return
	}
	m.why = why
	todo := []*node{m}
	mark := func(m *node, why string) {
		if m != nil && m.why == "" && !m.gone {
			m.why = why
			todo = append(todo, m)
		}
	}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, child := range m.children {
			mark(g.bySum[child], "named by "+m.digest.String())
		}
		for _, r := range g.referrers[sumOf(m.digest)] {
			mark(r, "refers to "+m.digest.String())
		}
		if m.subject != (sum{}) {
			mark(g.bySum[m.subject], "referred to by "+m.digest.String())
		}
	}
}

// users returns a manifest that stays for each blob that one names.
func (g *graph) users() map[sum]*node {
	users := map[sum]*node{}
	for _, m := range g.manifests {
		if m.why == "" {
			continue
		}
		for _, b := range m.blobs {
			users[b] = m
		}
	}
	return users
}

// hit returns the tags that lead to any of some blobs or manifests, and whether
// the repository has one of them at all.
func (g *graph) hit(damaged sum, linked bool) (tags []string, has bool) {
	hit := map[sum]bool{damaged: true}
	todo := []sum{damaged}
	up := func(k sum) {
		if !hit[k] {
			hit[k] = true
			todo = append(todo, k)
		}
	}
	_, isTagged := g.tags[damaged]
	has = linked || isTagged || g.bySum[damaged] != nil
	for _, m := range g.manifests {
		if slices.Contains(m.blobs, damaged) || slices.Contains(m.children, damaged) {
			up(sumOf(m.digest))
			has = true
		}
	}
	for len(todo) > 0 {
		k := todo[0]
		todo = todo[1:]
		tags = append(tags, g.tags[k]...)
		if m := g.bySum[k]; m != nil {
			for _, parent := range m.parents {
				up(sumOf(parent.digest))
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), has
}

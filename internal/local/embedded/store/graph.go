package store

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
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
	nameless  map[int64]bool                  // sizes of blobs that are named by a SHA-512 whose link is lost

	mu    sync.Mutex    // of what is below, while manifests are read
	sizes map[sum]int64 // the largest that a manifest gives what is in it
	lacks []lack
}

func newGraph(repo string) *graph {
	return &graph{repo: repo, bySum: map[sum]*node{}, aliases: map[digest.Digest]digest.Digest{}, tags: map[sum][]string{}, referrers: map[sum][]*node{}, nameless: map[int64]bool{}}
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

	why      string // it stays; "" when it does not
	swept    bool
	gone     bool
	opaque   bool // it is whole, and what it names is not known
	damaged  bool // or its content is gone
	unlinked bool // a tag or manifest leads to it, and the repository does not have it
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

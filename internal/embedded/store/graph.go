package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// graph is what leads to what among the manifests of one repository.
type graph struct {
	repo      string
	manifests []*node
	byKey     map[key]*node
	aliases   map[digest.Digest]digest.Digest // of SHA-512 to canonical
	tags      map[key][]string                // of a manifest, in byte order
	referrers map[key][]*node                 // by subject
	given     keySet                          // what manifests named that were removed of it
}

// node is a manifest.
type node struct {
	digest   digest.Digest // canonical
	blobs    []key
	children []key
	parents  []*node
	subject  key // 0 for none

	why   string // it stays; "" when it does not
	swept bool
}

// readGraph reads the manifests and tags of a repository.
func (s *Store) readGraph(ctx context.Context, repo string) (*graph, error) {
	g := &graph{repo: repo, byKey: map[key]*node{}, aliases: map[digest.Digest]digest.Digest{},
		tags: map[key][]string{}, referrers: map[key][]*node{}}
	// Tags after manifests would miss one that is moved to a manifest read
	// already; a push that does so holds the manifest.
	tags, err := s.list(ctx, tagsPath(repo))
	if err != nil {
		return nil, err
	}
	slices.Sort(tags)
	for _, tag := range tags {
		d, ok := s.tagged.Get(repo + ":" + tag)
		if !ok {
			if d, err = s.link(ctx, tagLink(repo, tag)); missing(err) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		g.tags[keyOf(d)] = append(g.tags[keyOf(d)], tag)
	}
	err = s.eachRevision(ctx, repo, func(canonical digest.Digest, names []digest.Digest) error {
		for _, alias := range names[1:] {
			g.aliases[alias] = canonical
		}
		m := &node{digest: canonical}
		g.manifests = append(g.manifests, m)
		g.byKey[keyOf(canonical)] = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range g.manifests {
		if err := s.readNode(ctx, g, m); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// readNode adds what a manifest leads to. One that is damaged leads nowhere:
// what it named is lost to it, and is garbage unless something else names it.
func (s *Store) readNode(ctx context.Context, g *graph, m *node) error {
	_, p, err := s.load(ctx, m.digest)
	var e *Error
	if errors.As(err, &e) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range p.blobs {
		canonical, err := s.canonicalLayer(ctx, g.repo, d.Digest)
		if err != nil {
			return err
		}
		m.blobs = append(m.blobs, keyOf(canonical))
	}
	for _, d := range p.manifests {
		k := g.key(d.Digest)
		m.children = append(m.children, k)
		if child := g.byKey[k]; child != nil {
			child.parents = append(child.parents, m)
		}
	}
	if p.subject != "" {
		m.subject = g.key(p.subject)
		g.referrers[m.subject] = append(g.referrers[m.subject], m)
	}
	return nil
}

// key returns that of a manifest by any of its digests.
func (g *graph) key(d digest.Digest) key {
	if canonical, ok := g.aliases[d]; ok {
		d = canonical
	}
	return keyOf(d)
}

// mark finds out which manifests stay, and why.
func (c *collection) mark(ctx context.Context, g *graph) {
	for _, m := range g.manifests {
		if tags := g.tags[keyOf(m.digest)]; tags != nil {
			g.keep(m, "tag "+strings.Join(tags, ", "))
		} else if !c.s.opts.Untagged {
			g.keep(m, "manifests without a tag are kept (gc_untagged)")
		}
	}
	for _, m := range g.manifests {
		if m.why == "" && c.s.claims.freshIn(g.repo, m.digest, c.written(ctx, revisionLink(g.repo, m.digest), m.digest, &g.given), c.Delay) {
			g.keep(m, "pushed, asked for or untagged of late")
		}
	}
}

// keep marks a manifest and all that it keeps alive: what an index names, what
// refers to it, and what it refers to.
func (g *graph) keep(m *node, why string) {
	if m.why != "" {
		return
	}
	m.why = why
	todo := []*node{m}
	mark := func(m *node, why string) {
		if m != nil && m.why == "" {
			m.why = why
			todo = append(todo, m)
		}
	}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, child := range m.children {
			mark(g.byKey[child], "named by "+m.digest.String())
		}
		for _, r := range g.referrers[keyOf(m.digest)] {
			mark(r, "refers to "+m.digest.String())
		}
		if m.subject != 0 {
			mark(g.byKey[m.subject], "referred to by "+m.digest.String())
		}
	}
}

// users returns a manifest that stays for each blob that one names.
func (g *graph) users() map[key]*node {
	users := map[key]*node{}
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
func (g *graph) hit(damaged key, linked bool) (tags []string, has bool) {
	hit := map[key]bool{damaged: true}
	todo := []key{damaged}
	up := func(k key) {
		if !hit[k] {
			hit[k] = true
			todo = append(todo, k)
		}
	}
	_, isTagged := g.tags[damaged]
	has = linked || isTagged || g.byKey[damaged] != nil
	for _, m := range g.manifests {
		if slices.Contains(m.blobs, damaged) || slices.Contains(m.children, damaged) {
			up(keyOf(m.digest))
			has = true
		}
	}
	for len(todo) > 0 {
		k := todo[0]
		todo = todo[1:]
		tags = append(tags, g.tags[k]...)
		if m := g.byKey[k]; m != nil {
			for _, parent := range m.parents {
				up(keyOf(parent.digest))
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), has
}

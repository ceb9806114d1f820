package store

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// absence is of something that a tag of a repository leads to and the storage does not
// have: a link of it, or its content.
type absence struct {
	digest digest.Digest // canonical
	repo   string
	link   string // path; "" for content
}

// absences returns what tags of a repository lead to and is not there, but for what
// they name themselves, see LostTag, and for what is in quarantine. That a client may
// have deleted it makes no difference: the tag cannot be pulled.
func (s *Store) absences(ctx context.Context, repo string) (all []absence, err error) {
	g, err := s.readGraph(ctx, repo, nil)
	if err != nil {
		return nil, err
	}
	const parallel = 16
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	each := func(of sum, link func(repo string, d digest.Digest) string) {
		d := digest.NewDigestFromBytes(digest.SHA256, of[:])
		group.Go(func() error {
			some, err := s.look(ctx, repo, d, link(repo, d))
			mu.Lock()
			defer mu.Unlock()
			all = append(all, some...)
			return err
		})
	}
	manifests, blobs := g.tagged()
	for of := range manifests {
		if g.tags[of] == nil {
			each(of, revisionLink)
		}
	}
	for of := range blobs {
		if !manifests[of] {
			each(of, layerLink)
		}
	}
	return all, group.Wait()
}

// look looks for one thing.
func (s *Store) look(ctx context.Context, repo string, d digest.Digest, link string) (all []absence, err error) {
	_, err = s.canonicalLink(ctx, link, d)
	if missing(err) {
		all = append(all, absence{d, repo, link})
	} else if err != nil {
		return nil, err
	}
	_, err = s.size(ctx, d)
	if e := (*Error)(nil); !errors.As(err, &e) {
		return all, err
	}
	_, err = s.driver.Stat(ctx, quarantinePath(d))
	if missing(err) {
		return append(all, absence{d, repo, ""}), nil
	}
	return all, err
}

// tagged returns the manifests and blobs that tags lead to.
func (g *graph) tagged() (manifests, blobs map[sum]bool) {
	manifests, blobs = map[sum]bool{}, map[sum]bool{}
	var todo []*node
	reach := func(of sum) {
		if m := g.bySum[of]; m != nil && !manifests[of] {
			manifests[of] = true
			todo = append(todo, m)
		}
	}
	for of := range g.tags {
		reach(of)
	}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, child := range m.children {
			reach(child)
		}
		for _, b := range m.blobs {
			blobs[b] = true
		}
	}
	return manifests, blobs
}

// absentees is what the last scrub did not find.
type absentees struct {
	mu      sync.Mutex
	content map[digest.Digest]bool
	paths   map[digest.Digest]map[string]string // of links, by repository
}

func (a *absentees) set(all []absence) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.content, a.paths = map[digest.Digest]bool{}, map[digest.Digest]map[string]string{}
	for _, one := range all {
		if one.link == "" {
			a.content[one.digest] = true
			continue
		}
		if a.paths[one.digest] == nil {
			a.paths[one.digest] = map[string]string{}
		}
		a.paths[one.digest][one.repo] = one.link
	}
}

// in reports whether a repository lacks something.
func (a *absentees) in(repo string, d digest.Digest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.content[d] || a.paths[d][repo] != ""
}

// links returns those of something that are to be written with its content.
func (a *absentees) links(d digest.Digest) (links []write) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, link := range a.paths[d] {
		links = append(links, write{link, []byte(d)})
	}
	return links
}

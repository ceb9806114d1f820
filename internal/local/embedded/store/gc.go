package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Collection is one run of garbage collection.
type Collection struct {
	DryRun bool          // remove nothing
	Delay  time.Duration // in place of the store's; see Options
	// Explain is called for everything that was looked at, by one goroutine at a
	// time; nil for nobody.
	Explain func(Verdict)
}

// Verdict says what became of one thing and why.
type Verdict struct {
	Kind       string        `json:"kind"` // manifest or blob
	Repository string        `json:"repository,omitempty"`
	Digest     digest.Digest `json:"digest"`
	Size       int64         `json:"size,omitempty"` // of what is removed from the storage
	Kept       bool          `json:"kept"`
	Why        string        `json:"why"`
}

// Freed is what a collection removed, or would have. Sizes are in bytes.
type Freed struct {
	Manifests int   `json:"manifests"` // from a repository
	Links     int   `json:"links"`     // of blobs in repositories
	Blobs     int   `json:"blobs"`     // from the storage, manifests included
	Bytes     int64 `json:"bytes"`
	Uploads   int   `json:"uploads"` // abandoned
}

// Report tells how a collection went.
type Report struct {
	DryRun       bool          `json:"dry_run"`
	Repositories int           `json:"repositories"`
	Manifests    int           `json:"manifests"` // that stay
	Blobs        int           `json:"blobs"`     // that stay in the storage, manifests included
	Freed        Freed         `json:"freed"`
	Duration     time.Duration `json:"duration_ns"`
}

// Collect removes what nothing needs: manifests that no tag, index or live
// subject leads to, if the store's options say so; blobs that no manifest names;
// abandoned uploads. Pulls and pushes go on meanwhile. What pushes rely on
// stays, see claims. It is stopped between two removals when ctx is done; what
// is left then is whole.
//
// It waits for another run to end. Its memory is some 20 bytes for each blob that
// stays, three times that for each that goes, and some hundred for each manifest of
// one repository at a time.
func (s *Store) Collect(ctx context.Context, c Collection) (Report, error) {
	select {
	case s.collecting <- struct{}{}:
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	defer func() { <-s.collecting }()
	run := &collection{Collection: c, s: s, gone: map[sum]struct{}{}, report: Report{DryRun: c.DryRun}}
	began := time.Now()
	s.claims.begin()
	defer s.claims.end()
	err := run.all(ctx)
	run.report.Duration = time.Since(began)
	s.tags.tidy()
	return run.report, err
}

// collection is the state of a run.
type collection struct {
	Collection
	s      *Store
	live   keySet           // blobs that stay, whichever repository needs them
	given  map[sum]struct{} // what removed manifests of the repository at hand named: however young it is, nobody waits for it
	gone   map[sum]struct{} // what was taken out of any repository
	unsure bool             // what some repository leads to is not known
	mu     sync.Mutex
	report Report // guarded by mu where several goroutines are at work
}

func (c *collection) all(ctx context.Context) error {
	var repos []string
	if err := c.s.eachRepository(ctx, func(repo string, _ []string) { repos = append(repos, repo) }); err != nil {
		return err
	}
	slices.Sort(repos)
	for _, repo := range repos {
		if err := c.repository(ctx, repo); err != nil {
			return err
		}
		c.report.Repositories++
	}
	if err := c.sweepBlobs(ctx); err != nil {
		return err
	}
	return c.purgeParts(ctx)
}

// partsAge is how old a part of an upload has to be that no path leads to. None
// is under way for so long.
const partsAge = 7 * 24 * time.Hour

// purgeParts ends uploads that only the storage service knows of.
func (c *collection) purgeParts(ctx context.Context) error {
	if c.s.opts.Purge == nil || c.DryRun {
		return nil
	}
	n, err := c.s.opts.Purge(ctx, time.Now().Add(-max(partsAge, c.Delay)))
	c.report.Freed.Uploads += n
	return err
}

// repository removes what a repository does not need and notes what it does.
func (c *collection) repository(ctx context.Context, repo string) error {
	c.given = map[sum]struct{}{}
	g, err := c.s.readGraph(ctx, repo, nil)
	if err != nil {
		return fmt.Errorf("repository %s: %w", repo, err)
	}
	c.mark(ctx, g)
	c.unsure = c.unsure || g.unsure
	for _, m := range g.manifests {
		if err := c.sweepManifest(ctx, g, m); err != nil {
			return err
		}
	}
	kept := 0
	for _, m := range g.manifests {
		if m.why == "" {
			continue
		}
		if !m.unlinked {
			kept++
		}
		c.live.add(sumOf(m.digest).key())
		for _, b := range m.blobs {
			c.live.add(b.key())
		}
	}
	c.report.Manifests += kept
	links, err := c.sweepLinks(ctx, g)
	if err != nil {
		return err
	}
	purged, err := c.s.uploads.purge(ctx, repo, c.Delay, c.DryRun)
	c.report.Freed.Uploads += purged
	if err != nil || kept+links > 0 || g.unsure || c.DryRun {
		return err
	}
	return c.s.removeEmpty(ctx, repo)
}

// sweepManifest removes a manifest that is not marked. What could still keep it
// goes first: those that name it, so that there is never one that names what is
// gone, and what it refers to.
func (c *collection) sweepManifest(ctx context.Context, g *graph, m *node) error {
	if m.swept {
		return nil
	}
	m.swept = true
	if m.why == "" {
		for _, n := range append(slices.Clone(m.parents), g.bySum[m.subject]) {
			if n == nil {
				continue
			}
			if err := c.sweepManifest(ctx, g, n); err != nil {
				return err
			}
		}
	}
	if m.why == "" {
		if err := c.removeManifest(ctx, g, m); err != nil {
			return err
		}
	}
	if m.unlinked && m.gone {
		return nil
	}
	v := Verdict{Kind: "manifest", Repository: g.repo, Digest: m.digest, Kept: !m.gone, Why: m.why}
	if m.gone {
		v.Why = "no tag, index or live subject leads to it"
	}
	c.explain(v)
	return nil
}

// removeManifest removes a manifest, or keeps it when a push is at it.
func (c *collection) removeManifest(ctx context.Context, g *graph, m *node) error {
	if !c.s.claims.condemn(m.digest) {
		g.keep(m, "a push is at it")
		return nil
	}
	defer c.s.claims.spare(m.digest)
	for _, b := range m.blobs {
		c.given[b] = struct{}{}
	}
	if m.unlinked { // there is nothing to remove
		m.gone = true
		return nil
	}
	if !c.DryRun {
		if err := c.s.removeRevision(ctx, g.repo, m.digest); err != nil {
			return err
		}
	}
	m.gone = true
	c.gone[sumOf(m.digest)] = struct{}{}
	c.report.Freed.Manifests++
	return nil
}

// sweepLinks takes blobs out of a repository that none of its manifests names,
// and returns how many it keeps.
func (c *collection) sweepLinks(ctx context.Context, g *graph) (kept int, err error) {
	users := g.users()
	for _, a := range []digest.Algorithm{digest.SHA512, digest.SHA256} {
		hexes, err := c.s.list(ctx, path.Join(layersPath(g.repo), a.String()))
		if err != nil {
			return kept, err
		}
		for _, hex := range hexes {
			d := digest.NewDigestFromEncoded(a, hex)
			if d.Validate() != nil {
				continue
			}
			canonical, err := c.s.canonicalLayer(ctx, g.repo, d)
			if missing(err) {
				continue // it leads nowhere
			}
			if err != nil {
				return kept, err
			}
			why, err := c.sweepLink(ctx, g, users, d, canonical)
			if err != nil {
				return kept, err
			}
			if why != "" {
				kept++
				c.live.add(sumOf(canonical).key())
			}
			if a == digest.SHA256 && why != "" {
				c.explain(Verdict{Kind: "blob", Repository: g.repo, Digest: d, Kept: true, Why: why})
			}
		}
	}
	return kept, nil
}

// sweepLink decides on one link and returns why it stays.
func (c *collection) sweepLink(ctx context.Context, g *graph, users map[sum]*node, d, canonical digest.Digest) (why string, err error) {
	if m := users[sumOf(canonical)]; m != nil {
		return "named by " + m.digest.String(), nil
	}
	if g.unsure {
		return damagedMay, nil
	}
	if c.s.claims.freshIn(g.repo, canonical, c.written(ctx, layerLink(g.repo, d), c.given, canonical), c.Delay) {
		return "pushed or asked for of late, and no manifest names it yet", nil
	}
	if may, err := c.mayBeNameless(ctx, g, canonical); may || err != nil {
		return namelessMay, err
	}
	if !c.s.claims.condemn(canonical) {
		return "a push is at it", nil
	}
	defer c.s.claims.spare(canonical)
	if !c.DryRun {
		if err := c.s.unlinkBlob(ctx, g.repo, d); err != nil {
			return "", err
		}
	}
	c.report.Freed.Links++
	c.gone[sumOf(canonical)] = struct{}{}
	return "", nil
}

// namelessMay is why a blob stays that may be one which a manifest names by a SHA-512
// whose link is lost.
const namelessMay = "a manifest names a blob of its size by a SHA-512 whose link is lost"

func (c *collection) mayBeNameless(ctx context.Context, g *graph, canonical digest.Digest) (bool, error) {
	if len(g.nameless) == 0 {
		return false, nil
	}
	size, err := c.s.size(ctx, canonical)
	if e := (*Error)(nil); errors.As(err, &e) {
		return false, nil
	}
	return g.nameless[size], err
}

// canonicalLayer returns what a link of a repository's blob leads to. That of a
// canonical digest is not read.
func (s *Store) canonicalLayer(ctx context.Context, repo string, d digest.Digest) (digest.Digest, error) {
	if d.Algorithm() == digest.SHA256 {
		return d, nil
	}
	return s.canonicalLink(ctx, layerLink(repo, d), d)
}

// written returns a function that tells when the file of a digest was; now, if that
// cannot be told, and long ago for one that was given up.
func (c *collection) written(ctx context.Context, name string, givenUp map[sum]struct{}, d digest.Digest) func() time.Time {
	return func() time.Time {
		if _, ok := givenUp[sumOf(d)]; ok {
			return time.Time{}
		}
		info, err := c.s.driver.Stat(ctx, name)
		switch {
		case missing(err):
			return time.Time{}
		case err != nil:
			return time.Now()
		}
		return info.ModTime()
	}
}

// sweepBlobs removes the content that no repository needs.
func (c *collection) sweepBlobs(ctx context.Context) error {
	const parallel = 8
	dirs, err := c.s.list(ctx, blobsPath(digest.SHA256))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, dir := range dirs {
		group.Go(func() error {
			hexes, err := c.s.list(ctx, path.Join(blobsPath(digest.SHA256), dir))
			if err != nil {
				return err
			}
			for _, hex := range hexes {
				d := digest.NewDigestFromEncoded(digest.SHA256, hex)
				if d.Validate() != nil {
					continue
				}
				if err := c.sweepBlob(ctx, d); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

func (c *collection) sweepBlob(ctx context.Context, d digest.Digest) error {
	size, why, err := c.removeBlob(ctx, d)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case why == "":
		c.report.Freed.Blobs++
		c.report.Freed.Bytes += size
		c.explain(Verdict{Kind: "blob", Digest: d, Size: size, Why: "no repository needs it"})
	default:
		c.report.Blobs++
		if why != neededBlob {
			c.explain(Verdict{Kind: "blob", Digest: d, Kept: true, Why: why})
		}
	}
	return nil
}

// neededBlob was explained where a repository needs it.
const neededBlob = "needed"

// removeBlob removes the content of a blob, or returns why it stays.
func (c *collection) removeBlob(ctx context.Context, d digest.Digest) (size int64, why string, err error) {
	if c.live.has(sumOf(d).key()) {
		return 0, neededBlob, nil
	}
	if c.unsure {
		return 0, "a repository with damage in it may need it", nil
	}
	if c.s.claims.freshIn("", d, c.written(ctx, blobData(d), c.gone, d), c.Delay) {
		return 0, "written of late, and no repository has it yet", nil
	}
	if !c.s.claims.condemn(d) {
		return 0, "a push is at it", nil
	}
	defer c.s.claims.spare(d)
	size, err = c.s.size(ctx, d)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		return 0, "", err
	}
	if c.DryRun {
		return size, "", nil
	}
	if err := c.s.removeOnly(ctx, blobData(d)); err != nil {
		return 0, "", err
	}
	c.s.manifests.Remove(d)
	return size, "", nil
}

func (c *collection) explain(v Verdict) {
	if c.Explain != nil {
		c.Explain(v)
	}
}

// removeEmpty removes what is left of a repository that has neither manifests
// nor blobs nor uploads.
func (s *Store) removeEmpty(ctx context.Context, repo string) error {
	claim := repositoryClaim(repo)
	if !s.claims.condemn(claim) {
		return nil // something is pushed to it
	}
	defer s.claims.spare(claim)
	// One in memory may have no byte yet; of one from before a restart, or that is
	// idle for long, only the storage knows.
	left, err := s.list(ctx, uploadsPath(repo))
	if err != nil || len(left) > 0 || s.uploads.any(repo) {
		return err
	}
	for _, dir := range []string{uploadsPath(repo), layersPath(repo), manifestsPath(repo), referrersPath(repo)} {
		if err := s.remove(ctx, dir); err != nil {
			return err
		}
	}
	s.repositories.remove("", repo)
	s.referrers.forget(repo)
	s.tags.forget(repo)
	return nil
}

// repositoryClaim is what a push holds beside digests, so that its repository is
// not removed for being empty.
func repositoryClaim(repo string) digest.Digest { return digest.Digest("repository:" + repo) }

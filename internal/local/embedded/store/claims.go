package store

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// claims keeps garbage collection away from what pushes rely on: what they are
// writing, have just uploaded or mounted, or were told is there. Digests are
// canonical. It is the only thing that pushes and collection share, and nobody
// waits for more than the removal of one thing.
//
// A push holds a digest while it looks whether it is there and writes what names
// it. Collection condemns a digest for the moment of its removal. Neither is
// granted while the other one lasts, and what was held at any time since a
// collection began is not condemned by it: its view of what is named may be
// older.
//
// Between two requests of a push nothing is held. For that time a digest is
// fresh in its repository, until a manifest names it, or until it and all
// pushing to the repository are older than a delay. Several pushes may rely on
// one: it is fresh until as many manifests named it as clients uploaded it,
// mounted it or were told of it.
type claims struct {
	delay time.Duration
	now   func() time.Time
	began time.Time // this process

	mu        sync.Mutex
	freed     sync.Cond // of mu: condemned became smaller
	held      map[digest.Digest]int
	condemned map[digest.Digest]bool
	running   bool                       // a collection
	touched   map[digest.Digest]struct{} // since it began
	fresh     map[string]*freshSet       // by repository: those with a digest
	dropped   map[string]time.Time       // by repository@digest
	n         int                        // digests in all of fresh
	lost      time.Time                  // the last time that there were too many: all that nothing names was fresh
}

// freshSet is what nothing names yet in a repository.
type freshSet struct {
	pushed  time.Time // the last time that anything was
	digests map[digest.Digest]reliance
	lost    bool // there were too many to remember: all is fresh
}

// reliance is that of clients on a digest.
type reliance struct {
	since time.Time // the last of them
	n     int       // how many manifests are to name it
}

// Bounds on what is remembered, some 200 bytes each: of one repository, of all,
// and of what was given up. A push has some hundred layers at most. What is not
// remembered stays for longer.
const (
	maxFresh    = 100_000
	maxAllFresh = 4 * maxFresh
	maxDropped  = 2 * maxFresh
)

// maxFreshAge bounds how long a busy repository keeps something alive that
// nobody came to name.
const maxFreshAge = 24 * time.Hour

func newClaims(delay time.Duration) *claims {
	c := &claims{
		delay: delay, now: time.Now, began: time.Now(),
		held: map[digest.Digest]int{}, condemned: map[digest.Digest]bool{},
		touched: map[digest.Digest]struct{}{},
		fresh:   map[string]*freshSet{}, dropped: map[string]time.Time{},
	}
	c.freed.L = &c.mu
	return c
}

// hold keeps digests from being condemned until release is called. It waits for
// those that are.
func (c *claims) hold(digests ...digest.Digest) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.anyCondemned(digests) {
		c.freed.Wait()
	}
	for _, d := range digests {
		c.held[d]++
		c.touch(d)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, d := range digests {
			if c.held[d]--; c.held[d] == 0 {
				delete(c.held, d)
			}
			c.touch(d)
		}
	}
}

func (c *claims) anyCondemned(digests []digest.Digest) bool {
	for _, d := range digests {
		if c.condemned[d] {
			return true
		}
	}
	return false
}

func (c *claims) touch(d digest.Digest) {
	if c.running {
		c.touched[d] = struct{}{}
	}
}

// begin and end bracket a collection.
func (c *claims) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = true
	c.expire()
}

func (c *claims) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	c.touched = map[digest.Digest]struct{}{}
}

// condemn grants the removal of a digest, which ends with spare; it does not
// when a push holds it, or did since the collection began, nor while it is
// condemned already.
func (c *claims) condemn(d digest.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.touched[d]; ok || c.held[d] > 0 || c.condemned[d] {
		return false
	}
	c.condemned[d] = true
	return true
}

func (c *claims) spare(d digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.condemned, d)
	c.freed.Broadcast()
}

// push notes that something happens in a repository, such as bytes of an upload.
func (c *claims) push(repo string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fresh[repo]; f != nil {
		f.pushed = c.now()
	}
}

// rely is add for what a client is told of. It waits while the digest is just being
// removed. Whether it is there is to be found out afterwards: a collection that
// runs has no right to it any more.
func (c *claims) rely(repo string, d digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.condemned[d] {
		c.freed.Wait()
	}
	c.touch(d)
	c.addLocked(repo, d)
}

// add notes that a client relies on a digest, or may still, which nothing has
// to name.
func (c *claims) add(repo string, d digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(repo, d)
}

// addLocked is add for the holder of mu.
func (c *claims) addLocked(repo string, d digest.Digest) {
	now := c.now()
	c.undrop(repo, d)
	f := c.fresh[repo]
	if c.n >= maxAllFresh && (f == nil || f.digests[d].n == 0) {
		c.lost = now
		return
	}
	if f == nil {
		f = &freshSet{digests: map[digest.Digest]reliance{}}
		c.fresh[strings.Clone(repo)] = f
	}
	f.pushed = now
	r, known := f.digests[d]
	if !known && len(f.digests) >= maxFresh {
		f.lost = true
		return
	}
	if !known {
		c.n++
	}
	f.digests[d] = reliance{now, r.n + 1}
}

// name notes that a manifest or tag names digests now.
func (c *claims) name(repo string, digests ...digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fresh[repo]
	if f != nil {
		f.pushed = c.now()
	}
	// Once each: a manifest may name one several times.
	digests = slices.Clone(digests)
	slices.Sort(digests)
	for _, d := range slices.Compact(digests) {
		if f != nil {
			if r := f.digests[d]; r.n > 1 {
				f.digests[d] = reliance{r.since, r.n - 1}
			} else {
				c.settle(f, d)
			}
		}
		c.undrop(repo, d)
	}
	c.tidySet(repo)
}

// settle ends that a digest is fresh.
func (c *claims) settle(f *freshSet, d digest.Digest) {
	if _, ok := f.digests[d]; ok {
		delete(f.digests, d)
		c.n--
	}
}

// tidySet forgets a set that protects nothing.
func (c *claims) tidySet(repo string) {
	if f := c.fresh[repo]; f != nil && len(f.digests) == 0 && !f.lost {
		delete(c.fresh, repo)
	}
}

// drop notes that what named digests in a repository was removed on purpose:
// nobody waits for them any more, however young they are.
func (c *claims) drop(repo string, digests ...digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range digests {
		c.setDropped(repo, d)
	}
}

// forget notes that a client removed a digest from a repository itself.
func (c *claims) forget(repo string, d digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fresh[repo]; f != nil {
		c.settle(f, d)
		c.tidySet(repo)
	}
	c.setDropped(repo, d)
}

// setDropped notes it for the repository, and for the content that no repository
// has any more.
func (c *claims) setDropped(repo string, d digest.Digest) {
	if len(c.dropped) >= maxDropped {
		return
	}
	now := c.now()
	c.dropped[at(repo, d)], c.dropped[at("", d)] = now, now
}

func (c *claims) undrop(repo string, d digest.Digest) {
	if len(c.dropped) == 0 {
		return // as mostly, and the keys take time to make
	}
	delete(c.dropped, at(repo, d))
	delete(c.dropped, at("", d))
}

// freshIn reports whether a digest that nothing names has to stay because of what
// happened in a repository, "" for content that no repository has. written is when
// the storage got it, for what happened before this process began.
func (c *claims) freshIn(repo string, d digest.Digest, written func() time.Time, delay time.Duration) bool {
	c.mu.Lock()
	f, now := c.fresh[repo], c.now()
	_, dropped := c.dropped[at(repo, d)]
	var age, idle time.Duration
	var known, lost bool
	allLost := now.Sub(c.lost) < delay
	if f != nil {
		var r reliance
		r, known = f.digests[d]
		age, idle, lost = now.Sub(r.since), now.Sub(f.pushed), f.lost
	}
	c.mu.Unlock()
	switch {
	case known:
		return age < delay || idle < delay && age < maxFreshAge
	case dropped:
		return false
	case lost:
		return idle < delay
	case allLost:
		return true
	}
	return c.age(written()) < delay
}

// age returns how old a file is that the storage says was written at a time. One of
// the future was written while the clock was wrong: it is as old as this process.
func (c *claims) age(written time.Time) time.Duration {
	now := c.now()
	if written.After(now) {
		written = c.began
	}
	return max(0, now.Sub(written))
}

// tidy forgets what protects nothing any more.
func (c *claims) tidy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
}

func (c *claims) expire() {
	now := c.now()
	for repo, f := range c.fresh {
		if now.Sub(f.pushed) >= c.delay {
			c.n -= len(f.digests)
			delete(c.fresh, repo)
			continue
		}
		for d, r := range f.digests {
			if now.Sub(r.since) >= max(c.delay, maxFreshAge) {
				c.settle(f, d)
			}
		}
		c.tidySet(repo)
	}
	// What storage has is older than this by now, so that its age tells the same.
	for key, since := range c.dropped {
		if now.Sub(since) >= c.delay {
			delete(c.dropped, key)
		}
	}
}

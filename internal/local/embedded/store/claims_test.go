package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
)

var (
	blobA = digest.FromString("a")
	blobB = digest.FromString("b")
)

// clock is claims whose time passes only by wait.
type clock struct {
	*claims
	time time.Time
}

func newClock(delay time.Duration) *clock {
	c := &clock{newClaims(delay), time.Unix(1_000_000, 0)}
	c.now = func() time.Time { return c.time }
	return c
}

func (c *clock) wait(d time.Duration) { c.time = c.time.Add(d) }

// fresh asks about a blob that the storage has had for ever.
func (c *clock) isFresh(repo string, d digest.Digest) bool {
	return c.freshIn(repo, d, func() time.Time { return time.Time{} }, c.delay)
}

func TestClaimsCondemn(t *testing.T) {
	for name, test := range map[string]struct {
		run  func(c *claims)
		want bool
	}{
		"nobody holds it":                {func(*claims) {}, true},
		"held":                           {func(c *claims) { c.hold(blobA) }, false},
		"held twice and released once":   {func(c *claims) { c.hold(blobA); c.hold(blobA)() }, false},
		"another one is held":            {func(c *claims) { c.hold(blobB) }, true},
		"released":                       {func(c *claims) { c.hold(blobA)() }, true},
		"released before the collection": {func(c *claims) { c.hold(blobA)(); c.begin() }, true},
		"held and released since":        {func(c *claims) { c.begin(); c.hold(blobA)() }, false},
		"held before, released since":    {func(c *claims) { r := c.hold(blobA); c.begin(); r() }, false},
		"touched by an earlier one":      {func(c *claims) { c.begin(); c.hold(blobA)(); c.end(); c.begin() }, true},
		"condemned and spared":           {func(c *claims) { c.condemn(blobA); c.spare(blobA) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClaims(time.Hour)
			test.run(c)
			if got := c.condemn(blobA); got != test.want {
				t.Errorf("condemned: %v", got)
			}
		})
	}
}

// A push that looks for a blob waits while that is being removed, and no longer.
func TestClaimsHoldWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaims(time.Hour)
		c.condemn(blobA)
		c.condemn(blobB)
		held := make(chan func(), 1)
		go func() { held <- c.hold(blobB, blobA) }()
		for _, d := range []digest.Digest{blobB, blobA} {
			synctest.Wait()
			if len(held) > 0 {
				t.Fatalf("held before %s was spared", d)
			}
			c.spare(d)
		}
		(<-held)()
		if len(c.held)+len(c.condemned) > 0 {
			t.Errorf("left over: %v, %v", c.held, c.condemned)
		}
	})
}

func TestClaimsFresh(t *testing.T) {
	const delay = time.Hour
	for name, test := range map[string]struct {
		run  func(c *clock)
		want bool
	}{
		"never heard of":             {func(*clock) {}, false},
		"added":                      {func(c *clock) { c.add("r", blobA); c.wait(delay - 1) }, true},
		"added to another":           {func(c *clock) { c.add("other", blobA) }, false},
		"added long ago":             {func(c *clock) { c.add("r", blobA); c.wait(delay) }, false},
		"added again":                {func(c *clock) { c.add("r", blobA); c.wait(delay); c.add("r", blobA); c.wait(delay - 1) }, true},
		"named":                      {func(c *clock) { c.add("r", blobA); c.name("r", blobA) }, false},
		"another one is named":       {func(c *clock) { c.add("r", blobA); c.name("r", blobB) }, true},
		"named and added again":      {func(c *clock) { c.name("r", blobA); c.add("r", blobA) }, true},
		"its repository is busy":     {func(c *clock) { c.add("r", blobA); c.wait(delay); c.push("r"); c.wait(delay - 1) }, true},
		"another repository is busy": {func(c *clock) { c.add("r", blobA); c.wait(delay); c.push("other") }, false},
		"naming is business":         {func(c *clock) { c.add("r", blobA); c.wait(delay); c.name("r", blobB) }, true},
		"busy for too long": {func(c *clock) {
			c.add("r", blobA)
			c.wait(maxFreshAge)
			c.push("r")
		}, false},
		"dropped":                   {func(c *clock) { c.drop("r", blobA) }, false},
		"two pushes, one named it":  {func(c *clock) { c.add("r", blobA); c.add("r", blobA); c.name("r", blobA) }, true},
		"two pushes, both named it": {func(c *clock) { c.add("r", blobA); c.add("r", blobA); c.name("r", blobA); c.name("r", blobA) }, false},
		"named twice by one":        {func(c *clock) { c.add("r", blobA); c.add("r", blobA); c.name("r", blobA, blobA) }, true},
		"dropped, then add":         {func(c *clock) { c.drop("r", blobA); c.add("r", blobA) }, true},
		// Another client's push does not end because somebody gave up an image that
		// has the same blob.
		"added, then dropped": {func(c *clock) { c.add("r", blobA); c.drop("r", blobA) }, true},
		"forgotten":           {func(c *clock) { c.add("r", blobA); c.forget("r", blobA) }, false},
		"forgotten elsewhere": {func(c *clock) { c.add("r", blobA); c.forget("other", blobA) }, true},
		"expired":             {func(c *clock) { c.add("r", blobA); c.wait(delay); c.begin() }, false},
		"not expired": {func(c *clock) {
			c.add("r", blobA)
			c.wait(delay)
			c.push("r")
			c.begin()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock(delay)
			test.run(c)
			if got := c.isFresh("r", blobA); got != test.want {
				t.Errorf("fresh: %v", got)
			}
		})
	}
}

// After a restart only the storage tells how young something is.
func TestClaimsWritten(t *testing.T) {
	for name, test := range map[string]struct {
		age  time.Duration
		run  func(c *clock)
		want bool
	}{
		"young":                {time.Hour - 1, func(*clock) {}, true},
		"old":                  {time.Hour, func(*clock) {}, false},
		"young and dropped":    {1, func(c *clock) { c.drop("r", blobA) }, false},
		"dropped, then named":  {1, func(c *clock) { c.drop("r", blobA); c.name("r", blobA) }, true},
		"forgotten":            {1, func(c *clock) { c.forget("r", blobA) }, false},
		"dropped, then closed": {2 * time.Hour, func(c *clock) { c.drop("r", blobA); c.wait(time.Hour); c.begin() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock(time.Hour)
			test.run(c)
			written := func() time.Time { return c.time.Add(-test.age) }
			if got := c.freshIn("r", blobA, written, c.delay); got != test.want {
				t.Errorf("fresh: %v", got)
			}
		})
	}
}

// A repository with more fresh blobs than are remembered keeps everything for as
// long as it is busy.
func TestClaimsLost(t *testing.T) {
	c := newClock(time.Hour)
	for i := range maxFresh + 1 {
		c.add("r", digest.FromString(fmt.Sprint(i)))
	}
	if n := len(c.fresh["r"].digests); n != maxFresh {
		t.Errorf("%d digests are remembered", n)
	}
	if !c.isFresh("r", blobA) {
		t.Error("what may have been forgotten is not fresh")
	}
	if c.isFresh("other", blobA) {
		t.Error("another repository is lost as well")
	}
	c.wait(time.Hour)
	if c.isFresh("r", blobA) {
		t.Error("fresh although the repository is idle")
	}
}

// What is remembered is let go once it protects nothing.
func TestClaimsExpire(t *testing.T) {
	c := newClock(time.Hour)
	c.add("idle", blobA)
	c.add("busy", blobA)
	c.drop("r", blobB)
	c.wait(time.Hour)
	c.push("busy")
	c.begin()
	if c.fresh["idle"] != nil || c.fresh["busy"] == nil || len(c.dropped) > 0 {
		t.Errorf("left: %v, %v", c.fresh, c.dropped)
	}
	c.wait(maxFreshAge)
	c.push("busy")
	c.begin()
	if len(c.fresh) > 0 || c.n != 0 {
		t.Errorf("left: %v, %d", c.fresh, c.n)
	}
}

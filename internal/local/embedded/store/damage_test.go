package store

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// release is what TestCollectDamaged mishaps: two tags, of an index and of an image,
// with a signature; nothing of it is garbage.
type release struct {
	*registry
	top, inner, signature, image, long v1.Descriptor
	longChild, longSubject             v1.Descriptor
	child                              image
}

func releaseIn(r *registry) release {
	x := release{registry: r, child: r.image("a", "", "child")}
	r.image("a", "", "signature of the child", refersTo(x.child[0]))
	x.inner = r.index("a", "", x.child[0])
	x.longChild = r.again("a", r.image("a", "", "long child")[0], digest.SHA512)
	x.top = r.index("a", "top", x.inner, x.longChild)
	x.longSubject = r.again("a", r.image("a", "subject", "long subject")[0], digest.SHA512)
	r.image("a", "", "signature of a long subject", refersTo(x.longSubject))
	x.signature = r.image("a", "", "signature", refersTo(x.top))[0]
	x.image = r.image("a", "v1", "image")[0]
	x.long = r.blobAs("a", "long", digest.SHA512)
	r.put("a", "long", imageOf(r.blob("a", "config"), []v1.Descriptor{x.long}))
	r.image("b", "v1", "elsewhere")
	r.later(2 * grace)
	return x
}

func (x release) write(name, content string) {
	x.t.Helper()
	x.must(x.driver.PutContent(x.ctx, name, []byte(content)))
}

func (x release) delete(name string) {
	x.t.Helper()
	x.must(x.driver.Delete(x.ctx, name))
}

// mishaps are what can happen to the storage of a release.
var mishaps = map[string]func(x release){
	"an empty tag":         func(x release) { x.write(tagLink("a", "v1"), "") },
	"a garbled tag":        func(x release) { x.write(tagLink("a", "v1"), "sha256:\x00\x00") },
	"a cut tag":            func(x release) { x.write(tagLink("a", "top"), x.top.Digest.String()[:70]) },
	"a tag of a blob":      func(x release) { x.write(tagLink("a", "v1"), x.long.Digest.String()) },
	"a tag of nothing":     func(x release) { x.write(tagLink("a", "v1"), digest.FromString("nothing").String()) },
	"a lost revision":      func(x release) { x.delete(revisionPath("a", x.image.Digest)) },
	"a garbled revision":   func(x release) { x.write(revisionLink("a", x.image.Digest), "") },
	"a lost manifest":      func(x release) { x.delete(blobPath(x.image.Digest)) },
	"a cut manifest":       func(x release) { x.damage(x.image, broken["truncated"]) },
	"a cut index":          func(x release) { x.damage(x.top, broken["truncated"]) },
	"a cut child":          func(x release) { x.damage(x.child[0], broken["zeroes"]) },
	"a cut referrer":       func(x release) { x.damage(x.signature, broken["a flipped bit"]) },
	"an empty manifest":    func(x release) { x.damage(x.image, broken["empty"]) },
	"a garbled alias":      func(x release) { x.write(layerLink("a", x.long.Digest), "x") },
	"an alias of an alias": func(x release) { x.write(layerLink("a", x.long.Digest), x.long.Digest.String()) },
	"a garbled layer":      func(x release) { x.write(layerLink("a", x.child[1].Digest), "") },
	"tags that are a file": func(x release) { x.delete(tagsPath("a")); x.write(tagsPath("a"), "x") },
	"revisions that are a file": func(x release) {
		x.delete(revisionsPath("a") + "/sha256")
		x.write(revisionsPath("a")+"/sha256", "x")
	},
	"a tag that is a directory": func(x release) { x.delete(tagLink("a", "v1")); x.write(tagLink("a", "v1")+"/x", "x") },
	"a tag without a link":      func(x release) { x.delete(tagLink("a", "v1")) },
	"a tag without current":     func(x release) { x.delete(tagPath("a", "v1") + "/current") },
	"a file for current": func(x release) {
		x.delete(tagPath("a", "v1") + "/current")
		x.write(tagPath("a", "v1")+"/current", "x")
	},
	"a file for a tag":        func(x release) { x.delete(tagPath("a", "v1")); x.write(tagPath("a", "v1"), "x") },
	"a lost child":            func(x release) { x.delete(revisionPath("a", x.child[0].Digest)) },
	"a child without content": func(x release) { x.delete(revisionPath("a", x.child[0].Digest)); x.delete(blobPath(x.child[0].Digest)) },
	"lost inner indexes": func(x release) {
		x.delete(revisionPath("a", x.inner.Digest))
		x.delete(revisionPath("a", x.child[0].Digest))
	},
	"lost revisions": func(x release) { x.delete(revisionsPath("a")) },
	"lost revisions and layers": func(x release) {
		x.delete(revisionsPath("a"))
		x.delete(layersPath("a"))
	},
	"a lost alias of a layer":    func(x release) { x.delete(layerPath("a", x.long.Digest)) },
	"a lost alias of a child":    func(x release) { x.delete(revisionPath("a", x.longChild.Digest)) },
	"a lost alias of a manifest": func(x release) { x.delete(revisionPath("a", x.longSubject.Digest)) },
	"content that is a directory": func(x release) {
		x.delete(blobData(x.image.Digest))
		x.write(blobData(x.image.Digest)+"/x", "x")
	},
}

// What may be needed once damage is repaired is not collected.
func TestCollectDamaged(t *testing.T) {
	for name, damage := range mishaps {
		t.Run(name, func(t *testing.T) {
			x := releaseIn(open(t, files(t)))
			damage(x)
			x.registry = open(t, x.driver)
			x.later(3 * grace)
			before := x.snapshot()
			_, err := x.Collect(x.ctx, Collection{})
			if after := x.snapshot(); !maps.Equal(before, after) {
				t.Errorf("(-before +after, %v):\n%s", err, cmp.Diff(before, after))
			}
		})
	}
}

// A manifest that another program stored and this registry does not know keeps its
// repository only while something leads to it.
func TestCollectOpaque(t *testing.T) {
	for name, tag := range map[string]string{"tagged": "old", "untagged": ""} {
		t.Run(name, func(t *testing.T) {
			r := open(t, files(t))
			garbage := r.image("a", "", "garbage")[0]
			r.image("a", "v1", "live")
			const schema1 = `{"schemaVersion":1,"name":"a","tag":"old"}`
			d := digest.FromString(schema1)
			r.must(r.driver.PutContent(r.ctx, blobData(d), []byte(schema1)))
			r.must(r.driver.PutContent(r.ctx, revisionLink("a", d), []byte(d)))
			if tag != "" {
				r.must(r.driver.PutContent(r.ctx, tagLink("a", tag), []byte(d)))
			}
			r = open(t, r.driver)
			r.later(2 * grace)
			r.collect()
			for _, d := range []v1.Descriptor{garbage, {Digest: d}} {
				if kept := r.has(d); kept != (tag != "") {
					t.Errorf("%s is kept: %t", d.Digest, kept)
				}
			}
			r.complete("a", "v1")
		})
	}
}

// What stands where a tag should be is told of as well, and can be given up.
func TestScrubNoTag(t *testing.T) {
	for name, why := range map[string]string{
		"a file for current": "its link is missing", "a file for a tag": "its link is missing",
		"a tag that is a directory": "its link is damaged",
	} {
		t.Run(name, func(t *testing.T) {
			x := releaseIn(open(t, files(t)))
			mishaps[name](x)
			r := open(t, x.driver)
			want := []LostTag{{"a", "v1", why}}
			if diff := cmp.Diff(want, r.scrub().Lost); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
			tags, err := r.Tags(r.ctx, "a")
			r.must(err)
			if !slices.Contains(tags, "v1") {
				t.Errorf("it is not listed: %v", tags)
			}
			r.must(r.DeleteTag(r.ctx, "a", "v1"))
			r.image("a", "v1", "image")
			r.complete("a", "v1")
			if lost := r.scrub().Lost; len(lost) > 0 {
				t.Errorf("after it was pushed again: %+v", lost)
			}
		})
	}
}

// A directory in the place of content is damage, and makes room for a push.
func TestScrubDirectory(t *testing.T) {
	for i, what := range []string{"manifest", "config", "layer"} {
		t.Run(what, func(t *testing.T) {
			r := open(t, files(t))
			img := r.image("a", "v1", "image")
			r.must(r.driver.Delete(r.ctx, blobData(img[i].Digest)))
			r.must(r.driver.PutContent(r.ctx, blobData(img[i].Digest)+"/x", nil))
			r = open(t, r.driver)
			damaged := r.scrub().Damaged
			if len(damaged) != 1 || damaged[0].Digest != img[i].Digest || !slices.Equal(damaged[0].Places[0].Tags, []string{"v1"}) {
				t.Errorf("%+v", damaged)
			}
			r.image("a", "v1", "image")
			r.complete("a", "v1")
			if s := r.scrub(); len(s.Damaged)+len(s.Lost)+s.Unreadable > 0 {
				t.Errorf("after the push: %+v", s)
			}
		})
	}
}

// A tag that leads to no manifest is told of, and mended by a push or given up.
func TestScrubLostTags(t *testing.T) {
	for name, why := range map[string]string{
		"an empty tag": "its link is damaged", "a garbled tag": "its link is damaged",
		"a tag of nothing": "which the repository does not have", "a tag of a blob": "which the repository does not have",
		"a lost revision": "which the repository does not have", "a garbled revision": "which the repository does not have",
		"a lost manifest":      "is gone",
		"a tag without a link": "its link is missing", "a tag without current": "its link is missing",
	} {
		t.Run(name, func(t *testing.T) {
			x := releaseIn(open(t, files(t)))
			x.complete("a", "v1")
			mishaps[name](x)
			for _, r := range []*registry{x.registry, open(t, x.driver)} {
				lost := r.scrub().Lost
				if len(lost) != 1 || lost[0].Repository != "a" || lost[0].Tag != "v1" || !strings.Contains(lost[0].Why, why) {
					t.Errorf("%+v, want %q", lost, why)
				}
			}
			r := open(t, x.driver)
			r.image("a", "v1", "image")
			if lost := r.scrub().Lost; len(lost) > 0 {
				t.Errorf("after the push: %+v", lost)
			}
			r.complete("a", "v1")

			mishaps[name](x)
			r = open(t, x.driver)
			r.must(r.DeleteTag(r.ctx, "a", "v1"))
			if lost := r.scrub().Lost; len(lost) > 0 {
				t.Errorf("after it was deleted: %+v", lost)
			}
			if _, err := r.driver.Stat(r.ctx, path.Dir(path.Dir(tagLink("a", "v1")))); !missing(err) {
				t.Errorf("the tag is there: %v", err)
			}
			r.wants(r.DeleteTag(r.ctx, "a", "v1"), oci.CodeManifestUnknown)
		})
	}
}

// Two manifests whose digests begin alike are two manifests.
func TestCollectAlike(t *testing.T) {
	alike := func(last string) digest.Digest { return digest.Digest("sha256:" + strings.Repeat("a", 63) + last) }
	for _, other := range []string{"before", "after"} {
		g := newGraph("a")
		add := func(last string) *node { return g.add(alike(last)) }
		if other == "before" {
			add("0")
		}
		child, index := add("1"), add("2")
		signature, subject := add("3"), add("4")
		if other == "after" {
			add("0")
		}
		index.children = []sum{sumOf(child.digest)}
		signature.subject = sumOf(index.digest)
		index.subject = sumOf(subject.digest)
		g.referrers[sumOf(index.digest)] = []*node{signature}
		g.keep(index, "tag v1")
		for _, m := range g.manifests {
			if kept, want := m.why != "", m.digest != alike("0"); kept != want {
				t.Errorf("%s, with another %s: kept %t (%s), want %t", m.digest, other, kept, m.why, want)
			}
		}
		if sumOf(alike("0")).key() != sumOf(alike("1")).key() {
			t.Error("the keys differ: the test shows nothing")
		}
	}
}

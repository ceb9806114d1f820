package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// step is something that is done to a registry, and that a failure of the
// storage can stop at any of its operations.
type step struct {
	before func(r *registry)
	do     func(r *registry) error
	// after fails unless do was done.
	after func(r *registry)
	// damages is set where moved leads to an image that lacks a layer.
	damages bool
}

const (
	keptTag  = "kept"
	movedTag = "moved"
)

// steps are done to a registry that has an image with the tags kept and moved,
// and its signature. Whatever happens, kept leads to the image.
var steps = map[string]step{
	"push by tag": {
		before: func(r *registry) { r.blob("a", "layer of new"); r.blob("a", "config of new") },
		do:     func(r *registry) error { return r.tryPut("a", movedTag, madeOf("new")) },
		after:  func(r *registry) { r.leads("a", movedTag, madeOf("new")) },
	},
	"push by digest": {
		before: func(r *registry) { r.blob("a", "layer of new"); r.blob("a", "config of new") },
		do:     func(r *registry) error { return r.tryPut("a", "", madeOf("new")) },
		after:  func(r *registry) { r.leads("a", "", madeOf("new")) },
	},
	"push to a new repository": {
		before: func(r *registry) { r.blob("b", "layer of new"); r.blob("b", "config of new") },
		do:     func(r *registry) error { return r.tryPut("b", "new", madeOf("new")) },
		after:  func(r *registry) { r.leads("b", "new", madeOf("new")) },
	},
	"push a first referrer": {
		before: func(r *registry) { r.blob("a", "layer of new"); r.blob("a", "config of new") },
		do:     func(r *registry) error { return r.tryPut("a", "first", madeOf("new", refersTo(nameOf(signature)))) },
		after:  func(r *registry) { r.leads("a", "first", madeOf("new", refersTo(nameOf(signature)))) },
	},
	"push another referrer": {
		before: func(r *registry) { r.blob("a", "layer of new"); r.blob("a", "config of new") },
		do:     func(r *registry) error { return r.tryPut("a", "", madeOf("new", refersTo(nameOf(old)))) },
		after:  func(r *registry) { r.leads("a", "", madeOf("new", refersTo(nameOf(old)))) },
	},
	"push a referrer by its SHA-512": {
		before: func(r *registry) { r.image("a", "", "new", refersTo(nameOf(old))) },
		do: func(r *registry) error {
			_, p := manifestPut("a", "", madeOf("new", refersTo(nameOf(old))))
			p.Reference = digest.SHA512.FromBytes(p.Content).String()
			_, err := r.PutManifest(r.ctx, p)
			return err
		},
		after: func(r *registry) { r.leads("a", "", madeOf("new", refersTo(nameOf(old)))) },
	},
	"upload": {
		do:    func(r *registry) error { return r.tryBlob("a", "new", digest.SHA256) },
		after: func(r *registry) { r.holds("a", "new", digest.SHA256) },
	},
	"upload by SHA-512": {
		do:    func(r *registry) error { return r.tryBlob("a", "new", digest.SHA512) },
		after: func(r *registry) { r.holds("a", "new", digest.SHA512); r.holds("a", "new", digest.SHA256) },
	},
	"upload what another repository has": {
		before: func(r *registry) { r.blob("b", "new") },
		do:     func(r *registry) error { return r.tryBlob("a", "new", digest.SHA256) },
		after:  func(r *registry) { r.holds("a", "new", digest.SHA256) },
	},
	"mount": {
		before: func(r *registry) { r.blob("b", "new") },
		do:     func(r *registry) error { return r.Mount(r.ctx, "a", "b", digest.FromString("new")) },
		after:  func(r *registry) { r.holds("a", "new", digest.SHA256) },
	},
	"delete a tag": {
		do: func(r *registry) error { return unless(oci.CodeManifestUnknown, r.DeleteTag(r.ctx, "a", movedTag)) },
		after: func(r *registry) {
			_, err := r.Manifest(r.ctx, "a", movedTag)
			r.wants(err, oci.CodeManifestUnknown)
		},
	},
	"delete a manifest": {
		before: func(r *registry) { r.image("a", movedTag, "new") },
		do:     func(r *registry) error { return r.tryDelete("a", madeOf("new")) },
		after:  func(r *registry) { r.lacks("a", madeOf("new")) },
	},
	"delete a last referrer": {
		before: func(r *registry) { r.image("a", "", "new", refersTo(nameOf(signature))) },
		do:     func(r *registry) error { return r.tryDelete("a", madeOf("new", refersTo(nameOf(signature)))) },
		after:  func(r *registry) { r.lacks("a", madeOf("new", refersTo(nameOf(signature)))) },
	},
	"delete one of two referrers": {
		before: func(r *registry) { r.image("a", "", "new", refersTo(nameOf(old))) },
		do:     func(r *registry) error { return r.tryDelete("a", madeOf("new", refersTo(nameOf(old)))) },
		after:  func(r *registry) { r.lacks("a", madeOf("new", refersTo(nameOf(old)))) },
	},
	"delete a damaged referrer": {
		before: func(r *registry) {
			img := r.image("a", "", "new", refersTo(nameOf(old)))
			r.damage(img[0], broken["truncated"])
		},
		do:    func(r *registry) error { return r.tryDelete("a", madeOf("new", refersTo(nameOf(old)))) },
		after: func(r *registry) { r.lacks("a", madeOf("new", refersTo(nameOf(old)))) },
	},
	"push a damaged referrer": {
		before: func(r *registry) { r.loseReferrer(madeOf("new", refersTo(nameOf(old)))) },
		do:     func(r *registry) error { return r.tryPut("a", "", madeOf("new", refersTo(nameOf(old)))) },
		after:  func(r *registry) { r.leads("a", "", madeOf("new", refersTo(nameOf(old)))) },
	},
	"restore a referrer": {
		before: func(r *registry) { r.loseReferrer(madeOf("new", refersTo(nameOf(old)))) },
		do: func(r *registry) error {
			d, p := manifestPut("a", "", madeOf("new", refersTo(nameOf(old))))
			return r.Restore(r.ctx, d.Digest, bytes.NewReader(p.Content))
		},
		after: func(r *registry) { r.leads("a", "", madeOf("new", refersTo(nameOf(old)))) },
	},
	"collect": {
		before: func(r *registry) {
			subject := r.image("a", "", "subject")
			r.index("a", "", subject[0], r.image("a", "", "child")[0])
			r.again("a", r.image("a", "", "new", refersTo(subject[0]))[0], digest.SHA512)
			r.blobAs("b", "garbage", digest.SHA512)
			r.must(r.DeleteTag(r.ctx, "a", movedTag))
		},
		do: func(r *registry) error {
			r.later(maxFreshAge)
			_, err := r.Collect(r.ctx, Collection{Delay: grace})
			return err
		},
		after: func(r *registry) { r.left(slices.Concat(partsOf(old), partsOf(signature))) },
	},
	"quarantine": {
		damages: true,
		before: func(r *registry) {
			r.image("a", movedTag, "new")
			r.must(r.driver.PutContent(r.ctx, blobData(digest.FromString("layer of new")), []byte("damaged")))
		},
		do: func(r *registry) error {
			s, err := r.Scrub(r.ctx, Scrub{})
			if s.Unreadable > 0 { // it comes again
				err = errStorage
			}
			return err
		},
		after: func(r *registry) {
			_, err := r.Blob(r.ctx, "a", digest.FromString("layer of new"))
			r.wants(err, oci.CodeBlobUnknown)
		},
	},
	"restore": {
		damages: true,
		before: func(r *registry) {
			r.image("a", movedTag, "new")
			r.must(r.driver.Delete(r.ctx, blobData(digest.FromString("layer of new"))))
		},
		do: func(r *registry) error {
			return r.Restore(r.ctx, digest.FromString("layer of new"), reader("layer of new"))
		},
		after: func(r *registry) { r.holds("a", "layer of new", digest.SHA256) },
	},
}

// loseReferrer damages a referrer that the repositories a and b have, and makes their
// indexes without it.
func (r *registry) loseReferrer(m v1.Manifest) {
	r.t.Helper()
	for _, repo := range []string{"a", "b"} {
		r.damage(r.image(repo, "", "new", func(n *v1.Manifest) { n.Subject = m.Subject })[0], broken["empty"])
	}
	r.manifests.Purge()
	for _, repo := range []string{"a", "b"} {
		r.must(r.referrers.invalidate(r.ctx, repo))
		list, err := r.referring(repo, m.Subject.Digest)
		r.must(err)
		for _, d := range list {
			if d.Digest == nameOf(m).Digest {
				r.t.Fatal("what is damaged is still listed")
			}
		}
	}
}

// madeOf is the manifest that registry.image pushes.
func madeOf(seed string, edit ...func(*v1.Manifest)) v1.Manifest {
	part := func(s string) v1.Descriptor { return describe(layerType, []byte(s+" of "+seed), digest.SHA256) }
	return imageOf(part("config"), []v1.Descriptor{part("layer")}, edit...)
}

func nameOf(m v1.Manifest) v1.Descriptor {
	d, _ := manifestPut("", "", m)
	return d
}

func partsOf(m v1.Manifest) image { return append(image{nameOf(m), m.Config}, m.Layers...) }

var (
	old       = madeOf("old")
	signature = madeOf("signature", refersTo(nameOf(old)))
)

func (r *registry) tryPut(repo, reference string, manifest any) error {
	_, p := manifestPut(repo, reference, manifest)
	_, err := r.PutManifest(r.ctx, p)
	return err
}

func (r *registry) tryBlob(repo, content string, a digest.Algorithm) error {
	_, err := r.StartUpload(repo).Commit(r.ctx, reader(content), -1, a.FromString(content))
	return err
}

// tryDelete succeeds as well when a try before this one went through.
func (r *registry) tryDelete(repo string, m v1.Manifest) error {
	return unless(oci.CodeManifestUnknown, r.DeleteManifest(r.ctx, repo, nameOf(m).Digest))
}

func unless(c oci.Code, err error) error {
	if code(err) == c {
		return nil
	}
	return err
}

func (r *registry) leads(repo, reference string, manifest any) {
	r.t.Helper()
	d, p := manifestPut(repo, reference, manifest)
	m, err := r.Manifest(r.ctx, repo, p.Reference)
	r.must(err)
	if m.Digest != d.Digest {
		r.t.Errorf("%s:%s leads to %s, want %s", repo, reference, m.Digest, d.Digest)
	}
	r.complete(repo, p.Reference)
}

func (r *registry) lacks(repo string, m v1.Manifest) {
	r.t.Helper()
	_, err := r.Manifest(r.ctx, repo, nameOf(m).Digest.String())
	r.wants(err, oci.CodeManifestUnknown)
}

func (r *registry) holds(repo, content string, a digest.Algorithm) {
	r.t.Helper()
	if got, err := r.read(repo, a.FromString(content)); err != nil || got != content {
		r.t.Errorf("the blob has %q, %v", got, err)
	}
}

// sound fails unless every tag leads to a whole image, but those given, and the
// index of referrers is what the manifests say.
func (r *registry) sound(repo string, but ...string) {
	r.t.Helper()
	tags, err := r.Tags(r.ctx, repo)
	r.must(unless(oci.CodeNameUnknown, err))
	for _, tag := range tags {
		if !slices.Contains(but, tag) {
			r.complete(repo, tag)
		}
	}
	want, got := map[digest.Digest][]v1.Descriptor{}, map[digest.Digest][]v1.Descriptor{}
	ask, damaged := []digest.Digest{}, map[digest.Digest]bool{}
	named := map[digest.Digest][]v1.Descriptor{} // subjects, as their referrers do
	r.must(r.eachRevision(r.ctx, repo, func(canonical digest.Digest, names []digest.Digest) error {
		ask = append(ask, canonical)
		m, p, err := r.load(r.ctx, canonical)
		if err == nil && p.subject != "" {
			named[p.subject] = append(named[p.subject], descriptor(p, names[len(names)-1], int64(len(m.Content))))
			ask = append(ask, p.subject)
		}
		damaged[canonical] = code(err) == oci.CodeManifestUnknown // it may still be listed
		return unless(oci.CodeManifestUnknown, err)
	}))
	for _, d := range ask {
		list, err := r.referring(repo, d)
		r.must(err)
		list = slices.DeleteFunc(list, func(l v1.Descriptor) bool { return damaged[l.Digest] })
		if len(list) > 0 {
			slices.SortFunc(list, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
			got[d] = list
		}
		names := []digest.Digest{d}
		if m, err := r.Manifest(r.ctx, repo, d.String()); err == nil {
			names = oci.Digests(m.Content)
		}
		if _, done := want[d]; done {
			continue
		}
		for _, name := range names {
			if len(named[name]) > 0 {
				want[d] = append(want[d], named[name]...)
			}
		}
		slices.SortFunc(want[d], func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		r.t.Errorf("referrers (-manifests +index):\n%s", diff)
	}
}

// A failure at any operation of the storage leaves what was there before or what
// was to be, to this process and to the next one, and trying again succeeds.
func TestFailures(t *testing.T) {
	for name, s := range steps {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, process dies: %v", name, dies), func(t *testing.T) {
				t.Parallel()
				const enough = 500
				for n := range enough {
					if !s.failAt(t, n, dies) {
						return
					}
				}
				t.Errorf("it takes more than %d operations", enough)
			})
		}
	}
}

// failAt reports whether the step came to its nth operation.
func (s step) failAt(t *testing.T, n int, dies bool) bool {
	disk := memory(t)
	r := open(t, disk)
	r.image("a", keptTag, "old")
	r.put("a", movedTag, old)
	r.image("a", "", "signature", refersTo(nameOf(old)))
	if s.before != nil {
		s.before(r)
	}
	d := failAfter(disk, n, dies)
	r = open(t, d)
	err := s.do(r)
	failed := d.mend()
	if !failed {
		r.must(err)
	}
	if dies {
		r = open(t, disk)
	}
	if err == nil { // the storage may fail where it does not matter
		s.after(r)
	}
	check := func(r *registry) {
		t.Helper()
		r.leads("a", keptTag, old)
		r.sound("b")
		if s.damages {
			r.sound("a", movedTag)
		} else {
			r.sound("a")
		}
		if t.Failed() {
			t.Fatalf("after a failure of operation %d", n)
		}
	}
	check(r)
	r.must(s.do(r))
	s.after(r)
	check(r)
	check(open(t, disk))
	return failed
}

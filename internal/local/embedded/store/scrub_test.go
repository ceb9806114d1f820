package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// notebook is Progress in memory.
type notebook struct{ data []byte }

func (n *notebook) Read() ([]byte, error) { return n.data, nil }

func (n *notebook) Write(data []byte) error { n.data = data; return nil }

func (r *registry) scrub() Scrubbed {
	r.t.Helper()
	s, err := r.Scrub(r.ctx, Scrub{})
	r.must(err)
	return s
}

// broken are what can happen to the content of a blob.
var broken = map[string]func(content []byte) []byte{
	"a flipped bit": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	"truncated":     func(b []byte) []byte { return b[:len(b)-1] },
	"empty":         func([]byte) []byte { return nil },
	"longer":        func(b []byte) []byte { return append(b, 0) },
	"zeroes":        func(b []byte) []byte { return make([]byte, len(b)) },
}

func (r *registry) damage(d v1.Descriptor, how func([]byte) []byte) {
	r.t.Helper()
	content, err := r.driver.GetContent(r.ctx, blobData(d.Digest))
	r.must(err)
	r.must(r.driver.PutContent(r.ctx, blobData(d.Digest), how(bytes.Clone(content))))
}

// What is damaged is found, told with who needs it, kept out of the way, and
// mended by the next push of the same.
func TestScrubFindsDamage(t *testing.T) {
	for name, how := range broken {
		for i, what := range []string{"manifest", "config", "layer"} {
			t.Run(name+" of a "+what, func(t *testing.T) {
				r := open(t, files(t))
				whole := r.image("a", "whole", "whole")
				img := r.image("a", "v1", "damaged")
				r.complete("a", "v1") // and remember all of it
				r.damage(img[i], how)

				size := img[i].Size
				if i == 0 { // which nothing tells the size of
					size = oci.MaxManifest
				}
				want := []Damage{{Digest: img[i].Digest, Size: size, Places: []Place{{Repository: "a", Tags: []string{"v1"}}}}}
				for range 2 { // the second pass finds nothing new
					s := r.scrub()
					if diff := cmp.Diff(want, s.Damaged); diff != "" {
						t.Errorf("damaged (-want +got):\n%s", diff)
					}
				}
				if r.has(img[i]) {
					t.Error("it is still served")
				}
				if i == 0 {
					_, err := r.Manifest(r.ctx, "a", "v1")
					r.wants(err, oci.CodeManifestUnknown)
				} else {
					_, err := r.Blob(r.ctx, "a", img[i].Digest)
					r.wants(err, oci.CodeBlobUnknown)
					_, _, err = r.OpenBlob(r.ctx, "a", img[i].Digest)
					r.wants(err, oci.CodeBlobUnknown)
				}
				r.leads("a", "whole", madeOf("whole"))

				r.image("a", "v1", "damaged")
				for _, s := range []*registry{r, open(t, r.driver)} {
					s.complete("a", "v1")
					if got := s.scrub(); len(got.Damaged) > 0 || got.Blobs != len(img)+len(whole) {
						t.Errorf("after it was mended: %+v", got)
					}
				}
				if left, err := r.list(r.ctx, root+"/quarantine/sha256"); err != nil || len(left) > 0 {
					t.Errorf("left in quarantine: %v, %v", left, err)
				}
			})
		}
	}
}

// All places that lead to what is damaged are named.
func TestScrubPlaces(t *testing.T) {
	r := open(t, memory(t))
	child := r.image("a", "", "child")
	inner := r.index("a", "", child[0])
	r.index("a", "latest", inner)
	r.put("a", "v1", indexOf(inner))
	r.image("a", "other", "other")
	r.image("b", "v2", "child")
	r.image("c", "", "child") // untagged
	r.must(r.Mount(r.ctx, "d", "a", child[2].Digest))
	want := []Damage{{Digest: child[2].Digest, Size: child[2].Size, Places: []Place{
		{"a", []string{"latest", "v1"}}, {"b", []string{"v2"}}, {"c", nil}, {"d", nil},
	}}}
	r.damage(child[2], broken["truncated"])
	if diff := cmp.Diff(want, r.scrub().Damaged); diff != "" {
		t.Errorf("damaged (-want +got):\n%s", diff)
	}
}

// What nothing needs is let go of once it is found damaged.
func TestScrubNobodyNeedsIt(t *testing.T) {
	r := open(t, memory(t))
	blob := r.blob("a", "garbage")
	r.must(r.DeleteBlob(r.ctx, "a", blob.Digest))
	r.damage(blob, broken["truncated"])
	if s := r.scrub(); len(s.Damaged) > 0 || s.Blobs != 1 {
		t.Errorf("%+v", s)
	}
	for path := range r.snapshot() {
		if strings.Contains(path, blob.Digest.Encoded()) {
			t.Errorf("left: %s", path)
		}
	}
}

// A pass that is stopped goes on where it was, and reads nothing twice.
func TestScrubResumes(t *testing.T) {
	var reads []string
	d := interrupt(memory(t))
	around := d.around.before
	d.around.before = func(op, path string) error {
		if op == "Reader" {
			reads = append(reads, path)
		}
		return around(op, path)
	}
	r := open(t, d)
	for i := range 20 {
		r.blob("a", fmt.Sprint("blob ", i))
	}
	all, damaged := r.onDisk(), r.onDisk()[3]
	r.must(r.driver.PutContent(r.ctx, blobData(damaged), nil))
	progress := &notebook{}
	ctx, stop := context.WithCancel(r.ctx)
	d.at("Reader", blobData(all[7]), stop)
	s, err := r.Scrub(ctx, Scrub{Progress: progress})
	if !errors.Is(err, context.Canceled) || s.Blobs != 7 {
		t.Fatalf("%+v, %v; want 7 blobs until it was stopped", s, err)
	}
	reads = nil
	r = open(t, d)
	s, err = r.Scrub(r.ctx, Scrub{Progress: progress})
	r.must(err)
	if !s.Resumed || s.Blobs != len(all) || len(s.Damaged) != 1 {
		t.Errorf("resumed: %+v", s)
	}
	want := make([]string, 0, len(all))
	for _, d := range all[7:] {
		want = append(want, blobData(d))
	}
	if !slices.Equal(reads, want) {
		t.Errorf("read %v, want %v", reads, want)
	}
	s, err = r.Scrub(r.ctx, Scrub{Progress: progress})
	r.must(err)
	if s.Resumed || s.Blobs != len(all)-1 { // without what is in quarantine
		t.Errorf("the next pass: %+v", s)
	}
}

// Notes that cannot be read begin a new pass.
func TestScrubBadProgress(t *testing.T) {
	for _, data := range []string{"", "{", `{"next":"zz","blobs":7}`, `{"next":"ff"}`, `[]`} {
		r := open(t, memory(t))
		r.blob("a", "1")
		r.blob("a", "2")
		s, err := r.Scrub(r.ctx, Scrub{Progress: &notebook{[]byte(data)}})
		if err != nil || s.Blobs != 2 || s.Resumed {
			t.Errorf("%q: %+v, %v", data, s, err)
		}
	}
}

func TestScrubRate(t *testing.T) {
	const rate, size = 1 << 20, 10 << 20
	synctest.Test(t, func(t *testing.T) {
		r := open(t, memory(t))
		r.blob("a", strings.Repeat("x", size/2))
		r.blob("a", strings.Repeat("y", size/2))
		s, err := r.Scrub(r.ctx, Scrub{Rate: rate})
		r.must(err)
		// The first second's worth may come at once.
		if s.Duration < 8*time.Second || s.Duration > 10*time.Second || s.Bytes != size {
			t.Errorf("%d bytes took %s", s.Bytes, s.Duration)
		}
	})
}

func TestScrubOnceAtATime(t *testing.T) {
	d := interrupt(memory(t))
	r := open(t, d)
	blob := r.blob("a", "content")
	d.at("Reader", blobData(blob.Digest), func() {
		if _, err := r.Scrub(r.ctx, Scrub{}); !errors.Is(err, ErrScrubbing) {
			t.Errorf("%v, want %v", err, ErrScrubbing)
		}
	})
	r.scrub()
}

// A storage that is not there has not lost its blobs, and neither has one with
// too much to do; a file that the disk cannot read is damaged, and one that can be at the second look is not.
func TestScrubReadErrors(t *testing.T) {
	for name, test := range map[string]struct {
		fail    func(op string, nth int) bool
		fault   error
		damaged int
		err     error
	}{
		"one file":        {func(op string, _ int) bool { return op == "Reader" }, syscall.EIO, 1, nil},
		"not the file":    {func(op string, _ int) bool { return op == "Reader" }, errStorage, 0, nil},
		"once":            {func(op string, n int) bool { return op == "Reader" && n == 0 }, syscall.EIO, 0, nil},
		"all the storage": {func(string, int) bool { return true }, errStorage, 0, errStorage},
	} {
		t.Run(name, func(t *testing.T) {
			disk := memory(t)
			r := open(t, disk)
			img := r.image("a", "v1", "x")
			n, at := 0, false
			r = open(t, &around{StorageDriver: disk, before: func(op, path string) error {
				if path == blobData(img[2].Digest) && op == "Reader" {
					at = true
				}
				probe := path == root
				if !at || path != blobData(img[2].Digest) && !probe || !test.fail(op, n) {
					return nil
				}
				n++
				return test.fault
			}})
			s, err := r.Scrub(r.ctx, Scrub{})
			if !errors.Is(err, test.err) || len(s.Damaged) != test.damaged {
				t.Errorf("%+v, %v", s, err)
			}
			if there := open(t, disk).has(img[2]); there != (test.damaged == 0) {
				t.Errorf("the blob is there: %v", there)
			}
		})
	}
}

// A client that asks for a blob in the moment of its quarantine is not told that
// it is there: it would not push it.
func TestScrubAskedMeanwhile(t *testing.T) {
	d := interrupt(memory(t))
	r := open(t, d)
	img := r.image("a", "v1", "x")
	r.damage(img[2], broken["a flipped bit"])
	r = open(t, d)
	scrubbed := make(chan error, 1)
	d.behind("Stat", blobData(img[2].Digest), func() {
		go func() {
			_, err := r.Scrub(r.ctx, Scrub{})
			scrubbed <- err
		}()
		// Either the blob is in quarantine now, or that waits for who asks.
		select {
		case err := <-scrubbed:
			scrubbed <- err
		case <-time.After(50 * time.Millisecond):
		}
	})
	_, _ = r.Blob(r.ctx, "a", img[2].Digest)
	r.must(<-scrubbed)
	_, err := r.Blob(r.ctx, "a", img[2].Digest)
	r.wants(err, oci.CodeBlobUnknown)
}

func TestRestore(t *testing.T) {
	r := open(t, files(t))
	img := r.image("a", "v1", "x")
	manifest, err := r.Manifest(r.ctx, "a", "v1")
	r.must(err)
	for i, content := range []string{string(manifest.Content), "config of x", "layer of x"} {
		r.damage(img[i], broken["a flipped bit"])
		r.scrub()
		err := r.Restore(r.ctx, img[i].Digest, reader(content+"?"))
		r.wants(err, oci.CodeDigestInvalid)
		if r.has(img[i]) {
			t.Fatal("wrong content was stored")
		}
		r.must(r.Restore(r.ctx, img[i].Digest, reader(content)))
		r.complete("a", "v1")
	}
	if s := r.scrub(); len(s.Damaged) > 0 {
		t.Errorf("%+v", s)
	}
	if repos, err := r.Repositories(r.ctx); err != nil || !slices.Equal(repos, []string{"a"}) {
		t.Errorf("repositories: %v, %v", repos, err)
	}
	r.must(r.Restore(r.ctx, digest.FromString(""), reader("")))
	if !r.has(v1.Descriptor{Digest: digest.FromString("")}) {
		t.Error("the empty blob is not there")
	}
}

// What a tag leads to and is gone is told of with its tags, and put back with its
// links, where it is not what a tag itself leads to.
func TestScrubMissing(t *testing.T) {
	type gone struct {
		what func(x release) v1.Descriptor
		lose func(x release, d digest.Digest)
	}
	layer := func(x release) v1.Descriptor { return x.child[2] }
	child := func(x release) v1.Descriptor { return x.child[0] }
	for name, test := range map[string]gone{
		"content of a layer":  {layer, func(x release, d digest.Digest) { x.delete(blobPath(d)) }},
		"the link of a layer": {layer, func(x release, d digest.Digest) { x.delete(layerPath("a", d)) }},
		"an empty link":       {layer, func(x release, d digest.Digest) { x.write(layerLink("a", d), "") }},
		"a link elsewhere":    {layer, func(x release, d digest.Digest) { x.write(layerLink("a", d), x.image.Digest.String()) }},
		"a deleted layer":     {layer, func(x release, d digest.Digest) { x.must(x.DeleteBlob(x.ctx, "a", d)) }},
		"content of a child":  {child, func(x release, d digest.Digest) { x.delete(blobPath(d)) }},
		"the link of a child": {child, func(x release, d digest.Digest) { x.delete(revisionPath("a", d)) }},
		"all of a child": {child, func(x release, d digest.Digest) {
			x.delete(blobPath(d))
			x.delete(revisionPath("a", d))
		}},
		"a deleted child": {child, func(x release, d digest.Digest) { x.must(x.DeleteManifest(x.ctx, "a", d)) }},
	} {
		t.Run(name, func(t *testing.T) {
			x := releaseIn(open(t, files(t)))
			lost := test.what(x)
			content, err := x.driver.GetContent(x.ctx, blobData(lost.Digest))
			x.must(err)
			test.lose(x, lost.Digest)
			r := open(t, x.driver)
			want := []Damage{{Digest: lost.Digest, Missing: true, Size: lost.Size, Places: []Place{{"a", []string{"top"}}}}}
			for range 2 {
				if diff := cmp.Diff(want, r.scrub().Damaged); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			r.must(r.Restore(r.ctx, lost.Digest, bytes.NewReader(content)))
			for _, r := range []*registry{r, open(t, r.driver)} {
				r.complete("a", "top")
				if s := r.scrub(); len(s.Damaged) > 0 {
					t.Errorf("after it was restored: %+v", s.Damaged)
				}
			}
		})
	}
}

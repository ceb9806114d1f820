package transfer

import (
	"context"
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// growing is a store in which more refers to whatever it is asked for.
type growing struct {
	*store
	each  int
	asked int
}

func (s *growing) Referrers(_ context.Context, d ocispec.Descriptor) (list []ocispec.Descriptor, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.each {
		s.asked++
		list = append(list, s.json(ocispec.MediaTypeImageManifest, ocispec.Manifest{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: ocispec.DescriptorEmptyJSON,
			Subject: &d, Annotations: map[string]string{"n": fmt.Sprint(s.asked, i)},
		}))
	}
	return list, nil
}

// TestEndlessReferrers: what refers to a manifest, and to that, has an end.
func TestEndlessReferrers(t *testing.T) {
	for name, each := range map[string]int{"one after the other": 1, "more and more": 300} {
		t.Run(name, func(t *testing.T) {
			src := &growing{store: newStore(), each: each}
			src.content[ocispec.DescriptorEmptyJSON.Digest] = []byte("{}")
			g := newGraph(src, newStore(), Copying, nil)
			g.referrers = true
			wantFault(t, g.copy(t.Context(), src.image(nil)), diag.BadArtifact)
			if src.asked > 3*maxRelated {
				t.Errorf("%d referrers were read", src.asked)
			}
		})
	}
}

// TestEndlessIndexes: nor do indexes of indexes go on for ever.
func TestEndlessIndexes(t *testing.T) {
	src := newStore()
	root := src.image(nil)
	for range maxLevels + 1 {
		root = src.index(root)
	}
	wantFault(t, newGraph(src, newStore(), Copying, nil).copy(t.Context(), root), diag.BadArtifact)
}

// TestListedReferrers: what a list calls a referrer is looked at. What is none, or is
// gone, is told of and left out, with all that refers to it; a subject may be named
// by another digest of it.
func TestListedReferrers(t *testing.T) {
	src := newStore()
	root := src.image(nil, src.blob("layer"))
	long := root
	long.Digest = digest.SHA512.FromBytes(src.content[root.Digest])
	right, renamed := src.image(&root), src.image(&long, src.blob("other layer"))
	other := src.image(nil, src.blob("unrelated"))
	ofOther := src.image(&other)
	gone := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("gone"), Size: 4}
	src.referrers[root.Digest] = append(src.referrers[root.Digest], renamed, other, ofOther, gone)
	delete(src.referrers, long.Digest)

	dst := newStore()
	left := map[digest.Digest]bool{}
	g := newGraph(src, dst, Copying, func(e Event) {
		if e.Step == Unrelated {
			dst.mu.Lock()
			left[e.Digest] = true
			dst.mu.Unlock()
		}
	})
	g.referrers = true
	if err := g.copy(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	for _, d := range []ocispec.Descriptor{root, right, renamed} {
		if dst.content[d.Digest] == nil || left[d.Digest] {
			t.Errorf("%s was left out", d.Digest)
		}
	}
	for _, d := range []ocispec.Descriptor{other, ofOther, gone} {
		if dst.content[d.Digest] != nil || !left[d.Digest] {
			t.Errorf("%s came", d.Digest)
		}
	}
	if len(g.read) > 0 {
		t.Errorf("%d manifests are still remembered", len(g.read))
	}
}

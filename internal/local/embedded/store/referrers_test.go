package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// What a referrers answer tells of a manifest comes from the manifest, see OCI
// distribution-spec 1.1, "Listing Referrers".
func TestReferrersDescriptors(t *testing.T) {
	annotations := map[string]string{"org.example": "yes"}
	for name, test := range map[string]struct {
		edit func(*v1.Manifest)
		want v1.Descriptor
	}{
		"the type of its config": {
			func(*v1.Manifest) {},
			v1.Descriptor{ArtifactType: v1.MediaTypeImageConfig},
		},
		"its artifact type": {
			func(m *v1.Manifest) { m.ArtifactType = "application/x.signature" },
			v1.Descriptor{ArtifactType: "application/x.signature"},
		},
		"annotations": {
			func(m *v1.Manifest) { m.Annotations = annotations },
			v1.Descriptor{ArtifactType: v1.MediaTypeImageConfig, Annotations: annotations},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, memory(t))
			subject := r.image("a", "v1", "subject")[0]
			m := r.image("a", "", "referrer", refersTo(subject), test.edit)[0]
			test.want.MediaType, test.want.Digest, test.want.Size = m.MediaType, m.Digest, m.Size
			for _, s := range []*registry{r, open(t, r.driver)} {
				got, err := s.referring("a", subject.Digest)
				r.must(err)
				if diff := cmp.Diff([]v1.Descriptor{test.want}, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// An index can refer to something as well, and has an artifact type only when it
// says so.
func TestReferrersIndex(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	index := indexOf(subject)
	index.Subject = &subject
	m := r.put("a", "", index)
	got, err := r.referring("a", subject.Digest)
	r.must(err)
	if diff := cmp.Diff([]v1.Descriptor{m}, got); diff != "" {
		t.Error(diff)
	}
}

// damages are done to the stored index of a repository, between two processes.
// entry is one of its files.
var damages = map[string]func(r *registry, entry string) error{
	"nothing":  func(*registry, string) error { return nil },
	"no state": func(r *registry, _ string) error { return r.driver.Delete(r.ctx, referrersStatePath("a")) },
	"an empty state": func(r *registry, _ string) error {
		return r.driver.PutContent(r.ctx, referrersStatePath("a"), nil)
	},
	"another state": func(r *registry, _ string) error {
		return r.driver.PutContent(r.ctx, referrersStatePath("a"), []byte(`{"version":2,"count":3,"sum":1}`))
	},
	"a later version": func(r *registry, _ string) error {
		return r.driver.PutContent(r.ctx, referrersStatePath("a"), []byte(`{"version":3,"count":0,"sum":0}`))
	},
	"unfinished change": func(r *registry, _ string) error {
		return r.driver.PutContent(r.ctx, referrersStatePath("a"), []byte(unfinished))
	},
	"no entry": func(r *registry, entry string) error { return r.driver.Delete(r.ctx, entry) },
	"half an entry": func(r *registry, entry string) error {
		data, err := r.driver.GetContent(r.ctx, entry)
		return errors.Join(err, r.driver.PutContent(r.ctx, entry, data[:len(data)/2]))
	},
	"an empty entry": func(r *registry, entry string) error { return r.driver.PutContent(r.ctx, entry, nil) },
	"an entry too many": func(r *registry, _ string) error {
		data, err := referrerOf(v1.Descriptor{Digest: blobA}).encode()
		return errors.Join(err, r.driver.PutContent(r.ctx, referrersEntry("a", entryName(blobB, blobA)), data))
	},
	"another entry": func(r *registry, entry string) error {
		return r.driver.Move(r.ctx, entry, referrersEntry("a", entryName(blobB, blobA)))
	},
	"no index": func(r *registry, _ string) error { return r.driver.Delete(r.ctx, referrersPath("a")) },
	"other data": func(r *registry, _ string) error {
		return r.driver.PutContent(r.ctx, referrersIndex("a")+"/README", nil)
	},
	"that of an earlier version": func(r *registry, _ string) error {
		return errors.Join(r.driver.Delete(r.ctx, referrersPath("a")),
			r.driver.PutContent(r.ctx, referrersPath("a")+"/sha256/"+blobA.Encoded(), []byte("sha256:x\n[]")),
			r.driver.PutContent(r.ctx, referrersStatePath("a"), []byte(`{"count":1,"sum":2678622087587550754}`)))
	},
	"an empty one of an earlier version": func(r *registry, _ string) error {
		return errors.Join(r.driver.Delete(r.ctx, referrersPath("a")),
			r.driver.PutContent(r.ctx, referrersStatePath("a"), []byte(`{"count":0,"sum":0}`)))
	},
}

// referring returns all pages of an answer.
func (r *registry) referring(repo string, subject digest.Digest) (list []v1.Descriptor, err error) {
	for q := (ReferrersQuery{}); ; {
		page, next, err := r.referrersPage(repo, subject, q)
		list = append(list, page...)
		if q.After = next; err != nil || next == "" {
			return list, err
		}
	}
}

// referrersPage returns one of them.
func (r *registry) referrersPage(repo string, subject digest.Digest, q ReferrersQuery) (list []v1.Descriptor, next digest.Digest, err error) {
	page, err := r.Referrers(r.ctx, repo, subject, q)
	if err != nil {
		return nil, "", err
	}
	var index v1.Index
	err = json.Unmarshal(page.Index, &index)
	return index.Manifests, page.Next, err
}

// anEntry returns a file of a subject's.
func (r *registry) anEntry(repo string, subject digest.Digest) string {
	r.t.Helper()
	names, err := r.referrers.of(r.ctx, repo, subject)
	r.must(err)
	return referrersEntry(repo, names[0])
}

// refer fills a repository with subjects and referrers of both kinds of
// digests, and returns one subject.
func refer(r *registry) digest.Digest {
	one, two := r.image("a", "v1", "1"), r.image("a", "v2", "2")
	other := r.again("a", two[0], digest.SHA512)
	r.again("a", r.image("a", "", "signature", refersTo(one[0]))[0], digest.SHA512)
	r.image("a", "", "attestation", refersTo(one[0]))
	r.image("a", "", "signature of 2", refersTo(other))
	return one[0].Digest
}

// A subject is content, whichever of its digests it is named by and asked by.
func TestReferrersOfContent(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	m, err := r.Manifest(r.ctx, "a", subject.Digest.String())
	r.must(err)
	other := describe(subject.MediaType, m.Content, digest.SHA512)
	want := map[digest.Digest]bool{}
	for _, seed := range strings.Split("abcdefgh", "") {
		for _, named := range []v1.Descriptor{subject, other} {
			want[r.image("a", "", seed+named.Digest.Algorithm().String(), refersTo(named))[0].Digest] = true
		}
	}
	r.image("a", "", "of another", refersTo(r.image("a", "v2", "another")[0]))
	r.again("a", subject, digest.SHA512)
	for _, s := range []*registry{r, open(t, r.driver)} {
		for _, asked := range []digest.Digest{subject.Digest, other.Digest} {
			list, err := s.referring("a", asked)
			r.must(err)
			if len(list) != len(want) || !slices.IsSortedFunc(list, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) }) {
				t.Fatalf("%s has %d referrers, want %d: %v", asked, len(list), len(want), list)
			}
			for i, d := range list {
				if !want[d.Digest] {
					t.Errorf("%s is none", d.Digest)
				}
				rest, _, err := s.referrersPage("a", asked, ReferrersQuery{After: d.Digest})
				if err != nil || len(rest) != len(list)-i-1 {
					t.Errorf("%d follow the one at %d, %v", len(rest), i, err)
				}
			}
		}
	}
}

// index returns the files of the referrers index.
func indexFiles(r *registry) map[string]string {
	files := map[string]string{}
	for name, content := range r.snapshot() {
		if strings.Contains(name, "/_referrers/") && !strings.HasSuffix(name, "README") {
			files[name] = content
		}
	}
	return files
}

// An index that does not fit is made again, and is then what it was.
func TestReferrersRebuilt(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			r := open(t, memory(t))
			subject := refer(r)
			before := indexFiles(r)
			want, err := r.referring("a", subject)
			r.must(err)
			r.must(damage(r, r.anEntry("a", subject)))

			r = open(t, r.driver)
			got, err := r.referring("a", subject)
			r.must(err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, indexFiles(r)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			r.sound("a")
		})
	}
}

// Storage that takes no writes, such as a read-only mirror, still answers.
func TestReferrersReadOnly(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			r := open(t, memory(t))
			subject := refer(r)
			want, err := r.referring("a", subject)
			r.must(err)
			r.must(damage(r, r.anEntry("a", subject)))
			r = open(t, &around{StorageDriver: r.driver, before: func(op, _ string) error {
				if slices.Contains([]string{"PutContent", "Move", "Delete", "Writer"}, op) {
					return errStorage
				}
				return nil
			}})
			for range 2 { // the second comes from memory, or is made again
				got, err := r.referring("a", subject)
				r.must(err)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// The form of the files is what the next version of the program has to read.
func TestReferrersFiles(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	m := r.image("a", "", "referrer", refersTo(subject), func(m *v1.Manifest) { m.ArtifactType = "application/x.s" })[0]
	entry := `{"mediaType":"` + m.MediaType + `","digest":"` + m.Digest.String() + `","size":` + fmt.Sprint(m.Size) + `,"artifactType":"application/x.s"}`
	name := subject.Digest.Encoded() + "." + m.Digest.Encoded()
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name))
	want := map[string]string{
		"/docker/registry/v2/repositories/a/_referrers/state":         fmt.Sprintf(`{"version":2,"count":1,"sum":%d}`, hash.Sum64()),
		"/docker/registry/v2/repositories/a/_referrers/index/" + name: digest.FromString(entry).String() + "\n" + entry,
	}
	if diff := cmp.Diff(want, indexFiles(r)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Asking costs nothing on the disk.
func TestReferrersOfNothing(t *testing.T) {
	r := open(t, memory(t))
	r.blob("half", "content")
	before := r.snapshot()
	for _, repo := range []string{"unknown", "half"} {
		list, err := r.referring(repo, blobA)
		if err != nil || len(list) > 0 {
			t.Errorf("%s: %v, %v", repo, list, err)
		}
	}
	if diff := cmp.Diff(before, r.snapshot()); diff != "" {
		t.Errorf("storage (-before +after):\n%s", diff)
	}
}

// Manifests that refer to one subject at the same time are all in its list.
func TestReferrersParallel(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	var pushes sync.WaitGroup
	for _, seed := range strings.Split("abcdefghijklmnop", "") {
		pushes.Go(func() {
			m := r.image("a", "", seed, refersTo(subject))
			if seed < "i" {
				r.must(r.DeleteManifest(r.ctx, "a", m[0].Digest))
			}
		})
	}
	pushes.Wait()
	for _, s := range []*registry{r, open(t, r.driver)} {
		s.sound("a")
		if list, err := s.referring("a", subject.Digest); err != nil || len(list) != 8 {
			t.Errorf("%d referrers, %v; want 8", len(list), err)
		}
	}
}

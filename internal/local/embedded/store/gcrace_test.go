package store

import (
	"errors"
	"testing"
	"testing/synctest"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// race is a push that happens within an operation of a collection.
type race struct {
	r *registry
	d *interrupted

	old    image         // two delays old, and garbage
	parent v1.Descriptor // an index of old, garbage as well
	live   image         // in another repository
}

// races put a push where it is most dangerous. Each returns what has to be whole
// afterwards: a reference in the repository "a".
var races = map[string]func(c *race) (reference string){
	"a tag, after the tags were read": func(c *race) string {
		c.d.behind("List", tagsPath("a"), func() { c.r.put("a", "v1", c.manifest()) })
		return "v1"
	},
	"a tag, after the manifests were read": func(c *race) string {
		c.d.at("List", layersPath("a")+"/sha512", func() { c.r.image("a", "v1", "old") })
		return "v1"
	},
	"an index of an old image, before it is swept": func(c *race) string {
		c.d.behind("GetContent", blobData(c.old[0].Digest), func() { c.r.index("a", "v1", c.old[0]) })
		return "v1"
	},
	"an index of an old index, before its child is swept": func(c *race) string {
		c.d.behind("GetContent", blobData(c.old[0].Digest), func() { c.r.index("a", "v1", c.parent) })
		return "v1"
	},
	"an image of old blobs, before they are swept": func(c *race) string {
		c.d.at("List", layersPath("a")+"/sha512", func() { c.r.put("a", "v1", imageOf(c.old[1], c.old[1:])) })
		return "v1"
	},
	"an old manifest again, after it was taken out": func(c *race) string {
		c.d.at("List", layersPath("a")+"/sha512", func() { c.r.put("a", "", c.manifest()) })
		return c.old[0].Digest.String()
	},
	"an old image again, when only its content is left": func(c *race) string {
		c.d.at("List", blobsPath(digest.SHA256), func() { c.r.image("a", "v1", "old") })
		return "v1"
	},
	"an image in a repository that was passed": func(c *race) string {
		c.d.at("List", tagsPath("b"), func() { c.r.image("a", "v1", "old") })
		return "v1"
	},
	"a layer mounted from a repository that is yet to come": func(c *race) string {
		c.d.at("List", tagsPath("b"), func() {
			c.r.must(c.r.Mount(c.r.ctx, "a", "b", c.live[2].Digest))
			c.r.must(c.r.DeleteTag(c.r.ctx, "b", "v1"))
			c.r.put("a", "v1", imageOf(c.r.blob("a", "config"), c.live[2:]))
		})
		return "v1"
	},
	"a tag moved to another repository's image": func(c *race) string {
		c.d.at("List", blobsPath(digest.SHA256), func() {
			for _, d := range c.live[1:] {
				c.r.must(c.r.Mount(c.r.ctx, "a", "b", d.Digest))
			}
			c.r.must(c.r.DeleteManifest(c.r.ctx, "b", c.live[0].Digest))
			c.r.put("a", "v1", imageOf(c.live[1], c.live[2:]))
		})
		return "v1"
	},
	"a manifest that is asked for": func(c *race) string {
		c.d.at("GetContent", blobData(c.old[0].Digest), func() { c.r.must(c.r.Rely(c.r.ctx, "a", c.old[0].Digest)) })
		return c.old[0].Digest.String()
	},
	"a referrer of an old image": func(c *race) string {
		c.d.behind("GetContent", blobData(c.old[0].Digest), func() { c.r.image("a", "", "signature", refersTo(c.old[0])) })
		return c.old[0].Digest.String()
	},
}

func (c *race) manifest() v1.Manifest { return imageOf(c.old[1], c.old[2:]) }

func TestCollectRaces(t *testing.T) {
	for name, set := range races {
		t.Run(name, func(t *testing.T) {
			d := interrupt(memory(t))
			r := open(t, d)
			c := &race{r: r, d: d, old: r.image("a", "", "old")}
			c.parent = r.index("a", "", c.old[0])
			c.live = r.image("b", "v1", "live")
			r.later(2 * grace)
			reference := set(c)
			r.collect()
			if d.pending() {
				t.Fatal("the push did not happen")
			}
			// What this store remembers, and what is there, has to be the same.
			for _, s := range []*registry{r, open(t, d)} {
				s.complete("a", reference)
			}
		})
	}
}

// Who asks for a blob while it is being removed waits, and is told the truth.
func TestCollectAskedWhileRemoving(t *testing.T) {
	ask := map[string]func(r *registry, d digest.Digest) error{
		"blob":  func(r *registry, d digest.Digest) error { _, err := r.Blob(r.ctx, "a", d); return err },
		"mount": func(r *registry, d digest.Digest) error { return r.Mount(r.ctx, "b", "a", d) },
		"manifest": func(r *registry, d digest.Digest) error {
			_, p := manifestPut("a", "v1", imageOf(v1.Descriptor{Digest: d, Size: int64(len("garbage"))}, nil))
			_, err := r.PutManifest(r.ctx, p)
			return err
		},
	}
	for name, ask := range ask {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := interrupt(memory(t))
				r := open(t, d)
				blob := r.blob("a", "garbage")
				r.later(2 * grace)
				answer := make(chan error, 1)
				d.at("Delete", layerPath("a", blob.Digest), func() {
					go func() { answer <- ask(r, blob.Digest) }()
					synctest.Wait()
					if len(answer) > 0 {
						t.Error("answered while the blob is being removed")
					}
				})
				// Asking makes nothing fresh that is not there.
				r.collect()
				err := <-answer
				if c := code(err); c != oci.CodeBlobUnknown && c != oci.CodeManifestBlobUnknown {
					t.Errorf("%v, want that it is unknown", err)
				}
			})
		})
	}
}

// Content that is pushed while the same content is being removed is stored.
func TestCollectPushedWhileRemoving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := interrupt(memory(t))
		r := open(t, d)
		blob := r.blob("a", "garbage")
		r.later(2 * grace)
		pushed := make(chan error, 1)
		d.at("Delete", blobPath(blob.Digest), func() {
			go func() {
				_, err := r.StartUpload("b").Commit(r.ctx, reader("garbage"), -1, blob.Digest)
				pushed <- err
			}()
			synctest.Wait()
		})
		r.collect()
		r.must(<-pushed)
		if got, err := open(t, d).read("b", blob.Digest); err != nil || got != "garbage" {
			t.Errorf("content: %q, %v", got, err)
		}
	})
}

// A repository is not removed for being empty when something comes just then.
func TestCollectUploadToEmptyRepository(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := interrupt(memory(t))
		r := open(t, d)
		r.blob("a", "garbage")
		r.later(2 * grace)
		started := make(chan *Upload, 1)
		// The first that is removed of a repository.
		d.at("Delete", uploadsPath("a"), func() {
			go func() {
				u := r.StartUpload("a")
				_, err := u.Append(r.ctx, reader("con"), 0)
				r.must(err)
				started <- u
			}()
			synctest.Wait()
		})
		r.collect()
		u := <-started
		_, err := u.Commit(r.ctx, reader("tent"), 3, digest.FromString("content"))
		r.must(err)
	})
}

// A slow reader of a manifest does not make the store remember one whose content
// is removed meanwhile: pushing it again has to store it again.
func TestCollectWhileReading(t *testing.T) {
	d := interrupt(memory(t))
	r := open(t, d)
	old := r.image("a", "", "old")
	r = open(t, d) // that has read nothing yet
	r.later(2 * grace)
	d.behind("GetContent", blobData(old[0].Digest), func() { r.collect() })
	_, err := r.Manifest(r.ctx, "a", old[0].Digest.String())
	r.must(err)
	r.image("a", "v1", "old")
	open(t, d).complete("a", "v1")
}

// A mount fails with an error of the storage and not of the client when that is
// at fault.
func TestMountStorageFails(t *testing.T) {
	d := memory(t)
	r := open(t, d)
	blob := r.blob("a", "content")
	broken := open(t, &around{StorageDriver: d, before: func(op, _ string) error {
		if op == "PutContent" {
			return errStorage
		}
		return nil
	}})
	if err := broken.Mount(r.ctx, "b", "a", blob.Digest); !errors.Is(err, errStorage) {
		t.Errorf("%v, want the storage's error", err)
	}
	if _, err := d.Stat(r.ctx, layerLink("b", blob.Digest)); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("the link is there: %v", err)
	}
}

package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

// What is pushed again mends what the storage has, also where this process
// remembers it as whole, in all repositories that have it.
func TestPushMends(t *testing.T) {
	for storage, driver := range map[string]func(testing.TB) *registry{
		"files":     func(t testing.TB) *registry { return open(t, files(t)) },
		"a service": func(t testing.TB) *registry { return open(t, memory(t)) },
	} {
		for name, how := range broken {
			for i, what := range []string{"manifest", "config", "layer"} {
				t.Run(name+" of a "+what+" in "+storage, func(t *testing.T) {
					r := driver(t)
					img := r.image("a", "v1", "image")
					r.image("b", "v1", "image")
					r.complete("a", "v1")
					r.complete("b", "v1")
					r.damage(img[i], how)
					if !r.Store.onDisk() { // which is trusted with what is remembered
						r.manifests.Purge()
					}
					r.image("a", "v1", "image")
					for _, s := range []*registry{r, open(t, r.driver)} {
						s.complete("a", "v1")
						s.complete("b", "v1")
						if damaged := s.scrub().Damaged; len(damaged) > 0 {
							t.Errorf("%+v", damaged)
						}
					}
				})
			}
		}
	}
}

// Links that are damaged are written again by a push, also where they are
// remembered.
func TestPushMendsLinks(t *testing.T) {
	r := open(t, files(t))
	img := r.image("a", "v1", "image")
	r.complete("a", "v1")
	for _, link := range []string{revisionLink("a", img[0].Digest), tagLink("a", "v1"), layerLink("a", img[2].Digest)} {
		for _, content := range []string{"", digest.FromString("another").String()} {
			r.must(r.driver.PutContent(r.ctx, link, []byte(content)))
			r.image("a", "v1", "image")
			r.complete("a", "v1")
			open(t, r.driver).complete("a", "v1")
		}
	}
}

// A manifest that comes back is listed as a referrer in all repositories.
func TestPushMendsReferrers(t *testing.T) {
	r := open(t, files(t))
	for _, repo := range []string{"a", "b"} {
		subject := r.image(repo, "v1", "image")[0]
		r.image(repo, "", "signature", refersTo(subject))
	}
	subject := r.image("a", "v1", "image")[0]
	signature := r.image("a", "", "signature", refersTo(subject))[0]
	r.damage(signature, broken["truncated"])
	r = open(t, r.driver)
	r.must(r.referrers.invalidate(r.ctx, "b"))
	if list, err := r.referring("b", subject.Digest); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	r.image("a", "", "signature", refersTo(subject))
	list, err := r.referring("b", subject.Digest)
	if err != nil || len(list) != 1 || list[0].Digest != signature.Digest {
		t.Errorf("%+v, %v", list, err)
	}
}

// So is one that comes back while the index is being made without it.
func TestRestoreWhileIndexIsMade(t *testing.T) {
	d := interrupt(memory(t))
	r := open(t, d)
	subject := r.image("a", "v1", "image")[0]
	_, p := manifestPut("a", "", madeOf("signature", refersTo(subject)))
	signature := r.image("a", "", "signature", refersTo(subject))[0]
	r.damage(signature, broken["truncated"])
	r = open(t, d)
	r.must(r.referrers.invalidate(r.ctx, "a"))
	d.behind("GetContent", blobData(signature.Digest), func() {
		r.must(r.Restore(r.ctx, signature.Digest, bytes.NewReader(p.Content)))
	})
	for _, s := range []*registry{r, open(t, d)} {
		list, err := s.referring("a", subject.Digest)
		if err != nil || len(list) != 1 || list[0].Digest != signature.Digest {
			t.Errorf("%+v, %v", list, err)
		}
	}
	if d.pending() {
		t.Error("the index was not made")
	}
}

// A blob whose size tells that it is damaged is said to be missing, so that a push
// sends it again: whether the size is remembered, or only a manifest tells it.
func TestWrongSize(t *testing.T) {
	for name, how := range map[string]func([]byte) []byte{"truncated": broken["truncated"], "empty": broken["empty"], "longer": broken["longer"]} {
		for _, known := range []string{"by its push", "by a manifest", "by its digest"} {
			t.Run(name+", known "+known, func(t *testing.T) {
				r := open(t, files(t))
				img := r.image("a", "v1", "image")
				r.damage(img[2], how)
				switch known {
				case "by a manifest":
					r = open(t, r.driver)
					_, err := r.Manifest(r.ctx, "a", "v1")
					r.must(err)
				case "by its digest":
					if name != "empty" {
						return
					}
					r = open(t, r.driver)
				}
				_, err := r.Blob(r.ctx, "a", img[2].Digest)
				r.wants(err, oci.CodeBlobUnknown)
				_, _, err = r.OpenBlob(r.ctx, "a", img[2].Digest)
				r.wants(err, oci.CodeBlobUnknown)
				r.wants(r.Mount(r.ctx, "b", "a", img[2].Digest), oci.CodeBlobUnknown)
				r.image("a", "v1", "image")
				r.complete("a", "v1")
			})
		}
	}
}

// Nor is it mounted, so that the client sends it.
func TestMountWrongSize(t *testing.T) {
	r := open(t, files(t))
	base := r.image("a", "v1", "image")[2]
	r.damage(base, broken["truncated"])
	r.wants(r.Mount(r.ctx, "b", "a", base.Digest), oci.CodeBlobUnknown)
	r.blob("b", "layer of image")
	r.put("b", "v1", imageOf(r.blob("b", "config"), []v1.Descriptor{base}))
	r.complete("b", "v1")
}

// Who asks for a damaged blob does not wait for the end of a collection, in which it
// cannot be put into quarantine, and it is not read for each who asks.
func TestWrongSizeWhileCollecting(t *testing.T) {
	var reads atomic.Int32
	d := &around{StorageDriver: files(t), before: func(op, path string) error {
		if op == "Reader" {
			reads.Add(1)
		}
		return nil
	}}
	r := open(t, d)
	config, layer := r.blob("a", "config"), r.blob("a", "layer")
	r.claims.begin()
	r.must(r.Mount(r.ctx, "b", "a", layer.Digest))
	r.damage(layer, broken["truncated"])
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	const many = 20
	reads.Store(0)
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			_, _, err := r.OpenBlob(ctx, "a", layer.Digest)
			if code(err) != oci.CodeBlobUnknown {
				t.Errorf("%v, want %s", err, oci.CodeBlobUnknown)
			}
		})
	}
	all.Wait()
	if n := reads.Load(); n != many+1 { // each opens it before its size is known
		t.Errorf("%d looks at one blob read it %d times", many, n-many)
	}
	r.blobs.Purge()
	_, p := manifestPut("a", "v1", imageOf(config, []v1.Descriptor{layer}))
	_, err := r.PutManifest(ctx, p)
	r.wants(err, oci.CodeManifestBlobUnknown)
	r.claims.end()
	if damaged := r.scrub().Damaged; len(damaged) != 1 {
		t.Errorf("a scrub finds %+v", damaged)
	}
	r.blob("a", "layer")
	_, err = r.PutManifest(r.ctx, p)
	r.must(err)
	r.complete("a", "v1")
}

// Of a manifest and a blob of different sizes, the one that is wrong is told of.
func TestPutManifestOfDamagedBlob(t *testing.T) {
	r := open(t, files(t))
	config, layer := r.blob("a", "config"), r.blob("a", "layer")
	r.damage(layer, broken["truncated"])
	r = open(t, r.driver)
	_, p := manifestPut("a", "v1", imageOf(config, []v1.Descriptor{layer}))
	_, err := r.PutManifest(r.ctx, p)
	r.wants(err, oci.CodeManifestBlobUnknown)
	_, err = r.Blob(r.ctx, "a", layer.Digest)
	r.wants(err, oci.CodeBlobUnknown)
	r.blob("a", "layer")
	_, err = r.PutManifest(r.ctx, p)
	r.must(err)

	// A manifest that lies is refused as before, and the blob read only once.
	lie := layer
	lie.Size++
	_, p = manifestPut("a", "v2", imageOf(config, []v1.Descriptor{lie}))
	for range 3 {
		_, err = r.PutManifest(r.ctx, p)
		r.wants(err, oci.CodeManifestInvalid)
	}
	r.complete("a", "v1")
}

// A pull that has begun reads what it began with while a push mends it.
func TestMendWhilePulled(t *testing.T) {
	r := open(t, files(t))
	img := r.image("a", "v1", "image")
	_, content, err := r.OpenBlob(r.ctx, "a", img[2].Digest)
	r.must(err)
	defer content.Close()
	if _, ok := content.(*os.File); !ok {
		t.Errorf("a %T cannot be sent by the kernel", content)
	}
	r.image("a", "v1", "image")
	var got bytes.Buffer
	if _, err := got.ReadFrom(content); err != nil || digest.FromBytes(got.Bytes()) != img[2].Digest {
		t.Errorf("%q, %v", got.Bytes(), err)
	}
}

// inUse is a disk of a system that replaces no file which is open, and where
// somebody has all of them open.
type inUse struct {
	storagedriver.StorageDriver
	publisher
}

func (d inUse) Publish(ctx context.Context, from, to string, paths []string, contents [][]byte) error {
	if from != "" {
		if _, err := d.Stat(ctx, to); err == nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrPermission}
		}
	}
	return d.publisher.Publish(ctx, from, to, paths, contents)
}

// A blob that cannot be replaced while it is pulled is kept if it is right.
func TestPushWhilePulled(t *testing.T) {
	disk := files(t)
	r := open(t, inUse{disk, disk.(publisher)})
	b := r.blob("a", "content")
	r.blob("a", "content")
	r.blob("b", "content")
	for _, repo := range []string{"a", "b"} {
		r.holds(repo, "content", digest.SHA256)
	}
	if left, err := r.list(r.ctx, uploadsPath("b")); err != nil || len(left) != 0 {
		t.Errorf("uploads that are left: %v, %v", left, err)
	}

	r.damage(b, broken["a flipped bit"])
	u := r.StartUpload("c")
	_, err := u.Commit(r.ctx, reader("content"), -1, b.Digest)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("what is damaged: %v", err)
	}
	_, err = r.Blob(r.ctx, "c", b.Digest)
	r.wants(err, oci.CodeBlobUnknown)
	// The upload goes on once nobody reads.
	r.Store.driver = disk
	_, err = u.Commit(r.ctx, reader(""), 7, b.Digest)
	r.must(err)
	r.holds("c", "content", digest.SHA256)
}

// Who asks for a blob again at once is answered from memory, and who opens it, or
// asks later, is not.
func TestLookAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, files(t))
		layer := r.image("a", "v1", "image")[2]
		_, err := r.Blob(r.ctx, "a", layer.Digest)
		r.must(err)
		r.damage(layer, broken["truncated"])
		time.Sleep(lookAgain - 1)
		_, err = r.Blob(r.ctx, "a", layer.Digest)
		r.must(err)
		time.Sleep(time.Nanosecond)
		_, err = r.Blob(r.ctx, "a", layer.Digest)
		r.wants(err, oci.CodeBlobUnknown)

		layer = r.image("a", "v1", "image")[2]
		_, err = r.Blob(r.ctx, "a", layer.Digest)
		r.must(err)
		r.damage(layer, broken["longer"])
		_, _, err = r.OpenBlob(r.ctx, "a", layer.Digest)
		r.wants(err, oci.CodeBlobUnknown)
	})
}

// A disk may rot while the size and time of a file stay. What was found so is mended
// by the next push; what was not found yet, once the file has not been looked into for
// a while.
func TestPushMendsRot(t *testing.T) {
	for name, notice := range map[string]func(r *registry, d digest.Digest){
		"it was asked for": func(r *registry, _ digest.Digest) {
			r.manifests.Purge()
			if _, err := r.Manifest(r.ctx, "a", "v1"); code(err) != oci.CodeManifestUnknown {
				t.Errorf("a manifest that rotted: %v", err)
			}
		},
		"time went by": func(r *registry, d digest.Digest) {
			was, ok := r.inspected.Get(d)
			if !ok {
				t.Fatal("it was not looked into")
			}
			was.at = was.at.Add(-lookInside)
			r.inspected.Add(d, was)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			driver, err := storage.NewFilesystem(dir)
			if err != nil {
				t.Fatal(err)
			}
			r := open(t, driver)
			manifest := r.image("a", "v1", "image")[0]
			r.image("a", "v2", "image") // which looks into it
			file := filepath.Join(dir, blobData(manifest.Digest))
			info, err := os.Stat(file)
			r.must(err)
			r.damage(manifest, broken["a flipped bit"])
			r.must(os.Chtimes(file, info.ModTime(), info.ModTime()))
			notice(r, manifest.Digest)
			r.image("a", "v1", "image")
			r.manifests.Purge()
			_, err = r.Manifest(r.ctx, "a", "v1")
			r.must(err)
		})
	}
}

package store

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// collections are what a registry has and returns what of it stays: nothing else
// may be in the storage after a collection, two delays after the last push.
var collections = map[string]func(r *registry) []v1.Descriptor{
	"nothing": func(*registry) []v1.Descriptor { return nil },
	"a tag": func(r *registry) []v1.Descriptor {
		r.image("a", "", "garbage")
		return r.image("a", "v1", "live")
	},
	"a blob that nothing names": func(r *registry) []v1.Descriptor {
		r.blob("a", "garbage")
		return nil
	},
	"children of an index": func(r *registry) []v1.Descriptor {
		r.image("a", "", "garbage")
		one, two := r.image("a", "", "1"), r.image("a", "", "2")
		inner := r.index("a", "", one[0], two[0])
		return append(slices.Concat(one, two), inner, r.index("a", "v1", inner))
	},
	"children of a dead index": func(r *registry) []v1.Descriptor {
		one, two := r.image("a", "", "1"), r.image("a", "v1", "2")
		r.index("a", "", r.index("a", "", one[0]), two[0])
		return two
	},
	"referrers of referrers": func(r *registry) []v1.Descriptor {
		subject := r.image("a", "v1", "subject")
		signature := r.image("a", "", "signature", refersTo(subject[0]))
		return slices.Concat(subject, signature, r.image("a", "", "more", refersTo(signature[0])))
	},
	"referrers of a child of an index": func(r *registry) []v1.Descriptor {
		child := r.image("a", "", "child")
		return append(slices.Concat(child, r.image("a", "", "signature", refersTo(child[0]))), r.index("a", "v1", child[0]))
	},
	"the subject of a live referrer": func(r *registry) []v1.Descriptor {
		subject := r.image("a", "", "subject")
		return slices.Concat(subject, r.image("a", "v1", "signature", refersTo(subject[0])))
	},
	"referrers of a dead subject": func(r *registry) []v1.Descriptor {
		subject := r.image("a", "", "subject")
		signature := r.image("a", "", "signature", refersTo(subject[0]))
		r.image("a", "", "more", refersTo(signature[0]))
		return nil
	},
	"referrers of no manifest": func(r *registry) []v1.Descriptor {
		r.image("a", "", "dead", refersTo(describe(v1.MediaTypeImageManifest, nil, digest.SHA256)))
		return r.image("a", "v1", "live", refersTo(describe(v1.MediaTypeImageManifest, nil, digest.SHA512)))
	},
	"a layer by its SHA-512": func(r *registry) []v1.Descriptor {
		r.blobAs("a", "garbage", digest.SHA512)
		config, layer := r.blob("a", "config"), r.blobAs("a", "layer", digest.SHA512)
		live := r.put("a", "v1", imageOf(config, []v1.Descriptor{layer}))
		return image{live, config, describe(layerType, []byte("layer"), digest.SHA256)}
	},
	"a child by its SHA-512": func(r *registry) []v1.Descriptor {
		child := r.image("a", "", "child")
		other := r.again("a", child[0], digest.SHA512)
		return append(child, r.index("a", "v1", other))
	},
	"a subject by its SHA-512": func(r *registry) []v1.Descriptor {
		subject := r.image("a", "v1", "subject")
		other := r.again("a", subject[0], digest.SHA512)
		return slices.Concat(subject, r.image("a", "", "signature", refersTo(other)))
	},
	"a subject by a SHA-512 that it was not pushed by": func(r *registry) []v1.Descriptor {
		subject := r.image("a", "v1", "subject")
		m, err := r.Manifest(r.ctx, "a", "v1")
		r.must(err)
		other := describe(subject[0].MediaType, m.Content, digest.SHA512)
		signature := r.image("a", "", "signature", refersTo(other))
		return slices.Concat(subject, signature, r.image("a", "", "more", refersTo(signature[0])))
	},
	"a dead subject by a SHA-512 that it was not pushed by": func(r *registry) []v1.Descriptor {
		subject := r.image("a", "", "subject")
		m, err := r.Manifest(r.ctx, "a", subject[0].Digest.String())
		r.must(err)
		r.image("a", "", "signature", refersTo(describe(subject[0].MediaType, m.Content, digest.SHA512)))
		return nil
	},
	"a layer of two repositories": func(r *registry) []v1.Descriptor {
		live := r.image("a", "v1", "same")
		r.image("b", "v1", "same")
		r.must(r.DeleteTag(r.ctx, "b", "v1"))
		return live
	},
	"a layer mounted from a dead image": func(r *registry) []v1.Descriptor {
		dead := r.image("a", "", "dead")
		r.must(r.Mount(r.ctx, "b", "a", dead[2].Digest))
		config := r.blob("b", "config")
		return image{r.put("b", "v1", imageOf(config, dead[2:])), config, dead[2]}
	},
	"a manifest that another repository has": func(r *registry) []v1.Descriptor {
		r.image("a", "", "same")
		return r.image("b", "v1", "same")
	},
	"a layer that is a manifest": func(r *registry) []v1.Descriptor {
		r.image("a", "", "garbage")
		content, err := json.Marshal(indexOf(describe(v1.MediaTypeImageManifest, []byte("elsewhere"), digest.SHA256)))
		r.must(err)
		config, layer := r.blob("a", "config"), r.blob("a", string(content))
		layer.MediaType = v1.MediaTypeImageIndex
		live := image{r.put("a", "v1", imageOf(config, []v1.Descriptor{layer})), config, layer}
		if damaged := r.scrub().Damaged; len(damaged) > 0 {
			r.t.Errorf("missing: %+v", damaged)
		}
		return live
	},
	"a foreign layer": func(r *registry) []v1.Descriptor {
		elsewhere := describe("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", []byte("elsewhere"), digest.SHA256)
		config := r.blob("a", "config")
		return image{config, r.put("a", "v1", imageOf(config, []v1.Descriptor{elsewhere}))}
	},
	"an overwritten tag": func(r *registry) []v1.Descriptor {
		r.image("a", "v1", "old")
		return r.image("a", "v1", "new")
	},
	"a tag that is back": func(r *registry) []v1.Descriptor {
		r.image("a", "v1", "same")
		r.must(r.DeleteTag(r.ctx, "a", "v1"))
		return r.image("a", "v1", "same")
	},
	"a blob deleted under a tag": func(r *registry) []v1.Descriptor {
		live := r.image("a", "v1", "live")
		r.must(r.DeleteBlob(r.ctx, "a", live[2].Digest))
		return live // content is cheap, and another push of the layer brings the link back
	},
	"a damaged manifest": func(r *registry) []v1.Descriptor {
		damaged := r.image("a", "v1", "damaged")
		r.must(r.driver.PutContent(r.ctx, blobData(damaged[0].Digest), []byte("{}")))
		return damaged // what it names can still be repaired with it
	},
	"a damaged link": func(r *registry) []v1.Descriptor {
		d := r.blobAs("a", "garbage", digest.SHA512)
		r.must(r.driver.PutContent(r.ctx, layerLink("a", d.Digest), []byte("no digest")))
		return r.image("a", "v1", "live")
	},
}

// again pushes a manifest by another of its digests.
func (r *registry) again(repo string, d v1.Descriptor, a digest.Algorithm) v1.Descriptor {
	r.t.Helper()
	m, err := r.Manifest(r.ctx, repo, d.Digest.String())
	r.must(err)
	other := describe(d.MediaType, m.Content, a)
	_, err = r.PutManifest(r.ctx, Put{Repo: repo, Reference: other.Digest.String(), Content: m.Content})
	r.must(err)
	return other
}

func TestCollect(t *testing.T) {
	for name, build := range collections {
		t.Run(name, func(t *testing.T) {
			r := open(t, files(t))
			live := build(r)
			r.later(2 * grace)
			r.collect()
			r.left(live)
			// And the same to a process that remembers nothing.
			after := open(t, r.driver)
			after.later(2 * grace)
			if report := after.collect(); report.Freed != (Freed{}) {
				t.Errorf("the second collection freed %+v", report.Freed)
			}
		})
	}
}

// left fails unless the storage has some content and no other.
func (r *registry) left(live []v1.Descriptor) {
	r.t.Helper()
	want := map[digest.Digest]bool{}
	for _, d := range live {
		want[d.Digest] = true
	}
	for _, d := range r.onDisk() {
		if !want[d] {
			r.t.Errorf("%s is still there", d)
		}
		delete(want, d)
	}
	for d := range want {
		r.t.Errorf("%s is gone", d)
	}
}

// What was pushed, or told to be there, within the delay stays although nothing
// names it; what a client gave up does not.
func TestCollectYoung(t *testing.T) {
	for name, build := range map[string]func(r *registry) []v1.Descriptor{
		"a blob": func(r *registry) []v1.Descriptor { return image{r.blob("a", "new")} },
		"a SHA-512 blob": func(r *registry) []v1.Descriptor {
			r.blobAs("a", "new", digest.SHA512)
			return image{describe("", []byte("new"), digest.SHA256)}
		},
		"a manifest": func(r *registry) []v1.Descriptor { return r.image("a", "", "new") },
		"a deleted blob": func(r *registry) []v1.Descriptor {
			r.must(r.DeleteBlob(r.ctx, "a", r.blob("a", "new").Digest))
			return nil
		},
		"a deleted image": func(r *registry) []v1.Descriptor {
			r.must(r.DeleteManifest(r.ctx, "a", r.image("a", "v1", "new")[0].Digest))
			return nil
		},
		"a deleted tag": func(r *registry) []v1.Descriptor {
			r.image("a", "v1", "new")
			r.must(r.DeleteTag(r.ctx, "a", "v1"))
			return nil
		},
		"a deleted index": func(r *registry) []v1.Descriptor {
			r.index("a", "v1", r.image("a", "", "child")[0])
			r.must(r.DeleteTag(r.ctx, "a", "v1"))
			return nil
		},
		"one of two tags": func(r *registry) []v1.Descriptor {
			live := r.image("a", "v1", "new")
			r.put("a", "v2", imageOf(live[1], live[2:]))
			r.must(r.DeleteTag(r.ctx, "a", "v1"))
			return live
		},
		"an overwritten tag": func(r *registry) []v1.Descriptor {
			old := r.image("a", "v1", "old")
			r.later(2 * grace)
			return slices.Concat(old, r.image("a", "v1", "new"))
		},
		"a blob that is asked for": func(r *registry) []v1.Descriptor {
			told := r.blob("a", "told")
			r.blob("a", "garbage")
			r.later(maxFreshAge)
			_, err := r.Blob(r.ctx, "a", told.Digest)
			r.must(err)
			return image{told}
		},
		"a manifest that is asked for": func(r *registry) []v1.Descriptor {
			told := r.image("a", "", "told")
			r.image("a", "", "garbage")
			r.later(maxFreshAge)
			r.must(r.Rely(r.ctx, "a", told[0].Digest))
			return told
		},
		"a mounted blob": func(r *registry) []v1.Descriptor {
			old := r.blob("a", "old")
			r.later(2 * grace)
			r.must(r.Mount(r.ctx, "b", "a", old.Digest))
			return image{old}
		},
		"a long push": func(r *registry) []v1.Descriptor {
			first := r.blob("a", "first layer")
			r.later(grace - time.Minute)
			second := r.blob("a", "second layer")
			r.later(grace - time.Minute)
			return image{first, second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, memory(t))
			live := build(r)
			r.collect()
			r.left(live)
		})
	}
}

func TestCollectKeepsUntagged(t *testing.T) {
	r := openWith(t, memory(t), Options{Delay: grace})
	live := r.image("a", "", "by digest")
	r.blob("a", "garbage")
	r.later(2 * grace)
	r.collect()
	r.left(live)
}

// An upload that was abandoned goes; one that somebody is at, or may come back
// to, stays, also when it is all that its repository has.
func TestCollectUploads(t *testing.T) {
	for name, test := range map[string]struct {
		delay   time.Duration
		restart bool
		busy    bool
		purged  int
	}{
		"young":               {delay: grace},
		"young after restart": {delay: grace, restart: true},
		"old":                 {purged: 1},
		"old after restart":   {restart: true, purged: 1},
		"old, but in use":     {busy: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, files(t))
			u := r.StartUpload("a")
			_, err := u.Append(r.ctx, reader("content"), 0)
			r.must(err)
			if test.restart {
				r.must(r.Close())
				r = open(t, r.driver)
			}
			if test.busy {
				u.take()
			}
			for _, dry := range []bool{true, false} {
				report, err := r.Collect(r.ctx, Collection{Delay: test.delay, DryRun: dry})
				r.must(err)
				if report.Freed.Uploads != test.purged {
					t.Errorf("%d uploads were freed (dry run: %v)", report.Freed.Uploads, dry)
				}
			}
			if test.busy {
				u.release()
			}
			again, err := r.Upload(r.ctx, "a", u.ID)
			if test.purged == 1 {
				r.wants(err, oci.CodeBlobUploadUnknown)
				return
			}
			r.must(err)
			_, err = again.Commit(r.ctx, reader(""), 7, digest.FromString("content"))
			r.must(err)
		})
	}
}

// What a client was told that it sent is not lost because an upload cannot be
// opened just now: another collection removes it.
func TestCollectUploadsThatFail(t *testing.T) {
	for name, fault := range map[string]error{"storage": errStorage, "too many": fault(oci.CodeTooMany, "too many")} {
		t.Run(name, func(t *testing.T) {
			fails := false
			r := open(t, &around{StorageDriver: files(t), before: func(op, _ string) error {
				if fails && op == "Writer" {
					return fault
				}
				return nil
			}})
			u := r.StartUpload("a")
			_, err := u.Append(r.ctx, reader("content"), 0)
			r.must(err)
			r.must(r.Close())
			r = open(t, r.driver)
			purge := func(want int) {
				t.Helper()
				report, err := r.Collect(r.ctx, Collection{})
				r.must(err)
				if report.Freed.Uploads != want {
					t.Errorf("%d uploads were freed, want %d", report.Freed.Uploads, want)
				}
			}
			fails = true
			purge(0)
			fails = false
			again, err := r.Upload(r.ctx, "a", u.ID)
			r.must(err)
			if n := again.Offset(r.ctx); n != 7 {
				t.Errorf("it is at %d, want 7", n)
			}
			r.must(r.Close())
			r = open(t, r.driver)
			purge(1)
		})
	}
}

// Uploads of another program, which are directories, go as well.
func TestCollectForeignUploads(t *testing.T) {
	r := open(t, files(t))
	const id = "01234567-89ab-cdef-0123-456789abcdef"
	r.must(r.driver.PutContent(r.ctx, uploadPath("a", id)+"/data", []byte("content")))
	report, err := r.Collect(r.ctx, Collection{})
	r.must(err)
	if report.Freed.Uploads != 1 {
		t.Errorf("%d uploads were freed", report.Freed.Uploads)
	}
	if left, err := r.list(r.ctx, uploadsPath("a")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCollectEmptyRepositories(t *testing.T) {
	r := open(t, files(t))
	r.image("gone", "v1", "dead")
	r.image("gone/but/below", "v1", "live")
	_, err := r.Repositories(r.ctx)
	r.must(err)
	r.must(r.DeleteTag(r.ctx, "gone", "v1"))
	r.later(2 * grace)
	r.collect()
	for _, s := range []*registry{r, open(t, r.driver)} {
		repos, err := s.Repositories(r.ctx)
		r.must(err)
		if want := []string{"gone/but/below"}; !slices.Equal(repos, want) {
			t.Errorf("repositories: %v, want %v", repos, want)
		}
		_, err = s.Tags(r.ctx, "gone")
		r.wants(err, oci.CodeNameUnknown)
		s.complete("gone/but/below", "v1")
	}
	if left, err := r.driver.List(r.ctx, repositoryPath("gone")); err != nil || len(left) != 1 || path.Base(left[0]) != "but" {
		t.Errorf("left: %v, %v", left, err)
	}
	r.image("gone", "v1", "back")
	r.complete("gone", "v1")
}

// What the storage got while the clock was wrong goes like all else: one delay after
// the start of the process, or at once without a delay.
func TestCollectFromTheFuture(t *testing.T) {
	for name, test := range map[string]struct {
		delay, later time.Duration
		stays        bool
	}{
		"no delay":      {},
		"just started":  {delay: grace, later: grace / 2, stays: true},
		"a delay later": {delay: grace, later: grace},
	} {
		t.Run(name, func(t *testing.T) {
			d := &redated{files(t), time.Now().AddDate(1, 0, 0)}
			r := open(t, d)
			r.image("a", "", "garbage")
			u := r.StartUpload("a")
			_, err := u.Append(r.ctx, reader("content"), 0)
			r.must(err)
			r.must(r.Close())
			r = open(t, d)
			r.later(test.later)
			report, err := r.Collect(r.ctx, Collection{Delay: test.delay})
			r.must(err)
			if stays := len(r.onDisk()) > 0; stays != test.stays || report.Freed.Uploads == 1 == test.stays {
				t.Errorf("it stays: %t, %+v", stays, report)
			}
		})
	}
}

// redated is storage that says of all files that they were written at a time.
type redated struct {
	storagedriver.StorageDriver
	at time.Time
}

func (d *redated) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	info, err := d.StorageDriver.Stat(ctx, path)
	if err != nil {
		return nil, err
	}
	return storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{Path: path, Size: info.Size(), IsDir: info.IsDir(), ModTime: d.at}}, nil
}

// aged is storage that says of what is below a path that it is old.
type aged struct {
	storagedriver.StorageDriver
	below string
}

func (a *aged) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	info, err := a.StorageDriver.Stat(ctx, path)
	if err != nil || !strings.HasPrefix(path, a.below) {
		return info, err
	}
	return storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{Path: path, Size: info.Size()}}, nil
}

// A push that a restart interrupted can go on although an old image of another
// repository, which had the same layer, is collected just then.
func TestCollectSharedAfterRestart(t *testing.T) {
	d := &aged{memory(t), repositoryPath("a")}
	r := open(t, d)
	old := r.image("a", "", "old")
	r.must(r.Mount(r.ctx, "b", "a", old[2].Digest))
	r = open(t, d)
	if report := r.collect(); report.Freed.Manifests != 1 {
		t.Fatalf("%+v, want that the image goes", report)
	}
	config := r.blob("b", "config")
	r.put("b", "v1", imageOf(config, old[2:]))
	r.complete("b", "v1")
}

package store

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"
)

// panics is storage that panics at one operation after n that work, and counts them.
func panics(d storagedriver.StorageDriver, n int64) (driver storagedriver.StorageDriver, count *atomic.Int64) {
	count = &atomic.Int64{}
	return &around{StorageDriver: d, before: func(op, path string) error {
		if count.Add(1) == n+1 {
			panic(op + " of " + path)
		}
		return nil
	}}, count
}

// everything does all that a store can do. Nothing of it has to succeed.
func everything(r *registry) {
	ctx := r.ctx
	push := func(repo, reference string, manifest any) {
		_, p := manifestPut(repo, reference, manifest)
		_, _ = r.PutManifest(ctx, p)
	}
	blob := func(repo, content string) {
		u := r.StartUpload(repo)
		_, _ = u.Append(ctx, reader(content[:1]), -1)
		_, _ = u.Commit(ctx, reader(content[1:]), -1, digest.FromString(content))
	}
	for _, seed := range []string{"one", "two"} {
		blob("a", "config of "+seed)
		blob("a", "layer of "+seed)
		push("a", seed, madeOf(seed))
		d, _ := manifestPut("a", "", madeOf(seed))
		refers := madeOf(seed)
		refersTo(d)(&refers)
		push("a", "", refers)
		_, _ = r.Referrers(ctx, "a", d.Digest, ReferrersQuery{})
		push("a", "latest", indexOf(d))
		_ = r.Mount(ctx, "b", "a", digest.FromString("layer of "+seed))
		_, _ = r.Blob(ctx, "a", digest.FromString("config of "+seed))
		_, _ = r.Store.Manifest(ctx, "a", seed)
		if _, content, err := r.OpenBlob(ctx, "a", digest.FromString("layer of "+seed)); err == nil {
			_, _ = io.Copy(io.Discard, content)
			_ = content.Close()
		}
	}
	_, _ = r.StartUpload("a").Append(ctx, reader("abandoned"), -1)
	_, _ = r.Tags(ctx, "a")
	_, _ = r.Repositories(ctx)
	_ = r.DeleteTag(ctx, "a", "one")
	d, _ := manifestPut("a", "", madeOf("two"))
	_ = r.DeleteManifest(ctx, "a", d.Digest)
	_ = r.DeleteBlob(ctx, "b", digest.FromString("layer of two"))
	_, _ = r.Scrub(ctx, Scrub{})
	_, _ = r.Collect(ctx, Collection{})
	_ = r.Restore(ctx, digest.FromString("layer of two"), reader("layer of two"))
	r.Tidy()
}

// A panic of the driver, whatever the store is at, is an error, and the store goes
// on working: no lock is held, nothing waits for ever.
func TestDriverPanics(t *testing.T) {
	driver, operations := panics(memory(t), -1)
	everything(open(t, driver))
	if operations.Load() < 200 {
		t.Errorf("there were %d operations", operations.Load())
	}
	for n := range operations.Load() {
		driver, _ := panics(memory(t), n)
		r := open(t, driver)
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			everything(r)
			everything(r)
		}()
		select {
		case <-finished:
		case <-time.After(5 * time.Minute):
			t.Fatalf("the store does not go on after a panic in operation %d", n)
		}
		r.image("a", "v1", fmt.Sprint("works ", n))
		r.complete("a", "v1")
		r.must(r.DeleteTag(r.ctx, "a", "v1"))
		if _, err := r.Collect(context.WithoutCancel(r.ctx), Collection{}); err != nil {
			t.Errorf("after operation %d: %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Logf("after operation %d: %v", n, err)
		}
	}
}

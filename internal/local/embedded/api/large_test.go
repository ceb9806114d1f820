package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/local/embedded/quota"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// Large manifests wait for each other, and small ones for nobody.
func TestLargeManifests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		subject := c.image("a", "v1", "config", "")
		content := c.manifest("a", "large", `,"annotations":{"a":"`+strings.Repeat("x", large)+`"}`)
		put := func() *answer { return c.do("PUT", "/v2/a/manifests/large", content, "Content-Type", imageType) }
		get := func() *answer { return c.do("GET", "/v2/a/manifests/large", "") }
		list := func() *answer { return c.do("GET", "/v2/a/referrers/"+subject.String(), "") }
		for range largeAnswers + 1 { // each gives its place back
			put().is(201, "")
			get().is(200, "")
			list().is(200, "")
			c.do("PUT", "/v2/a/manifests/large", content+strings.Repeat(" ", 4<<20)).is(413, "SIZE_INVALID")
		}
		c.h.manifests, c.h.answers = quota.New(1), quota.New(1)
		for _, q := range []*quota.Quota{c.h.manifests, c.h.answers} {
			if err := q.Enter(t.Context(), "another"); err != nil {
				t.Fatal(err)
			}
		}
		for _, ask := range []func() *answer{put, get, list} {
			ask().is(429, "TOOMANYREQUESTS").has("Retry-After", "5")
		}
		c.image("a", "small", "config", "")
		c.do("GET", "/v2/a/manifests/v1", "").is(200, "")
		c.do("HEAD", "/v2/a/manifests/v1", "").is(200, "")
	})
}

// gatedLists is storage that lists the manifests of repositories once it may.
type gatedLists struct {
	storagedriver.StorageDriver
	open chan struct{}
}

func (g gatedLists) List(ctx context.Context, path string) ([]string, error) {
	if strings.HasSuffix(path, "/_manifests/revisions/sha256") {
		<-g.open
	}
	return g.StorageDriver.List(ctx, path)
}

// Lists that wait for an index of referrers to be made leave their places to others.
func TestIndexTakesNoPlace(t *testing.T) {
	const index = "/docker/registry/v2/repositories/a/_referrers"
	for name, damage := range map[string]func(ctx context.Context, d storagedriver.StorageDriver) error{
		"an index that is gone": func(ctx context.Context, d storagedriver.StorageDriver) error { return d.Delete(ctx, index) },
		"an entry that is damaged": func(ctx context.Context, d storagedriver.StorageDriver) error {
			entries, err := d.List(ctx, index+"/index")
			return errors.Join(err, d.PutContent(ctx, entries[0], nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := gatedLists{memory(t), make(chan struct{})}
				c := clientOn(t, disk.StorageDriver)
				subject := c.image("a", "v1", "config", "")
				c.image("a", "", "referrer", fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":1}`, imageType, subject))
				c.image("a", "large", "config", `,"annotations":{"a":"`+strings.Repeat("x", large)+`"}`)
				if err := damage(t.Context(), disk); err != nil {
					t.Fatal(err)
				}
				c = clientOn(t, disk)
				c.h.answers = quota.New(1)
				var lists sync.WaitGroup
				for range 3 {
					lists.Go(func() { c.do("GET", "/v2/a/referrers/"+subject.String(), "").is(200, "") })
				}
				synctest.Wait()
				c.do("GET", "/v2/a/manifests/large", "").is(200, "")
				close(disk.open)
				lists.Wait()
				c.do("GET", "/v2/a/manifests/large", "").is(200, "")
			})
		})
	}
}

// Blobs that are being read are so many at once, and each gives its place back.
func TestBlobReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		target := "/v2/a/blobs/" + c.blob("a", "content").String()
		c.h.blobs = quota.New(2)
		for range 3 {
			c.do("GET", target, "").is(200, "")
			c.do("GET", "/v2/b/blobs/"+digest.FromString("unknown").String(), "").is(404, "BLOB_UNKNOWN")
		}
		if err := c.h.blobs.Enter(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		c.do("GET", target, "").is(429, "TOOMANYREQUESTS").has("Retry-After", "5")
		c.do("HEAD", target, "").is(200, "")
	})
}

// Before a place is there, no more of a large manifest is read.
func TestLargeManifestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.h.manifests = quota.New(1)
		if err := c.h.manifests.Enter(t.Context(), "another"); err != nil {
			t.Fatal(err)
		}
		body := &endless{}
		done := make(chan bool)
		go func() {
			c.send(httptest.NewRequest("PUT", "/v2/a/manifests/v1", body)).is(413, "SIZE_INVALID")
			close(done)
		}()
		synctest.Wait()
		if body.read > large {
			t.Errorf("%d bytes were read", body.read)
		}
		c.h.manifests.Leave("another")
		<-done
	})
}

// A manifest names so much, and an answer that some of it is missing is short.
func TestManifestNamesMany(t *testing.T) {
	c := newClient(t)
	d := c.blob("a", "config")
	put := func(n int) *answer {
		layers := make([]string, n)
		for i := range layers {
			layers[i] = fmt.Sprintf(`{"mediaType":"x","digest":%q,"size":1}`, digest.FromString(fmt.Sprint(i)))
		}
		return c.do("PUT", "/v2/a/manifests/v1", fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"x","digest":%q,"size":6},"layers":[%s]}`,
			imageType, d, strings.Join(layers, ",")))
	}
	put(store.MaxDescriptors).is(400, "MANIFEST_INVALID")
	a := put(store.MaxDescriptors-1).is(400, "MANIFEST_BLOB_UNKNOWN")
	var body struct {
		Errors []struct{ Detail []digest.Digest }
	}
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil || len(body.Errors[0].Detail) != 100 {
		t.Errorf("%d bytes, %v", a.Body.Len(), err)
	}
}

// Clients are told apart where the registry can.
func TestClients(t *testing.T) {
	c := newClient(t)
	c.h.Client = func(r *http.Request) string { return r.Header.Get("X-Test") }
	c.h.manifests = quota.New(2)
	if err := c.h.manifests.Enter(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	content := c.manifest("a", "large", `,"annotations":{"a":"`+strings.Repeat("x", large)+`"}`)
	c.do("PUT", "/v2/a/manifests/v1", content, "X-Test", "two").is(201, "")
}

// Many ranges are ignored, and few are not.
func TestManyRanges(t *testing.T) {
	c := newClient(t)
	target := "/v2/a/blobs/" + c.blob("a", strings.Repeat("0123456789", 100)).String()
	ranges := func(n int) *answer {
		return c.do("GET", target, "", "Range", "bytes=0-0"+strings.Repeat(",2-2", n-1))
	}
	ranges(maxRanges).is(206, "")
	ranges(maxRanges+1).is(200, "").has("Content-Length", "1000")
}

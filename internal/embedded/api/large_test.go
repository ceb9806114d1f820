package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/embedded/quota"
	"github.com/berth-oci/berth/internal/embedded/store"
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

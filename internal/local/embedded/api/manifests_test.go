package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

func TestManifest(t *testing.T) {
	c := newClient(t)
	content := c.manifest("a", "config", "")
	d := digest.FromString(content)
	c.do("PUT", "/v2/a/manifests/v1", content, "Content-Type", imageType).is(201, "").
		has("Docker-Content-Digest", d.String(), "Location", "http://example.com/v2/a/manifests/"+d.String(), "Content-Length", "0", "OCI-Subject", "")
	etag := `"` + d.String() + `"`
	headers := []string{"Docker-Content-Digest", d.String(), "Content-Type", imageType, "Content-Length", fmt.Sprint(len(content)), "Etag", etag}
	for _, reference := range []string{"v1", d.String()} {
		target := "/v2/a/manifests/" + reference
		if got := c.do("GET", target, "").is(200, "").has(headers...).content(); got != content {
			t.Errorf("%s: %s", reference, got)
		}
		if got := c.do("HEAD", target, "").is(200, "").has(headers...).content(); got != "" {
			t.Errorf("HEAD has a body: %q", got)
		}
		if got := c.do("GET", target, "", "If-None-Match", etag).is(304, "").has("Etag", etag).content(); got != "" {
			t.Errorf("not modified has a body: %q", got)
		}
		c.do("GET", target, "", "If-None-Match", `"other"`).is(200, "")
	}
	// Where clients look for the types that they know first.
	c.do("GET", "/v2/a/manifests/v1", "", "Accept", indexType).is(200, "").has("Content-Type", imageType)
	c.do("DELETE", "/v2/a/manifests/v1", "").is(202, "")
	c.do("GET", "/v2/a/manifests/v1", "").is(404, "MANIFEST_UNKNOWN")
	c.do("HEAD", "/v2/a/manifests/"+d.String(), "").is(200, "")
	c.do("DELETE", "/v2/a/manifests/"+d.String(), "").is(202, "")
	for _, reference := range []string{"v1", d.String()} {
		c.do("DELETE", "/v2/a/manifests/"+reference, "").is(404, "MANIFEST_UNKNOWN")
		c.do("HEAD", "/v2/a/manifests/"+reference, "").is(404, "")
	}
}

func TestManifestRefused(t *testing.T) {
	c := newClient(t)
	good := c.manifest("a", "config", "")
	other := digest.FromString("other").String()
	for name, test := range map[string]struct{ reference, mediaType, content, code string }{
		"no JSON":             {"v1", imageType, "{", "MANIFEST_INVALID"},
		"empty":               {"v1", imageType, "", "MANIFEST_INVALID"},
		"another type":        {"v1", indexType, good, "MANIFEST_INVALID"},
		"a type of nothing":   {"v1", ";;", good, "MANIFEST_INVALID"},
		"another digest":      {other, imageType, good, "DIGEST_INVALID"},
		"an unknown layer":    {"v1", imageType, strings.Replace(good, `"layers":[]`, `"layers":[{"digest":"`+other+`","size":5}]`, 1), "MANIFEST_BLOB_UNKNOWN"},
		"a tag that is none":  {"-v1", imageType, good, "TAG_INVALID"},
		"a digest of nothing": {"sha256:00", imageType, good, "DIGEST_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			c.do("PUT", "/v2/a/manifests/"+test.reference, test.content, "Content-Type", test.mediaType).is(400, test.code)
		})
	}
	c.do("PUT", "/v2/a/manifests/v1", good, "Content-Type", imageType+"; charset=utf-8").is(201, "")
	c.do("PUT", "/v2/a/manifests/v1", good).is(201, "") // its own mediaType tells
}

// All that is missing is told at once.
func TestManifestLacks(t *testing.T) {
	c := newClient(t)
	one, two := digest.FromString("1"), digest.FromString("2")
	a := c.do("PUT", "/v2/a/manifests/v1", fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"digest":%q},{"digest":%q}]}`, one, two), "Content-Type", indexType).is(400, "MANIFEST_BLOB_UNKNOWN")
	for _, d := range []digest.Digest{one, two} {
		if !strings.Contains(a.Body.String(), d.String()) {
			t.Errorf("%s is not told: %s", d, a.Body)
		}
	}
}

// endless is a body without a length, which counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, strings.Repeat(" ", len(p))), nil
}

func TestManifestSize(t *testing.T) {
	c := newClient(t)
	content := c.manifest("a", "config", "")
	largest := content + strings.Repeat(" ", oci.MaxManifest-len(content))
	for _, known := range []bool{true, false} {
		put := func(content string) *answer {
			r := httptest.NewRequest("PUT", "/v2/a/manifests/v1", strings.NewReader(content))
			if !known {
				r.ContentLength = -1
			}
			return c.send(r)
		}
		put(largest).is(201, "")
		put(largest+" ").is(413, "SIZE_INVALID")
	}
	body := &endless{}
	r := httptest.NewRequest("PUT", "/v2/a/manifests/v1", body)
	c.send(r).is(413, "SIZE_INVALID")
	if body.read > 3*oci.MaxManifest { // the buffer grows by more than it needs
		t.Errorf("%d bytes were read of a body that does not end", body.read)
	}
	c.send(httptest.NewRequest("PUT", "/v2/a/manifests/v1", io.MultiReader(strings.NewReader(content), iotest.ErrReader(errors.New("reset"))))).is(400, "MANIFEST_INVALID")
}

// Of many clients that create a tag, one does.
func TestManifestCreate(t *testing.T) {
	c := newClient(t)
	contents := make([]string, 20)
	for i := range contents {
		contents[i] = c.manifest("a", fmt.Sprint("config ", i), "")
	}
	var winner atomic.Pointer[string]
	var all sync.WaitGroup
	for _, content := range contents {
		all.Go(func() {
			a := c.do("PUT", "/v2/a/manifests/v1", content, "Content-Type", imageType, "If-None-Match", "*")
			switch {
			case a.Code == 201 && !winner.CompareAndSwap(nil, &content):
				t.Error("two created the tag")
			case a.Code != 201:
				a.is(412, "DENIED")
			}
		})
	}
	all.Wait()
	if winner.Load() == nil {
		t.Fatal("nobody created the tag")
	}
	if got := c.do("GET", "/v2/a/manifests/v1", "").is(200, "").content(); got != *winner.Load() {
		t.Errorf("the tag leads to %s", got)
	}
	// It is about tags: by digest there is nothing to overwrite.
	d := digest.FromString(contents[0])
	for range 2 {
		c.do("PUT", "/v2/a/manifests/"+d.String(), contents[0], "If-None-Match", "*").is(201, "")
	}
}

func TestReferrers(t *testing.T) {
	c := newClient(t)
	subject := c.image("a", "v1", "config", "")
	refer := fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":1},"artifactType":`, imageType, subject)
	signature := c.manifest("a", "s", refer+`"application/signature"`)
	sbom := c.manifest("a", "b", refer+`"application/sbom","annotations":{"a":"b"}`)
	for _, content := range []string{signature, sbom} {
		c.do("PUT", "/v2/a/manifests/"+digest.FromString(content).String(), content, "Content-Type", imageType).is(201, "").has("OCI-Subject", subject.String())
	}
	for target, want := range map[string]struct {
		filter string
		types  string
	}{
		"/v2/a/referrers/" + subject.String():                                    {"", "application/sbom application/signature"},
		"/v2/a/referrers/" + subject.String() + "?artifactType=application/sbom": {"artifactType", "application/sbom"},
		"/v2/a/referrers/" + subject.String() + "?artifactType=application/none": {"artifactType", ""},
		"/v2/a/referrers/" + digest.FromString("unknown").String():               {"", ""},
		"/v2/unknown/referrers/" + subject.String():                              {"", ""},
		"/v2/unknown/referrers/" + digest.SHA512.FromString("unknown").String():  {"", ""},
	} {
		a := c.do("GET", target, "").is(200, "").has("Content-Type", indexType, "OCI-Filters-Applied", want.filter)
		var index struct {
			SchemaVersion int
			MediaType     string
			Manifests     []struct {
				ArtifactType string
				Digest       digest.Digest
			}
		}
		if err := json.Unmarshal(a.Body.Bytes(), &index); err != nil || index.SchemaVersion != 2 || index.MediaType != indexType || index.Manifests == nil {
			t.Errorf("%s: %s, %v", target, a.Body, err)
		}
		types := map[string]bool{}
		for _, m := range index.Manifests {
			types[m.ArtifactType] = true
		}
		for _, want := range strings.Fields(want.types) {
			if !types[want] {
				t.Errorf("%s: %s is missing", target, want)
			}
			delete(types, want)
		}
		if len(types) > 0 {
			t.Errorf("%s: %v should not be there", target, types)
		}
		c.do("HEAD", target, "").is(200, "").has("Content-Length", fmt.Sprint(a.Body.Len()))
	}
}

// brokenDriver fails with an error that tells more than a client may know.
type brokenDriver struct {
	storagedriver.StorageDriver
	err error
}

func (b *brokenDriver) Stat(_ context.Context, path string) (storagedriver.FileInfo, error) {
	return nil, &fs.PathError{Op: "stat", Path: "/secret" + path, Err: b.err}
}

func (b *brokenDriver) GetContent(_ context.Context, path string) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: "/secret" + path, Err: b.err}
}

func (b *brokenDriver) PutContent(_ context.Context, path string, _ []byte) error {
	return &fs.PathError{Op: "open", Path: "/secret" + path, Err: b.err}
}

func (b *brokenDriver) List(_ context.Context, path string) ([]string, error) {
	return nil, &fs.PathError{Op: "open", Path: "/secret" + path, Err: b.err}
}

func (b *brokenDriver) Writer(_ context.Context, path string, _ bool) (storagedriver.FileWriter, error) {
	return nil, &fs.PathError{Op: "open", Path: "/secret" + path, Err: b.err}
}

// What the storage says stays in the log: it has paths, hosts and buckets.
func TestStorageFails(t *testing.T) {
	d := digest.FromString("x").String()
	requests := []string{
		"GET /v2/_catalog", "GET /v2/a/tags/list", "GET /v2/a/manifests/v1", "PUT /v2/a/manifests/v1", "DELETE /v2/a/manifests/v1",
		"GET /v2/a/manifests/" + d, "DELETE /v2/a/manifests/" + d, "GET /v2/a/blobs/" + d, "DELETE /v2/a/blobs/" + d, "GET /v2/a/referrers/" + d,
		"POST /v2/a/blobs/uploads/?digest=" + d, "POST /v2/a/blobs/uploads/?from=b&mount=" + d, "GET /v2/a/blobs/uploads/" + strings.Repeat("0", 32),
	}
	for _, test := range []struct {
		err    error
		status int
		code   string
	}{
		{syscall.ENOSPC, 507, "DENIED"}, {syscall.EDQUOT, 507, "DENIED"}, {syscall.EROFS, 500, "DENIED"}, {syscall.EACCES, 500, "DENIED"},
		{syscall.EIO, 503, "UNAVAILABLE"}, {errors.New("bucket at host"), 503, "UNAVAILABLE"},
	} {
		c := clientOn(t, &brokenDriver{memory(t), test.err})
		for _, request := range requests {
			method, target, _ := strings.Cut(request, " ")
			a := c.do(method, target, `{"schemaVersion":2,"manifests":[]}`, "Content-Type", indexType).is(test.status, test.code)
			for _, secret := range []string{"/docker", "secret", "repositories", "bucket"} {
				if strings.Contains(a.Body.String(), secret) {
					t.Errorf("%s tells %q: %s", request, secret, a.Body)
				}
			}
			if (a.Code == 503) != (a.Header().Get("Retry-After") != "") {
				t.Errorf("%s: retry after %q", request, a.Header().Get("Retry-After"))
			}
		}
	}
}

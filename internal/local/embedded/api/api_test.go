package api

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// client speaks to a handler.
type client struct {
	t testing.TB
	h *Handler
}

func newClient(t testing.TB) *client {
	t.Helper()
	return clientOn(t, memory(t))
}

func memory(t testing.TB) storagedriver.StorageDriver {
	t.Helper()
	d, err := storage.Open(t.Context(), configuration.Storage{"inmemory": {}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func clientOn(t testing.TB, d storagedriver.StorageDriver) *client {
	log := slog.New(slog.DiscardHandler)
	s := store.New(d, store.Options{Log: log, Delay: time.Hour, Untagged: true})
	t.Cleanup(func() { _ = s.Close() })
	return &client{t, New(s, Options{Log: log})}
}

// do sends a request with headers given as names and values.
func (c *client) do(method, target, body string, headers ...string) *answer {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) *answer {
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	return &answer{c.t, w, r.Method + " " + r.URL.String()}
}

// answer is what came back.
type answer struct {
	t testing.TB
	*httptest.ResponseRecorder
	request string
}

// is fails unless an answer has a status and, for an error, a code.
func (a *answer) is(status int, code string) *answer {
	a.t.Helper()
	if a.Code != status || a.code() != code {
		a.t.Errorf("%s: %d %s, want %d %s\n%s", a.request, a.Code, a.code(), status, code, a.Body)
	}
	return a
}

// has fails unless an answer has headers, given as names and values.
func (a *answer) has(headers ...string) *answer {
	a.t.Helper()
	for i := 0; i < len(headers); i += 2 {
		if got := a.Header().Get(headers[i]); got != headers[i+1] {
			a.t.Errorf("%s: %s is %q, want %q", a.request, headers[i], got, headers[i+1])
		}
	}
	return a
}

// code returns the first error's; "" for none.
func (a *answer) code() string {
	var body struct {
		Errors []struct{ Code string }
	}
	_ = json.Unmarshal(a.Body.Bytes(), &body)
	if len(body.Errors) == 0 {
		return ""
	}
	return body.Errors[0].Code
}

func (a *answer) content() string {
	a.t.Helper()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(data)
}

// blob pushes one in a single request.
func (c *client) blob(repo, content string) digest.Digest {
	c.t.Helper()
	d := digest.FromString(content)
	c.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), content).is(201, "")
	return d
}

const (
	imageType = "application/vnd.oci.image.manifest.v1+json"
	indexType = "application/vnd.oci.image.index.v1+json"
)

// manifest returns one with a config only; more is further fields.
func (c *client) manifest(repo, config, more string) string {
	c.t.Helper()
	d := c.blob(repo, config)
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/x","digest":%q,"size":%d},"layers":[]%s}`, imageType, d, len(config), more)
}

// image pushes a manifest and returns its digest.
func (c *client) image(repo, reference, config, more string) digest.Digest {
	c.t.Helper()
	content := c.manifest(repo, config, more)
	d := digest.FromString(content)
	if reference == "" {
		reference = d.String()
	}
	c.do("PUT", "/v2/"+repo+"/manifests/"+reference, content, "Content-Type", imageType).is(201, "")
	return d
}

// Repositories may be called as the parts of the API's own paths are.
func TestRepositoryNames(t *testing.T) {
	for _, repo := range []string{"a", "a/b/c", "blobs", "blobs/uploads", "manifests", "manifests/v1", "uploads", "tags", "tags/list", "referrers", "a/tags", "v2"} {
		c := newClient(t)
		d := c.image(repo, "list", "config", "")
		c.do("GET", "/v2/"+repo+"/manifests/list", "").is(200, "").has("Docker-Content-Digest", d.String())
		c.do("GET", "/v2/"+repo+"/blobs/"+digest.FromString("config").String(), "").is(200, "")
		if got := c.do("GET", "/v2/"+repo+"/tags/list", "").is(200, "").content(); got != `{"name":"`+repo+`","tags":["list"]}`+"\n" {
			t.Errorf("tags: %s", got)
		}
		c.do("GET", "/v2/"+repo+"/referrers/"+d.String(), "").is(200, "")
		place := c.do("POST", "/v2/"+repo+"/blobs/uploads/", "").is(202, "").Header().Get("Location")
		c.do("PATCH", place, "abc").is(202, "")
		c.do("PUT", place+"&digest="+digest.FromString("abc").String(), "").is(201, "")
		if got := c.do("GET", "/v2/_catalog", "").is(200, "").content(); got != `{"repositories":["`+repo+`"]}`+"\n" {
			t.Errorf("catalog: %s", got)
		}
	}
}

func TestBadNames(t *testing.T) {
	c := newClient(t)
	d, id := digest.FromString("x").String(), strings.Repeat("0", 32)
	for target, want := range map[string]string{
		"/":                           "404 UNSUPPORTED",
		"/v1/":                        "404 UNSUPPORTED",
		"/_catalog":                   "404 UNSUPPORTED",
		"/a/tags/list":                "404 UNSUPPORTED",
		"/a/manifests/v1":             "404 UNSUPPORTED",
		"/v2a/manifests/v1":           "404 UNSUPPORTED",
		"//v2/a/manifests/v1":         "404 UNSUPPORTED",
		"/v2x":                        "404 UNSUPPORTED",
		"/v2/a":                       "404 UNSUPPORTED",
		"/v2/a/unknown/b":             "404 UNSUPPORTED",
		"/v2/A/manifests/v1":          "400 NAME_INVALID",
		"/v2/_catalog/manifests/v1":   "400 NAME_INVALID",
		"/v2/a/../b/manifests/v1":     "400 NAME_INVALID",
		"/v2/a/%2e%2e/b/manifests/v1": "400 NAME_INVALID",
		"/v2/a//manifests/v1":         "400 NAME_INVALID",
		"/v2/%00/manifests/v1":        "400 NAME_INVALID",
		"/v2/a/manifests/":            "400 TAG_INVALID",
		"/v2/a/manifests/.hidden":     "400 TAG_INVALID",
		"/v2/a/manifests/..":          "400 TAG_INVALID",
		"/v2/a/manifests/%2e%2e%2fb":  "404 UNSUPPORTED",
		"/v2/a/manifests/sha256:zz":   "400 DIGEST_INVALID",
		"/v2/a/blobs/latest":          "400 DIGEST_INVALID",
		"/v2/a/blobs/":                "400 DIGEST_INVALID",
		"/v2/a/referrers/latest":      "400 DIGEST_INVALID",
		"/v2/a/manifests/v1":          "404 MANIFEST_UNKNOWN",
		"/v2/a/manifests/" + d:        "404 MANIFEST_UNKNOWN",
		"/v2/a/blobs/" + d:            "404 BLOB_UNKNOWN",
		"/v2/a/tags/list":             "404 NAME_UNKNOWN",
		"/v2/a/blobs/uploads/" + id:   "404 BLOB_UPLOAD_UNKNOWN",
		"/v2/a/blobs/uploads/%2e%2e":  "404 BLOB_UPLOAD_UNKNOWN",
	} {
		a := c.do("GET", target, "")
		if got := fmt.Sprint(a.Code, " ", a.code()); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
		if h := c.do("HEAD", target, ""); h.Body.Len() > 0 || h.Code != a.Code && h.Code != 405 {
			t.Errorf("HEAD %s: %d with %d bytes", target, h.Code, h.Body.Len())
		}
	}
}

// What an endpoint does not do it refuses, and says what it does.
func TestMethods(t *testing.T) {
	all := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}
	d := digest.FromString("x").String()
	for target, allow := range map[string]string{
		"/v2/":                         "GET, HEAD",
		"/v2/_catalog":                 "GET, HEAD",
		"/v2/a/tags/list":              "GET, HEAD",
		"/v2/a/referrers/" + d:         "GET, HEAD",
		"/v2/a/blobs/" + d:             "GET, HEAD, DELETE",
		"/v2/a/manifests/v1":           "GET, HEAD, PUT, DELETE",
		"/v2/a/manifests/" + d:         "GET, HEAD, PUT, DELETE",
		"/v2/a/blobs/uploads/":         "POST",
		"/v2/a/blobs/uploads/00000000": "GET, PATCH, PUT, DELETE",
	} {
		c := newClient(t)
		for _, method := range all {
			a := c.do(method, target, "")
			if slices.Contains(strings.Split(allow, ", "), method) {
				if a.Code == http.StatusMethodNotAllowed {
					t.Errorf("%s is refused", a.request)
				}
			} else if a.Code != http.StatusMethodNotAllowed || a.Header().Get("Allow") != allow {
				t.Errorf("%s: %d, allowed is %q, want 405 and %q", a.request, a.Code, a.Header().Get("Allow"), allow)
			}
		}
	}
}

// Clients know a registry by a header, on errors as well.
func TestVersionHeader(t *testing.T) {
	c := newClient(t)
	for _, target := range []string{"/v2/", "/v2", "/v2/_catalog", "/v2/a/manifests/v1", "/elsewhere"} {
		c.do("GET", target, "").has("Docker-Distribution-Api-Version", "registry/2.0")
	}
	for _, target := range []string{"/v2/", "/v2"} {
		if got := c.do("GET", target, "").is(200, "").has("Content-Type", "application/json", "Content-Length", "2").content(); got != "{}" {
			t.Errorf("%s: %q", target, got)
		}
	}
}

// The identity is told in every answer but those of blobs.
func TestIdentity(t *testing.T) {
	c := newClient(t)
	c.h.identity = []string{"ID"}
	for path, told := range map[string]bool{
		"/v2": true, "/v2/": true, "/v2/_catalog": true, "/v2/a/tags/list": true, "/v2/a/manifests/v1": true, "/v2/a/x": true, "/x": true,
		"/v2/a/referrers/" + digest.FromString("").String(): true, "/v2/blobs/manifests/v1": true,
		"/v2/a/blobs/" + digest.FromString("").String(): false, "/v2/a/blobs/uploads/x": false,
	} {
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := w.Header().Get(oci.RegistryHeader) == "ID"; got != told {
			t.Errorf("%s: told %v", path, got)
		}
	}
}

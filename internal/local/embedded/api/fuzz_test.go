package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// FuzzAPI looks for requests that the registry fails at, instead of refusing
// them: it answers every one with a status below 500, and every error with one
// of the specification's documents.
func FuzzAPI(f *testing.F) {
	config := digest.FromString("config").String()
	id := strings.Repeat("0", 32)
	image := `{"schemaVersion":2,"mediaType":"` + imageType + `","config":{"digest":"` + config + `","size":6},"layers":[]}`
	for _, seed := range [][]string{
		{"GET", "/v2/", "", "", "", ""},
		{"GET", "/v2/_catalog", "n=1&last=a", "", "", ""},
		{"GET", "/v2/a/tags/list", "n=0", "", "", ""},
		{"GET", "/v2/a/manifests/v1", "", "", "If-None-Match", "*"},
		{"PUT", "/v2/a/manifests/v2", "", image, "Content-Type", imageType},
		{"PUT", "/v2/a/manifests/v2", "", image, "If-None-Match", "*"},
		{"PUT", "/v2/a/manifests/v2", "", `{"schemaVersion":2,"manifests":[],"subject":{"digest":"` + config + `"}}`, "Content-Type", indexType},
		{"DELETE", "/v2/a/manifests/v1", "", "", "", ""},
		{"GET", "/v2/a/blobs/" + config, "", "", "Range", "bytes=1-2"},
		{"DELETE", "/v2/a/blobs/" + config, "", "", "", ""},
		{"POST", "/v2/b/blobs/uploads/", "mount=" + config + "&from=a", "", "X-Forwarded-Host", "host"},
		{"POST", "/v2/b/blobs/uploads/", "digest=" + config, "config", "Forwarded", "proto=https;host=x"},
		{"PATCH", "/v2/a/blobs/uploads/" + id, "_state=" + id, "abc", "Content-Range", "3-5"},
		{"PUT", "/v2/a/blobs/uploads/" + id, "digest=" + config, "", "Content-Range", "0-0"},
		{"GET", "/v2/a/referrers/" + config, "artifactType=x", "", "", ""},
		{"GET", "/v2/a/../../x/manifests/..", "", "", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	f.Fuzz(func(t *testing.T, method, path, query, body, header, value string) {
		c := newClient(t)
		c.image("a", "v1", "config", "")
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
		if header != "" {
			r.Header[http.CanonicalHeaderKey(header)] = []string{value}
		}
		a := c.send(r)
		if a.Code >= 500 {
			t.Fatalf("%s: %d %s", a.request, a.Code, a.Body)
		}
		// Of a blob that is there, net/http refuses a range or condition by itself.
		byItself := a.Header().Get("Docker-Content-Digest") != ""
		if a.Code >= 400 && method != http.MethodHead && !byItself && a.code() == "" {
			t.Fatalf("%s: %d without a code: %s", a.request, a.Code, a.Body)
		}
		if path != "/v2" && !strings.HasPrefix(path, "/v2/") && a.Code != http.StatusNotFound {
			t.Fatalf("%s: %d outside of the API", a.request, a.Code)
		}
		c.do("GET", "/v2/_catalog", "").is(200, "")
	})
}

package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/local/gate"
)

func TestBlob(t *testing.T) {
	c := newClient(t)
	d := c.blob("a", "0123456789")
	target := "/v2/a/blobs/" + d.String()
	headers := []string{"Docker-Content-Digest", d.String(), "Content-Type", "application/octet-stream", "Content-Length", "10",
		"Accept-Ranges", "bytes", "Etag", `"` + d.String() + `"`, "Cache-Control", "max-age=31536000, immutable"}
	if got := c.do("GET", target, "").is(200, "").has(headers...).content(); got != "0123456789" {
		t.Errorf("content: %q", got)
	}
	if got := c.do("HEAD", target, "").is(200, "").has(headers...).content(); got != "" {
		t.Errorf("HEAD has a body: %q", got)
	}
	c.do("GET", target, "", "If-None-Match", `"`+d.String()+`"`).is(304, "")
	c.do("DELETE", target, "").is(202, "").has("Content-Length", "0")
	c.do("DELETE", target, "").is(404, "BLOB_UNKNOWN")
	c.do("GET", target, "").is(404, "BLOB_UNKNOWN").has("Content-Type", "application/json")
	c.do("HEAD", target, "").is(404, "")
}

func TestBlobRanges(t *testing.T) {
	c := newClient(t)
	target := "/v2/a/blobs/" + c.blob("a", "0123456789").String()
	for header, want := range map[string]string{
		"bytes=0-3":   "206 bytes 0-3/10 0123",
		"bytes=7-":    "206 bytes 7-9/10 789",
		"bytes=-2":    "206 bytes 8-9/10 89",
		"bytes=5-5":   "206 bytes 5-5/10 5",
		"bytes=8-100": "206 bytes 8-9/10 89",
		"bytes=0-":    "206 bytes 0-9/10 0123456789",
	} {
		a := c.do("GET", target, "", "Range", header)
		if got := fmt.Sprint(a.Code, " ", a.Header().Get("Content-Range"), " ", a.content()); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
	for _, header := range []string{"bytes=10-", "bytes=99-100"} {
		c.do("GET", target, "", "Range", header).is(416, "").has("Content-Range", "bytes */10")
	}
}

func TestUpload(t *testing.T) {
	c := newClient(t)
	d := digest.FromString("abcdef")
	a := c.do("POST", "/v2/a/blobs/uploads/", "").is(202, "").has("Range", "0-0", "Content-Length", "0")
	place, id := a.Header().Get("Location"), a.Header().Get("Docker-Upload-UUID")
	if want := "http://example.com/v2/a/blobs/uploads/" + id + "?_state=" + id; place != want {
		t.Fatalf("the upload is at %s, want %s", place, want)
	}
	here := []string{"Location", place, "Docker-Upload-UUID", id, "Range"}
	c.do("PATCH", place, "abc", "Content-Range", "0-2").is(202, "").has(append(here, "0-2")...)
	c.do("GET", place, "").is(204, "").has(append(here, "0-2")...)
	for _, bad := range []string{"0-2", "4-6", "3-9", "3-4", "x-y", "3", "-3", "bytes 4-6/*"} {
		c.do("PATCH", place, "def", "Content-Range", bad).is(416, "BLOB_UPLOAD_INVALID").has(append(here, "0-2")...)
		c.do("PUT", place+"&digest="+d.String(), "def", "Content-Range", bad).is(416, "BLOB_UPLOAD_INVALID").has(append(here, "0-2")...)
	}
	c.do("PATCH", place, "d", "Content-Range", "bytes 3-3/*").is(202, "").has(append(here, "0-3")...)
	c.do("PATCH", place, "e").is(202, "").has(append(here, "0-4")...)
	c.do("PUT", place+"&digest=sha256:zz", "f").is(400, "DIGEST_INVALID")
	c.do("PUT", place, "f").is(400, "DIGEST_INVALID")
	c.do("PUT", place+"&digest="+d.String(), "f", "Content-Range", "5-5").is(201, "").
		has("Location", "http://example.com/v2/a/blobs/"+d.String(), "Docker-Content-Digest", d.String(), "Content-Length", "0")
	c.do("PUT", place+"&digest="+d.String(), "").is(404, "BLOB_UPLOAD_UNKNOWN")
	if got := c.do("GET", "/v2/a/blobs/"+d.String(), "").is(200, "").content(); got != "abcdef" {
		t.Errorf("content: %q", got)
	}
}

func TestUploadEnds(t *testing.T) {
	c := newClient(t)
	start := func() string { return c.do("POST", "/v2/a/blobs/uploads/", "").is(202, "").Header().Get("Location") }
	place := start()
	c.do("PATCH", place, "abc").is(202, "")
	c.do("DELETE", place, "").is(204, "")
	c.do("DELETE", place, "").is(404, "BLOB_UPLOAD_UNKNOWN")
	place = start()
	c.do("PUT", place+"&digest="+digest.FromString("other").String(), "abc").is(400, "DIGEST_INVALID").has("Location", "")
	c.do("GET", place, "").is(404, "BLOB_UPLOAD_UNKNOWN")
}

// A body that ends early is the client's fault, and what came of it is kept.
func TestUploadBreaksOff(t *testing.T) {
	c := newClient(t)
	place := c.do("POST", "/v2/a/blobs/uploads/", "").Header().Get("Location")
	r := httptest.NewRequest("PATCH", place, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errors.New("reset"))))
	c.send(r).is(400, "BLOB_UPLOAD_INVALID").has("Range", "0-2", "Location", place)
	c.do("PUT", place+"&digest="+digest.FromString("abcdef").String(), "def", "Content-Range", "3-5").is(201, "")
}

func TestUploadAtOnce(t *testing.T) {
	for _, content := range []string{"", "abc"} {
		for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			c := newClient(t)
			d := a.FromString(content)
			c.do("POST", "/v2/a/blobs/uploads/?digest="+d.String(), content).is(201, "").
				has("Docker-Content-Digest", d.String(), "Location", "http://example.com/v2/a/blobs/"+d.String())
			place := c.do("POST", "/v2/b/blobs/uploads/?digest-algorithm="+a.String(), "").is(202, "").Header().Get("Location")
			c.do("PUT", place+"&digest="+d.String(), content).is(201, "").has("Docker-Content-Digest", d.String())
			for _, repo := range []string{"a", "b"} {
				if got := c.do("GET", "/v2/"+repo+"/blobs/"+d.String(), "").is(200, "").has("Docker-Content-Digest", d.String()).content(); got != content {
					t.Errorf("%s: %q", repo, got)
				}
			}
		}
	}
	newClient(t).do("POST", "/v2/a/blobs/uploads/?digest=", "").is(400, "DIGEST_INVALID")
}

func TestMount(t *testing.T) {
	d := digest.FromString("content").String()
	for query, want := range map[string]int{
		"mount=" + d + "&from=from":    201,
		"mount=" + d + "&from=unknown": 202,
		"mount=" + d + "&from=../from": 202,
		"mount=" + d:                   202, // another repository's is not looked for
		"mount=" + digest.FromString("none").String() + "&from=from": 202,
		"mount=sha256:zz&from=from":                                  400,
		"mount=&from=from":                                           202,
	} {
		c := newClient(t)
		c.blob("from", "content")
		a := c.do("POST", "/v2/to/blobs/uploads/?"+query, "")
		if a.Code != want {
			t.Errorf("%s: %d, want %d", query, a.Code, want)
		}
		if there := c.do("HEAD", "/v2/to/blobs/"+d, "").Code == 200; there != (want == 201) {
			t.Errorf("%s: the blob is there: %v", query, there)
		}
		if a.Code == 201 {
			a.has("Docker-Content-Digest", d, "Location", "http://example.com/v2/to/blobs/"+d)
		}
		c.do("POST", "/v2/from/blobs/uploads/?mount="+d, "").is(201, "")
	}
}

// A place is told as the client sees the registry: at the host that it named,
// and through a proxy as that tells. Package gate says which.
func TestLocation(t *testing.T) {
	for name, test := range map[string]struct {
		target  string
		headers []string
		tls     bool
		want    string
	}{
		"direct":        {"http://example.com", nil, false, "http://example.com"},
		"TLS":           {"http://example.com", nil, true, "https://example.com"},
		"trusted proxy": {"http://example.com", []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example:8443"}, false, "https://r.example:8443"},
		// Its word does not count, but it may be right: a path is, wherever the client is.
		"another proxy":  {"http://example.com", []string{"X-Forwarded-Proto", "https"}, false, ""},
		"its other name": {"http://example.com", []string{"Forwarded", "host=r.example"}, false, ""},
		"it agrees":      {"http://example.com", []string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "example.com"}, false, "http://example.com"},
		"no host":        {"", nil, false, ""},
		"no host at all": {"http://a{b", nil, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			for _, relative := range []bool{false, true} {
				c.h.Relative = relative
				want := test.want
				if relative {
					want = ""
				}
				r := httptest.NewRequest("POST", "/v2/a/blobs/uploads/", nil)
				_, r.Host, _ = strings.Cut(test.target, "//")
				if test.tls {
					r.TLS = &tls.ConnectionState{}
				}
				for i := 0; i < len(test.headers); i += 2 {
					r.Header.Set(test.headers[i], test.headers[i+1])
				}
				if name == "trusted proxy" {
					r.RemoteAddr = "192.0.2.2:1"
				}
				w := httptest.NewRecorder()
				gate.Clients(c.h, []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
				if got := w.Header().Get("Location"); w.Code != 202 || !strings.HasPrefix(got, want+"/v2/a/blobs/uploads/") {
					t.Errorf("%d %s, want it at %q", w.Code, got, want)
				}
			}
		})
	}
}

package remote

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// TestLongSubject: a tag has at most 128 characters, so a digest of sha512 has only
// the first 64 of its own in it (distribution-spec, "Referrers Tag Schema").
func TestLongSubject(t *testing.T) {
	f := newFake()
	r, _ := f.start(t, Uploads{})
	_, data := manifestOf("subject", nil)
	subject := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.SHA512.FromBytes(data), Size: int64(len(data))}
	d, data := manifestOf("referrer", &subject)
	if err := r.PutManifest(t.Context(), d, data); err != nil {
		t.Fatal(err)
	}
	tag := "sha512-" + subject.Digest.Encoded()[:64]
	f.wantRequests(t, 1, "PUT", "/manifests/sha512-")
	if _, ok := f.manifests[tag]; !ok {
		t.Errorf("no list at %s: %q", tag, f.log)
	}
	list, err := r.Referrers(t.Context(), subject)
	if err != nil || len(list) != 1 || list[0].Digest != d.Digest {
		t.Errorf("%+v (%v)", list, err)
	}
}

// TestNoReferrersAPI: what registries answer that do not have it, some of them with
// a page for people, leads to the tag; what says more does not.
func TestNoReferrersAPI(t *testing.T) {
	page := func(mediaType, text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			_, _ = w.Write([]byte(text))
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		code   diag.Code // "" for the tag's list
	}{
		"404":                   {answer(404), ""},
		"400":                   {answer(400), ""},
		"405":                   {answer(405), ""},
		"501":                   {answer(501), ""},
		"a page":                {page("text/html; charset=utf-8", "<!doctype html><title>Registry</title>"), ""},
		"a page called JSON":    {page("application/json", "<!doctype html>"), ""},
		"JSON of another type":  {page("application/json", "{}"), ""},
		"nothing":               {page("text/plain", ""), ""},
		"401":                   {answer(401), diag.Unauthorized},
		"403":                   {answer(403), diag.Forbidden},
		"an index that is none": {page(ocispec.MediaTypeImageIndex, `{"manifests":"x"}`), diag.BadArtifact},
		"a list read two ways":  {page(ocispec.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"Manifests":[]}`), diag.BadArtifact},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = func(w http.ResponseWriter, req *http.Request) bool {
				asked := strings.Contains(req.URL.Path, "/referrers/")
				if asked {
					c.answer(w, req)
				}
				return asked
			}
			r, _ := f.start(t, Uploads{})
			subject, _ := manifestOf("subject", nil)
			d, data := manifestOf("referrer", &subject)
			if err := r.PutManifest(t.Context(), d, data); err != nil {
				t.Fatal(err)
			}
			list, err := r.Referrers(t.Context(), subject)
			if c.code != "" {
				wantCode(t, r.Err(err), c.code)
			} else if err != nil || len(list) != 1 || list[0].Digest != d.Digest {
				t.Errorf("%+v (%v)", list, err)
			}
		})
	}
}

package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
)

// TestPages: lists come in pages, whose links real registries and proxies write in
// many ways.
func TestPages(t *testing.T) {
	for name, link := range map[string]string{
		"relative":       `</v2/ns/repo/tags/list?n=2&last=%s>; rel="next"`,
		"absolute":       `<http://HOST/v2/ns/repo/tags/list?last=%s>; rel="next"`,
		"another host":   `<http://registry.invalid/v2/ns/repo/tags/list?last=%s>; rel="next"`,
		"without quotes": `</v2/ns/repo/tags/list?last=%s>;rel=next`,
		"below it":       `<list?last=%s>; rel="next"`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = pagesOf(link, map[string][]string{"": {"a", "b"}, "b": {"c", "d"}, "d": {"e"}})
			r, _ := f.start(t, Uploads{})
			wantTags(t, r, Page{}, "a", "b", "c", "d", "e")
			f.wantRequests(t, 3, "GET", "")
			wantTags(t, r, Page{Limit: 3}, "a", "b", "c")
			f.wantRequests(t, 5, "GET", "")
			wantTags(t, r, Page{After: "b", Limit: 1}, "c")
		})
	}
	for name, pages := range map[string]map[string][]string{
		"to itself":   {"": {"a"}, "a": {"a"}},
		"in a circle": {"": {"a"}, "a": {"b"}, "b": {"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = pagesOf(`</v2/ns/repo/tags/list?last=%s>; rel="next"`, pages)
			r, _ := f.start(t, Uploads{})
			err := r.Tags(t.Context(), Page{}, func([]string) error { return nil })
			wantCode(t, err, diag.RegistryRefused)
			if n := len(f.requests("GET", "")); n > 4 {
				t.Errorf("%d requests", n)
			}
			wantTags(t, r, Page{Limit: 1}, "a") // which needs no end
		})
	}
}

// TestEndlessPages: a list has an end, and every page a bound.
func TestEndlessPages(t *testing.T) {
	subject, _ := manifestOf("subject", nil)
	some := `{"digest":"` + subject.Digest.String() + `"}`
	many := func(element string, n int) string { return strings.Repeat(element+",", n) + element }
	for name, c := range map[string]struct {
		page  string
		links bool // to a new page, always
		most  int  // requests
	}{
		"of pages with one name":   {`{"tags":["a%d"],"manifests":[]}`, true, maxPages},
		"of full pages":            {`{"tags":[` + many(`"t"`, maxNames/8) + `],"manifests":[` + many(some, maxReferrers/8) + `]}`, true, 9},
		"that is one page":         {`{"tags":[` + many(`"t"`, maxNames) + `],"manifests":[` + many(some, maxReferrers) + `]}`, false, 1},
		"that is one page of null": {`{"tags":[` + many(`null`, maxNames) + `],"manifests":[` + many(some, maxReferrers) + `]}`, false, 1},
		"that is one long name":    {`{"tags":["` + strings.Repeat("a", maxAnswer) + `"],"manifests":[]}`, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			f := newFake()
			f.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if n++; c.links {
					w.Header().Set("Link", fmt.Sprintf(`<%s?last=%d>; rel="next"`, r.URL.Path, n))
				}
				w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
				_, _ = io.WriteString(w, strings.ReplaceAll(c.page, "%d", fmt.Sprint(n)))
				return true
			}
			r, _ := f.start(t, Uploads{})
			wantCode(t, r.Tags(t.Context(), Page{}, func([]string) error { return nil }), diag.RegistryRefused)
			if n > c.most {
				t.Errorf("%d requests, want %d", n, c.most)
			}
			if c.most == maxPages {
				return // once is long enough: referrers come by the same pages
			}
			n = 0
			_, err := r.Referrers(t.Context(), subject)
			wantCode(t, err, diag.RegistryRefused)
			if n > c.most {
				t.Errorf("%d requests for referrers, want %d", n, c.most)
			}
		})
	}
}

// TestNoNames: what is listed becomes a part of URLs, and is shown.
func TestNoNames(t *testing.T) {
	for _, name := range []string{"", "..", "../blobs/uploads", "a b", "a/b", "v1\\u001b[31m", strings.Repeat("a", 129), "sha256:0"} {
		f := newFake()
		f.hook = func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprintf(w, `{"tags":["v1","%s"],"repositories":[]}`, name)
			return true
		}
		r, _ := f.start(t, Uploads{})
		wantCode(t, r.Tags(t.Context(), Page{}, func([]string) error { return nil }), diag.RegistryRefused)
	}
}

// TestOddRepositories: Artifactory and Nexus list what else they have.
func TestOddRepositories(t *testing.T) {
	f := newFake()
	f.hook = func(w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"repositories":["ns/repo","Upper/Case","../x","other"]}`)
		return true
	}
	r, _ := f.start(t, Uploads{})
	for limit, want := range map[int][]string{0: {"ns/repo", "other"}, 2: {"ns/repo", "other"}, 1: {"ns/repo"}} {
		var got, odd []string
		err := r.Repositories(t.Context(), Page{Limit: limit}, func(names []string) error {
			got = append(got, names...)
			return nil
		}, func(name string) { odd = append(odd, name) })
		if err != nil || !slices.Equal(got, want) || !slices.Equal(odd, []string{"Upper/Case", "../x"}) {
			t.Errorf("%d: %q, skipped %q, %v", limit, got, odd, err)
		}
	}
}

// TestLastPage: a page with nothing on it may lead to itself.
func TestLastPage(t *testing.T) {
	subject, _ := manifestOf("subject", nil)
	first := map[string]string{
		"tags":      `{"tags":["a"]}`,
		"referrers": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + subject.Digest.String() + `","size":1}]}`,
	}
	f := newFake()
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		w.Header().Set("Link", "<"+r.URL.Path+`?last=z>; rel="next"`)
		kind := "referrers"
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			kind = "tags"
		}
		if r.URL.Query().Get("last") == "" {
			_, _ = io.WriteString(w, first[kind])
		} else {
			_, _ = io.WriteString(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","tags":null,"manifests":[]}`)
		}
		return true
	}
	r, _ := f.start(t, Uploads{})
	wantTags(t, r, Page{}, "a")
	if list, err := r.Referrers(t.Context(), subject); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

// pagesOf gives lists of tags by the name that they come behind.
func pagesOf(link string, pages map[string][]string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			return false
		}
		tags := pages[r.URL.Query().Get("last")]
		if len(tags) > 0 {
			last := tags[len(tags)-1]
			if _, more := pages[last]; more {
				w.Header().Set("Link", strings.ReplaceAll(fmt.Sprintf(link, last), "HOST", r.Host))
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "ns/repo", "tags": tags})
		return true
	}
}

func wantTags(t *testing.T, r *Repository, p Page, want ...string) {
	t.Helper()
	var got []string
	if err := r.Tags(t.Context(), p, func(page []string) error { got = append(got, page...); return nil }); err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v: %v, want %v", p, got, want)
	}
}

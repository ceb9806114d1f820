package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A list of referrers comes in pages where it is large, see OCI
// distribution-spec 1.1, "Listing Referrers". The filter holds for all of them.
func TestReferrersPages(t *testing.T) {
	c := newClient(t)
	subject := c.image("a", "v1", "config", "")
	// What JSON has to escape is large as well.
	const each = 1500 << 10
	long := []string{strings.Repeat("x", each), strings.Repeat(`\u0001`, each/len(`\u0001`))}
	for i := range 6 {
		more := fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":1},"artifactType":"application/x.%d","annotations":{"a":"%s<"}`,
			imageType, subject, i%2, long[i/3])
		c.image("a", "", fmt.Sprint(i), more)
	}
	for query, want := range map[string]int{"": 6, "?artifactType=application%2Fx.1": 3, "?artifactType=none": 0} {
		found := map[digest.Digest]bool{}
		target := "/v2/a/referrers/" + subject.String() + query
		for pages := 1; target != ""; pages++ {
			filter := ""
			if query != "" {
				filter = "artifactType"
			}
			a := c.do("GET", target, "").is(200, "").has("Content-Type", indexType, "OCI-Filters-Applied", filter)
			if n := a.Body.Len(); n > 4<<20 {
				t.Errorf("%s: page %d has %d bytes", query, pages, n)
			}
			var index struct {
				Manifests []struct{ Digest digest.Digest }
			}
			if err := json.Unmarshal(a.Body.Bytes(), &index); err != nil || index.Manifests == nil {
				t.Fatalf("%s: %v", target, err)
			}
			for _, m := range index.Manifests {
				found[m.Digest] = true
			}
			target = next(a)
			if target != "" && pages > want {
				t.Fatalf("%s: no end", query)
			}
		}
		if len(found) != want {
			t.Errorf("%s: %d, want %d", query, len(found), want)
		}
	}
	c.do("GET", "/v2/a/referrers/"+subject.String()+"?last=x", "").is(400, "DIGEST_INVALID")
}

// next returns where the next page is, "" for nowhere.
func next(a *answer) string {
	target, _, _ := strings.Cut(strings.TrimPrefix(a.Header().Get("Link"), "<"), ">")
	return target
}

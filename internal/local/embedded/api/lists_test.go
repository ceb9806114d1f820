package api

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// page returns the names of a list, and where its next page is.
func (a *answer) page() (names []string, next string) {
	a.t.Helper()
	var body struct{ Tags, Repositories []string }
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil {
		a.t.Errorf("%s: %v", a.request, err)
	}
	if link := a.Header().Get("Link"); link != "" {
		parts := regexp.MustCompile(`^<(.*)>; rel="next"$`).FindStringSubmatch(link)
		if parts == nil {
			a.t.Fatalf("%s: the link is %s", a.request, link)
		}
		next = parts[1]
	}
	return append(body.Tags, body.Repositories...), next
}

func TestPages(t *testing.T) {
	c := newClient(t)
	for _, name := range []string{"b", "d", "a", "e", "c"} {
		c.image("repo", name, "config", "")
	}
	for query, want := range map[string]string{
		"":             "a b c d e",
		"?n=5":         "a b c d e",
		"?n=9":         "a b c d e",
		"?n=2":         "a b, last=b&n=2",
		"?n=2&last=b":  "c d, last=d&n=2",
		"?n=2&last=d":  "e",
		"?n=2&last=bb": "c d, last=d&n=2",
		"?n=1&last=0":  "a, last=a&n=1",
		"?last=c":      "d e",
		"?last=z":      "",
		"?n=0":         "",
		"?n=0&last=b":  "",
		"?n=5&last=e":  "",
	} {
		a := c.do("GET", "/v2/repo/tags/list"+query, "").is(200, "")
		c.do("HEAD", "/v2/repo/tags/list"+query, "").is(200, "").
			has("Content-Length", fmt.Sprint(a.Body.Len()), "Content-Length", a.Header().Get("Content-Length"), "Link", a.Header().Get("Link"))
		if !strings.Contains(a.Body.String(), `"tags":[`) { // and never null, for clients that go through it
			t.Errorf("%s: %s", query, a.Body)
		}
		names, next := a.page()
		got := strings.Join(names, " ")
		if next != "" {
			got += ", " + strings.TrimPrefix(next, "/v2/repo/tags/list?")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, n := range []string{"-1", "x", "", "1.5", "99999999999999999999"} {
		c.do("GET", "/v2/repo/tags/list?n="+n, "").is(400, "PAGINATION_NUMBER_INVALID")
	}
}

// A client that follows the links gets every name once.
func TestPagesAll(t *testing.T) {
	c := newClient(t)
	var want []string
	for i := range 23 {
		name := fmt.Sprintf("team%d/app.%02d", i%3, i)
		c.image(name, "v1", "config", "")
		want = append(want, name)
	}
	slices.Sort(want)
	var got []string
	for next := "/v2/_catalog?n=4"; next != ""; {
		var names []string
		names, next = c.do("GET", next, "").is(200, "").page()
		if len(names) > 4 {
			t.Errorf("%d names on a page of 4", len(names))
		}
		got = append(got, names...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// manyTags is storage with more tags than anybody pushes in a test. It counts how
// often they are read.
type manyTags struct {
	storagedriver.StorageDriver
	n, reads int
}

func (m *manyTags) List(ctx context.Context, dir string) ([]string, error) {
	paths, err := m.StorageDriver.List(ctx, dir)
	if path.Base(dir) == "tags" {
		m.reads++
		for i := range m.n {
			paths = append(paths, fmt.Sprintf("%s/v%06d", dir, i))
		}
	}
	return paths, err
}

// A list of a hundred thousand tags is read once, also while tags are pushed.
func TestPagesOfMany(t *testing.T) {
	const many = 100_000
	tags := &manyTags{StorageDriver: memory(t), n: many}
	c := clientOn(t, tags)
	c.image("repo", "first", "config", "")
	for i := range 50 {
		names, _ := c.do("GET", "/v2/repo/tags/list?n=2&last=v050000", "").is(200, "").page()
		if want := []string{"v050001", "v050002"}; !slices.Equal(names, want) {
			t.Fatalf("%v, want %v", names, want)
		}
		c.image("repo", fmt.Sprint("w", i), "config", "")
	}
	names, _ := c.do("GET", "/v2/repo/tags/list", "").is(200, "").page()
	if len(names) != many+51 || !slices.IsSorted(names) || tags.reads != 1 {
		t.Errorf("%d names, read %d times", len(names), tags.reads)
	}
}

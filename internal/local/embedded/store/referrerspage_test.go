package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// large is an edit that makes the descriptor of a manifest large.
func large(size int) func(*v1.Manifest) {
	return func(m *v1.Manifest) { m.Annotations = map[string]string{"org.example": strings.Repeat("x", size)} }
}

func typed(t string) func(*v1.Manifest) { return func(m *v1.Manifest) { m.ArtifactType = t } }

// Descriptors of any size are told of whole, and a page is no larger than a
// manifest.
func TestReferrersPages(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	want := map[digest.Digest]string{}
	for i := range 12 {
		m := madeOf("", refersTo(subject), large(1<<20))
		if i%3 == 0 {
			m = madeOf("", refersTo(subject), typed(fmt.Sprint("application/x.", i%2)))
		}
		m.Config, m.Layers = r.blob("a", fmt.Sprint(i)), nil
		want[r.put("a", "", m).Digest] = m.Annotations["org.example"]
	}
	for _, s := range []*registry{r, open(t, r.driver)} {
		got := map[digest.Digest]string{}
		pages := 0
		for q := (ReferrersQuery{}); ; pages++ {
			page, next, err := s.referrersPage("a", subject.Digest, q)
			r.must(err)
			size := 0
			for _, d := range page {
				got[d.Digest] = d.Annotations["org.example"]
				size += jsonSize(d) + 1
			}
			if size > pageBytes {
				t.Errorf("a page has %d bytes", size)
			}
			if q.After = next; q.After == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
			t.Errorf("%d pages before the last; (-want +got):\n%s", pages, diff)
		}
		page, next, err := s.referrersPage("a", subject.Digest, ReferrersQuery{ArtifactType: "application/x.1"})
		if err != nil || len(page) != 2 || next != "" {
			t.Errorf("filtered: %+v, %v", page, err)
		}
	}
}

// One that is larger than a page is a page.
func TestReferrersLargest(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	for _, seed := range []string{"a", "b"} {
		r.image("a", "", seed, refersTo(subject), large(pageBytes-1000), typed(strings.Repeat("t", 200)))
	}
	list, err := r.referring("a", subject.Digest)
	if err != nil || len(list) != 2 || len(list[0].Annotations["org.example"]) != pageBytes-1000 {
		t.Errorf("%d, %v", len(list), err)
	}
}

// A page begins behind the one before, whatever came and went since.
func TestReferrersAfter(t *testing.T) {
	r := open(t, memory(t))
	subject := r.image("a", "v1", "subject")[0]
	for i := range 5 {
		r.image("a", "", fmt.Sprint(i), refersTo(subject))
	}
	list, err := r.referring("a", subject.Digest)
	r.must(err)
	for i, d := range list {
		page, _, err := r.referrersPage("a", subject.Digest, ReferrersQuery{After: d.Digest})
		r.must(err)
		if diff := cmp.Diff(list[i+1:], append([]v1.Descriptor{}, page...)); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", i, diff)
		}
	}
	r.must(r.DeleteManifest(r.ctx, "a", list[2].Digest))
	page, _, err := r.referrersPage("a", subject.Digest, ReferrersQuery{After: list[2].Digest})
	if err != nil || !slices.EqualFunc(page, list[3:], func(a, b v1.Descriptor) bool { return a.Digest == b.Digest }) {
		t.Errorf("after one that is gone: %+v, %v", page, err)
	}
	page, _, err = r.referrersPage("a", subject.Digest, ReferrersQuery{After: digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("f", 64))})
	if err != nil || len(page) != 0 {
		t.Errorf("after all: %+v, %v", page, err)
	}
}

// To push a referrer costs the same however many there are.
func TestReferrersPushCost(t *testing.T) {
	var mu sync.Mutex
	ops := map[string]int{}
	d := &around{StorageDriver: memory(t), before: func(op, path string) error {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(path, "/_referrers") {
			ops[op]++
		}
		return nil
	}}
	r := open(t, d)
	subject := r.image("a", "v1", "subject")[0]
	cost := func(seed string) map[string]int {
		m := madeOf(seed, refersTo(subject), large(10_000))
		m.Config, m.Layers = r.blob("a", seed), nil
		mu.Lock()
		clear(ops)
		mu.Unlock()
		r.put("a", "", m)
		mu.Lock()
		defer mu.Unlock()
		return map[string]int{"PutContent": ops["PutContent"], "GetContent": ops["GetContent"], "List": ops["List"]}
	}
	cost("first")
	want := cost("second")
	for i := range 50 {
		if got := cost(fmt.Sprint(i)); cmp.Diff(want, got) != "" {
			t.Fatalf("%d: %v, want %v as of the second", i, got, want)
		}
	}
	for name, content := range indexFiles(r) {
		if len(content) > 1024 {
			t.Errorf("%s has %d bytes", name, len(content))
		}
	}
}

// To make an index is not the business of one request: who goes away ends nothing,
// and the others wait for the same one.
func TestReferrersMadeOnce(t *testing.T) {
	disk := memory(t)
	r := open(t, disk)
	subject := refer(r)
	want, err := r.referring("a", subject)
	r.must(err)
	r.must(disk.Delete(r.ctx, referrersPath("a")))

	began, goOn := make(chan bool, 1), make(chan bool)
	var mu sync.Mutex
	lists := 0
	r = open(t, &around{StorageDriver: disk, before: func(op, path string) error {
		if op != "List" || path != revisionsPath("a")+"/sha256" {
			return nil
		}
		mu.Lock()
		lists++
		mu.Unlock()
		began <- true
		<-goOn
		return nil
	}})
	ctx, leave := context.WithCancel(r.ctx)
	left := make(chan error, 1)
	go func() {
		_, err := r.Referrers(ctx, "a", subject, ReferrersQuery{})
		left <- err
	}()
	<-began
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who goes away: %v", err)
	}
	// What is being made is not forgotten either, whatever else is asked for.
	made := r.referrers.repos["a"]
	for i := range 2 * cachedStates {
		_, done := r.referrers.use(fmt.Sprint("r", i))
		done()
	}
	if r.referrers.repos["a"] != made {
		t.Error("the repository was forgotten")
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			got, err := r.referring("a", subject)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v; (-want +got):\n%s", err, diff)
			}
		})
	}
	close(goOn)
	all.Wait()
	if lists != 1 {
		t.Errorf("the manifests were listed %d times", lists)
	}
}

// A store that ends does not wait for an index to be made, and makes no more.
func TestReferrersClosed(t *testing.T) {
	disk := memory(t)
	r := open(t, disk)
	subject := refer(r)
	r.must(disk.Delete(r.ctx, referrersPath("a")))
	r = open(t, disk)
	r.must(r.Close())
	if _, err := r.Referrers(r.ctx, "a", subject, ReferrersQuery{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it has ended", err)
	}
}

// What is remembered of repositories is bounded, and they are found again.
func TestReferrersStates(t *testing.T) {
	r := open(t, memory(t))
	subject := refer(r)
	want, err := r.referring("a", subject)
	r.must(err)
	for i := range cachedStates + 10 {
		_, done := r.referrers.use(fmt.Sprint("r", i))
		done()
	}
	if n := len(r.referrers.repos); n > cachedStates {
		t.Errorf("%d repositories are remembered", n)
	}
	got, err := r.referring("a", subject)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; (-want +got):\n%s", err, diff)
	}
}

func TestSized(t *testing.T) {
	c := newSized[int](1000)
	for i := range 100 {
		c.add(fmt.Sprint(i), i, 50)
		c.add(fmt.Sprint(i), i, 50)
		if _, ok := c.get("0"); i < 4 && !ok {
			t.Errorf("the first is gone after %d", i)
		}
	}
	if c.size > 1000 || c.cache.Len() < 3 {
		t.Errorf("%d bytes, %d values", c.size, c.cache.Len())
	}
	if v, ok := c.get("99"); !ok || v != 99 {
		t.Errorf("%d, %v", v, ok)
	}
	c.add("large", 1, 2000)
	if _, ok := c.get("large"); ok || c.size > 1000 {
		t.Error("what is too large is remembered")
	}
	c.purge()
	if c.size != 0 {
		t.Errorf("%d bytes of nothing", c.size)
	}
}

// Lists together are bounded in bytes; the last one stays whatever its size.
func TestListsBytes(t *testing.T) {
	name := strings.Repeat("x", 1<<20)
	l := newLists(func(_ context.Context, key string) ([]string, error) {
		n := 10
		if key == "huge" {
			n = 2 * listBytes >> 20
		}
		return slices.Repeat([]string{name}, n), nil
	})
	for i := range 20 {
		_, _ = l.get(t.Context(), fmt.Sprint(i))
		time.Sleep(time.Microsecond) // for an order
		if l.size > listBytes {
			t.Errorf("%d bytes", l.size)
		}
	}
	if l.all["19"] == nil || l.all["0"] != nil {
		t.Error("not the oldest went")
	}
	_, _ = l.get(t.Context(), "huge")
	if len(l.all) != 1 || l.all["huge"] == nil {
		t.Errorf("%d lists beside one that is too large", len(l.all)-1)
	}
	l.forget("huge")
	if l.size != 0 {
		t.Errorf("%d bytes of nothing", l.size)
	}
}

// A page is encoded once, and again when what it tells of has changed.
func TestReferrersRemembered(t *testing.T) {
	r := open(t, files(t))
	subject := r.image("a", "v1", "subject")[0]
	signature := r.image("a", "", "1", refersTo(subject))[0]
	get := func(q ReferrersQuery) []byte {
		t.Helper()
		page, err := r.Referrers(r.ctx, "a", subject.Digest, q)
		r.must(err)
		return page.Index
	}
	same := func(a, b []byte) bool { return &a[0] == &b[0] }
	all, none := ReferrersQuery{}, ReferrersQuery{ArtifactType: "application/x"}
	for _, c := range []struct { // in this order: an answer with nothing in it is not remembered
		name   string
		change func()
	}{
		{"one more", func() { r.image("a", "", "2", refersTo(subject)) }},
		{"one less", func() { r.must(r.DeleteManifest(r.ctx, "a", signature.Digest)) }},
		{"made again", func() { r.must(r.referrers.invalidate(r.ctx, "a")) }},
		{"forgotten", func() { r.referrers.repos = map[string]*referrersState{} }},
		{"of another one", func() { r.image("a", "", "3", refersTo(signature)) }}, // which is coarse
	} {
		before := get(all)
		if !same(before, get(all)) {
			t.Errorf("before %s: made twice", c.name)
		}
		if same(before, get(none)) {
			t.Errorf("before %s: that of another question", c.name)
		}
		c.change()
		if same(before, get(all)) {
			t.Errorf("%s is not seen", c.name)
		}
	}
	// What a manifest tells may change while the index does not.
	long := r.image("a", "", "4", refersTo(subject), large(2*largestReferrer))[0]
	if before := get(all); same(before, get(all)) {
		t.Error("remembered in spite of a manifest that was looked at")
	}
	before := len(get(all))
	r.damage(long, broken["truncated"])
	if now := len(get(all)); now >= before {
		t.Errorf("%d bytes with a damaged manifest, and %d before", now, before)
	}
}

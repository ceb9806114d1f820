package cache_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/content/cache"
)

func TestTags(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(100, 1)
	put(t, c, content)
	checked := time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	long := strings.Repeat("x", 128)
	refs := [][3]string{
		{"127.0.0.1:5000", "a/b", "v1"}, {"127.0.0.1:5000", "a/b", "V1"}, {"127.0.0.1:5000", "a", "b.v1"}, {"127.0.0.1", "5000/a/b", "v1"},
		{"[::1]:5000", "con/nul", "aux."}, {"h", strings.Repeat("a/", 127) + "a", long}, {"h", "a", "..."}, {"h", "a__b--c.d", "_"},
	}
	for i, r := range refs {
		e := cache.TagEntry{Descriptor: d, Checked: checked.Add(time.Duration(i) * time.Second)}
		if err := c.SetTag(cache.Reference{Host: r[0], Repository: r[1], Tag: r[2]}, cache.TagEntry{Descriptor: d}); err != nil {
			t.Fatal(err)
		}
		if err := c.SetTag(cache.Reference{Host: r[0], Repository: r[1], Tag: r[2]}, e); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range refs {
		e, ok := c.Tag(cache.Reference{Host: r[0], Repository: r[1], Tag: r[2]})
		if !ok || !e.Checked.Equal(checked.Add(time.Duration(i)*time.Second)) || e.Descriptor.Digest != d.Digest || e.Descriptor.Size != 100 {
			t.Errorf("%v leads to %+v, %v", r, e, ok)
		}
	}
	names := left(t, root, "tags")
	lower := map[string]bool{}
	for _, name := range names {
		lower[strings.ToLower(name)] = true
	}
	if len(lower) != len(refs) {
		t.Errorf("%d files of different names where case is ignored, for %d tags", len(lower), len(refs))
	}
	r := refs[1]
	for range 2 {
		if err := c.Forget(cache.Reference{Host: r[0], Repository: r[1], Tag: r[2]}); err != nil {
			t.Error(err)
		}
	}
	if _, ok := c.Tag(cache.Reference{Host: r[0], Repository: r[1], Tag: r[2]}); ok {
		t.Error("a forgotten tag is there")
	}
	if _, ok := c.Tag(cache.Reference{Host: refs[0][0], Repository: refs[0][1], Tag: refs[0][2]}); !ok {
		t.Error("the one that differs in case is forgotten as well")
	}
}

// A tag is its origin's alone; that of an older berth's entry is not known.
func TestOrigins(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	origins := []cache.Origin{
		{}, {Scheme: "http"}, {Scheme: "http", Registry: "a"}, {Scheme: "http", Registry: "b"},
		{Scheme: "https"}, {Scheme: "https", Verified: cache.BySystem}, {Scheme: "https", Verified: "sha256:00"}, {Scheme: "https", Verified: "sha256:00", Registry: "a"},
	}
	all := make([]ocispec.Descriptor, len(origins))
	ref := func(o cache.Origin) cache.Reference {
		return cache.Reference{Origin: o, Host: "h:1", Repository: "r", Tag: "t"}
	}
	for i, o := range origins {
		content, d := blob(100, uint64(i))
		put(t, c, content)
		if _, ok := c.Tag(ref(o)); ok {
			t.Errorf("%+v serves what it has not said", o)
		}
		if err := c.SetTag(ref(o), cache.TagEntry{Descriptor: d}); err != nil {
			t.Fatal(err)
		}
		all[i] = d
	}
	for i, o := range origins {
		if e, ok := c.Tag(ref(o)); !ok || e.Descriptor.Digest != all[i].Digest {
			t.Errorf("%+v serves %+v, %v", o, e, ok)
		}
		if others, err := c.Origins(ref(o)); err != nil || len(others) != len(origins)-1 {
			t.Errorf("beside %+v there are %+v, %v", o, others, err)
		}
	}
	// The file of an older berth, whose name tells nothing, at the place of another.
	name := filepath.Join(root, "tags", left(t, root, "tags")[0])
	old := fmt.Sprintf(`{"host":"h:1","repository":"r","tag":"old","descriptor":{"mediaType":"","digest":%q,"size":100},"checked":"2026-01-01T00:00:00Z"}`, all[0].Digest)
	if err := os.WriteFile(name, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := cache.Reference{Origin: cache.Origin{Scheme: "http"}, Host: "h:1", Repository: "r", Tag: "old"}
	if _, ok := c.Tag(asked); ok {
		t.Error("an entry without origin serves one who asks for http")
	}
	if others, err := c.Origins(asked); err != nil || len(others) != 1 || others[0] != (cache.Origin{}) {
		t.Errorf("it is told as %+v, %v", others, err)
	}
}

// Of a tag's file that makes no sense, nothing is taken.
func TestDamagedTags(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(100, 1)
	put(t, c, content)
	set := func() string {
		if err := c.SetTag(cache.Reference{Host: "h", Repository: "r", Tag: "t"}, cache.TagEntry{Descriptor: d}); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(root, "tags", left(t, root, "tags")[0])
	}
	good, err := os.ReadFile(set())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "half": string(good[:len(good)/2]), "zeros": string(make([]byte, len(good))), "null": "null",
		"another tag": strings.Replace(string(good), `"tag":"t"`, `"tag":"u"`, 1),
		"a path":      strings.Replace(string(good), d.Digest.String(), "../../../x", 1),
	} {
		if err := os.WriteFile(set(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if e, ok := c.Tag(cache.Reference{Host: "h", Repository: "r", Tag: "t"}); ok {
			t.Errorf("%s: %+v", name, e)
		}
		if _, err := c.List(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p, err := c.Prune(t.Context(), cache.PruneOptions{})
		if err != nil || p.Blobs != 0 || p.Tags != 1 && name != "another tag" {
			t.Errorf("%s: pruned %+v, %v", name, p, err)
		}
	}
	set()
	if e, ok := c.Tag(cache.Reference{Host: "h", Repository: "r", Tag: "t"}); !ok || e.Descriptor.Digest != d.Digest {
		t.Errorf("%+v, %v", e, ok)
	}
}

// putJSON puts a manifest.
func putJSON(t *testing.T, c *cache.Cache, manifest any) ocispec.Descriptor {
	t.Helper()
	data, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, c, data)
}

func TestList(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	if entries, err := c.List(t.Context()); len(entries) != 0 || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
	layer, config, stray := put(t, c, []byte("layer")), put(t, c, []byte("{}")), put(t, c, []byte("stray"))
	_, absent := blob(10, 9)
	manifest := putJSON(t, c, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Config: config, Layers: []ocispec.Descriptor{layer, absent}})
	index := putJSON(t, c, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{manifest, absent}})
	for _, tag := range []struct {
		repository, tag string
		d               ocispec.Descriptor
	}{{"b", "2", index}, {"b", "1", index}, {"a", "1", manifest}, {"c", "1", absent}} {
		if err := c.SetTag(cache.Reference{Host: "h", Repository: tag.repository, Tag: tag.tag}, cache.TagEntry{Descriptor: tag.d}); err != nil {
			t.Fatal(err)
		}
	}
	midway(t, c)
	_, partial := blob(4*mib, 1)
	for _, file := range []string{"blobs/sha256/xx/junk", "blobs/junk", "partial/junk", "tags/junk"} {
		name := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil && file != "blobs/junk" {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(root, "blobs", "junk")); err != nil {
		t.Fatal(err)
	}

	now := time.Now().Add(-5 * time.Hour).Truncate(time.Second)
	ordered := []ocispec.Descriptor{stray, layer, config, manifest, index}
	for i, d := range ordered {
		age(t, blobPath(root, d), now.Add(-time.Duration(i)*time.Minute))
	}
	entries, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[digest.Digest]cache.Entry{
		stray.Digest:    {Size: 5},
		layer.Digest:    {Size: 5, Repositories: []string{"h/a", "h/b"}},
		config.Digest:   {Size: 2, Repositories: []string{"h/a", "h/b"}},
		manifest.Digest: {Size: manifest.Size, Repositories: []string{"h/a", "h/b"}, Tags: []string{"h/a:1"}},
		index.Digest:    {Size: index.Size, Repositories: []string{"h/b"}, Tags: []string{"h/b:1", "h/b:2"}},
		partial.Digest:  {Size: mib, Partial: true},
	}
	if len(entries) != len(want) || entries[0].Digest != partial.Digest {
		t.Fatalf("%+v", entries)
	}
	for i, e := range entries[1:] {
		if e.Digest != ordered[i].Digest || !e.Used.Equal(now.Add(-time.Duration(i)*time.Minute)) {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	for _, e := range entries {
		w := want[e.Digest]
		w.Digest, w.Used = e.Digest, e.Used
		for _, tag := range w.Tags {
			w.From = append(w.From, cache.Sighting{Reference: tag})
		}
		if !reflect.DeepEqual(e, w) {
			t.Errorf("got %+v, want %+v", e, w)
		}
	}
}

// age sets when a file was last used.
func age(t testing.TB, name string, used time.Time) {
	t.Helper()
	if err := os.Chtimes(name, used, used); err != nil {
		t.Fatal(err)
	}
}

// Reading notes the use, and not more often than need be.
func TestUsed(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(100, 1)
	put(t, c, content)
	for old, touched := range map[time.Duration]bool{30 * time.Minute: false, 2 * time.Hour: true} {
		used := time.Now().Add(-old).Truncate(time.Second)
		age(t, blobPath(root, d), used)
		b, err := c.Blob(t.Context(), d, true)
		expect(t, b, err, content)
		entries, err := c.List(t.Context())
		if err != nil || len(entries) != 1 || entries[0].Used.Equal(used) == touched {
			t.Errorf("used %s ago: %+v, %v", old, entries, err)
		}
	}
}

func TestVerify(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	var all []ocispec.Descriptor
	for i := range 5 {
		content, _ := blob(100<<10, uint64(i))
		all = append(all, put(t, c, content))
	}
	midway(t, c)
	flip(t, blobPath(root, all[1]))
	if err := os.Truncate(blobPath(root, all[3]), 50<<10); err != nil {
		t.Fatal(err)
	}
	var last, total int64
	v, err := c.Verify(t.Context(), func(done, of int64) { last, total = done, of })
	damaged := []digest.Digest{all[1].Digest, all[3].Digest}
	slices.Sort(damaged)
	slices.Sort(v.Damaged)
	if err != nil || v.Blobs != 5 || v.Bytes != 450<<10 || !slices.Equal(v.Damaged, damaged) {
		t.Errorf("%+v, %v", v, err)
	}
	if last != total || total != 450<<10 {
		t.Errorf("%d of %d", last, total)
	}
	if v, err := c.Verify(t.Context(), nil); err != nil || v.Blobs != 3 || v.Damaged == nil || len(v.Damaged) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestPrune(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		options cache.PruneOptions
		gone    []int // of blobs 0 to 4, whose ages are 0 to 40 days and which have 1000 bytes each
	}{
		"nothing":    {cache.PruneOptions{}, nil},
		"age":        {cache.PruneOptions{OlderThan: 25 * day}, []int{3, 4}},
		"size":       {cache.PruneOptions{MaxBytes: 2500}, []int{2, 3, 4}},
		"exact size": {cache.PruneOptions{MaxBytes: 3000}, []int{3, 4}},
		"both":       {cache.PruneOptions{OlderThan: 35 * day, MaxBytes: 4500}, []int{4}},
		"all":        {cache.PruneOptions{All: true}, []int{0, 1, 2, 3, 4}},
	} {
		for _, dryRun := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, dry run %v", name, dryRun), func(t *testing.T) {
				root := t.TempDir()
				c := open(t, root)
				var all []ocispec.Descriptor
				for i := range 5 {
					content, _ := blob(1000, uint64(i))
					d := put(t, c, content)
					age(t, blobPath(root, d), time.Now().Add(-time.Duration(i)*10*day))
					all = append(all, d)
					if err := c.SetTag(cache.Reference{Host: "h", Repository: "r", Tag: fmt.Sprint(i)}, cache.TagEntry{Descriptor: d}); err != nil {
						t.Fatal(err)
					}
				}
				open, err := c.Blob(t.Context(), all[0], false)
				if err != nil {
					t.Fatal(err)
				}
				test.options.DryRun = dryRun
				p, err := c.Prune(t.Context(), test.options)
				n := len(test.gone)
				if err != nil || p.Blobs != n || p.Tags != n || p.Bytes != int64(1000*n) || p.Kept.Blobs != 5-n || p.Kept.Bytes != int64(5000-1000*n) {
					t.Errorf("%+v, %v", p, err)
				}
				for i, d := range all {
					want := dryRun || !slices.Contains(test.gone, i)
					has, err := c.Has(d)
					if _, tagged := c.Tag(cache.Reference{Host: "h", Repository: "r", Tag: fmt.Sprint(i)}); has != want || tagged != want || err != nil {
						t.Errorf("blob %d is there: %v, its tag: %v, want %v, %v", i, has, tagged, want, err)
					}
				}
				content, _ := blob(1000, 0)
				expect(t, open, nil, content)
			})
		}
	}
}

// What interrupted commands have left goes, once nobody resumes it.
func TestPruneStale(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	_, d := blob(4*mib, 1)
	stale := func(dir string) {
		for _, name := range left(t, root, dir) {
			age(t, filepath.Join(root, dir, name), time.Now().Add(-25*time.Hour))
		}
	}
	check := func(o cache.PruneOptions, partials int) {
		t.Helper()
		p, err := c.Prune(t.Context(), o)
		if err != nil || p.Partials != partials || p.Bytes != int64(partials*mib) {
			t.Errorf("%+v, %v", p, err)
		}
	}
	midway(t, c)
	check(cache.PruneOptions{}, 0)
	check(cache.PruneOptions{All: true, DryRun: true}, 1)
	if names := left(t, root, "partial"); len(names) != 3 {
		t.Errorf("left are %v", names)
	}
	check(cache.PruneOptions{All: true}, 1)
	midway(t, c)
	stale("partial")
	check(cache.PruneOptions{}, 1)
	if names := left(t, root, "partial"); len(names) != 0 {
		t.Errorf("left are %v", names)
	}

	// Killed just after its rename, a process leaves a record and a lock.
	for _, end := range []string{".json", ".lock"} {
		if err := os.WriteFile(partialPath(root, d)+end, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	temp := filepath.Join(root, "tmp", rand.Text())
	if err := os.WriteFile(temp, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(cache.PruneOptions{}, 0)
	if _, err := os.Stat(temp); err != nil {
		t.Error("a temporary file that may be in use is gone")
	}
	stale("partial")
	stale("tmp")
	if _, err := c.Prune(t.Context(), cache.PruneOptions{}); err != nil {
		t.Error(err)
	}
	if names := append(left(t, root, "partial"), left(t, root, "tmp")...); len(names) != 0 {
		t.Errorf("left are %v", names)
	}
}

// In a directory that is not its own, the cache looks at nothing but what it has
// made, and removes nothing else.
func TestSharedDirectory(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	layout := digest.FromString("a blob of a layout").Encoded()
	others := []string{"blobs/sha256/" + layout, "tmp/notes", "tags/notes.json", "tags/" + layout + ".txt", "partial/notes", "index.json"}
	for _, name := range others {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
		age(t, name, time.Now().Add(-100*time.Hour))
	}
	if list, err := c.List(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("listed: %v, %v", list, err)
	}
	if v, err := c.Verify(t.Context(), nil); v.Blobs != 0 || len(v.Damaged) != 0 || err != nil {
		t.Errorf("verified: %+v, %v", v, err)
	}
	if p, err := c.Prune(t.Context(), cache.PruneOptions{All: true}); p != (cache.Pruned{}) || err != nil {
		t.Errorf("pruned: %+v, %v", p, err)
	}
	for _, name := range others {
		if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
}

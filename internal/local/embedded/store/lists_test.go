package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-oci/berth/internal/base/oci"
)

func TestLists(t *testing.T) {
	const key = "repository"
	for name, test := range map[string]struct {
		stored string
		change func(l *lists)
		want   string
	}{
		"sorted":                 {"c a b", func(*lists) {}, "a b c"},
		"added at the end":       {"a b", func(l *lists) { l.add(key, "c") }, "a b c"},
		"added at the beginning": {"b c", func(l *lists) { l.add(key, "a") }, "a b c"},
		"added twice":            {"a", func(l *lists) { l.add(key, "b"); l.add(key, "b") }, "a b"},
		"added though there":     {"a b", func(l *lists) { l.add(key, "a") }, "a b"},
		"removed":                {"a b c", func(l *lists) { l.remove(key, "b") }, "a c"},
		"removed though missing": {"a", func(l *lists) { l.remove(key, "b") }, "a"},
		"removed and back":       {"a b", func(l *lists) { l.remove(key, "a"); l.add(key, "a") }, "a b"},
		"added and gone":         {"a", func(l *lists) { l.add(key, "b"); l.remove(key, "b") }, "a"},
		"another list":           {"a", func(l *lists) { l.add("other", "b") }, "a"},
		"byte order":             {"v10 v9 V1 _", func(l *lists) { l.add(key, "1.0") }, "1.0 V1 _ v10 v9"},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			l := newLists(func(context.Context, string) ([]string, error) {
				reads++
				return strings.Fields(test.stored), nil
			})
			first, err := l.get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			given := slices.Clone(first)
			test.change(l)
			got, err := l.get(t.Context(), key)
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("%v, %v; want %s", got, err, test.want)
			}
			if reads != 1 {
				t.Errorf("read %d times", reads)
			}
			if !slices.Equal(first, given) {
				t.Errorf("the list that was given away became %v", first)
			}
		})
	}
}

// A name that comes or goes while the storage is read is in the list, or not,
// whichever of the two the storage told: the change waits.
func TestListsChangedWhileRead(t *testing.T) {
	for _, read := range []string{"old gone", "new old"} {
		changed := make(chan bool)
		var l *lists
		l = newLists(func(context.Context, string) ([]string, error) {
			go func() { l.add("k", "new"); l.remove("k", "gone"); close(changed) }()
			select {
			case <-changed:
				t.Error("the change is lost: the list is not loaded yet")
			case <-time.After(5 * time.Millisecond):
			}
			return strings.Fields(read), nil
		})
		_, _ = l.get(t.Context(), "k")
		<-changed
		if names, _ := l.get(t.Context(), "k"); strings.Join(names, " ") != "new old" {
			t.Errorf("after reading %q: %v", read, names)
		}
	}
}

func TestListsReadFails(t *testing.T) {
	fail := true
	l := newLists(func(context.Context, string) ([]string, error) {
		if fail {
			return nil, errStorage
		}
		return []string{"a"}, nil
	})
	if _, err := l.get(t.Context(), "k"); !errors.Is(err, errStorage) {
		t.Errorf("%v, want the storage's error", err)
	}
	fail = false
	if names, err := l.get(t.Context(), "k"); err != nil || len(names) != 1 {
		t.Errorf("%v, %v after the storage came back", names, err)
	}
}

func TestListsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLists(func(context.Context, string) ([]string, error) { return []string{"a"}, nil })
		for _, key := range []string{"removed", "idle", "used"} {
			_, _ = l.get(t.Context(), key)
		}
		l.forget("removed")
		time.Sleep(listAge)
		_, _ = l.get(t.Context(), "used")
		time.Sleep(time.Nanosecond)
		l.tidy()
		if len(l.all) != 1 || l.all["used"] == nil {
			t.Errorf("left: %v", l.all)
		}
	})
}

// A list is not sorted, or read, anew for each of many changes.
func TestListsMany(t *testing.T) {
	const many = 100_000
	reads := 0
	l := newLists(func(context.Context, string) ([]string, error) { reads++; return []string{"v"}, nil })
	for i := range many {
		if i < many/4 && i%10_000 == 0 {
			_, _ = l.get(t.Context(), "k")
		}
		l.add("k", fmt.Sprintf("v%06d", i))
	}
	if n := len(l.all["k"].changes); n > maxChanges {
		t.Errorf("%d changes are remembered", n)
	}
	names, _ := l.get(t.Context(), "k")
	if len(names) != many+1 || reads != 1 || !slices.IsSorted(names) {
		t.Errorf("%d names, read %d times", len(names), reads)
	}
}

func TestTags(t *testing.T) {
	r := open(t, memory(t))
	m := r.image("a", "v2", "x")
	r.put("a", "v1", madeOf("x"))
	r.image("b/c", "", "x")
	r.image("b", "v1", "x")
	r.blob("uploaded", "x")
	r.must(r.driver.PutContent(r.ctx, tagPath("a", ".hidden")+"/current/link", nil)) // what somebody else left there
	check := func(r *registry, repo string, want ...string) {
		t.Helper()
		if tags, err := r.Tags(r.ctx, repo); err != nil || !slices.Equal(tags, want) {
			t.Errorf("%s: %v, %v; want %v", repo, tags, err, want)
		}
	}
	for _, s := range []*registry{r, open(t, r.driver)} {
		check(s, "a", "v1", "v2")
		check(s, "b/c")
		for _, unknown := range []string{"unknown", "uploaded"} {
			_, err := s.Tags(r.ctx, unknown)
			s.wants(err, oci.CodeNameUnknown)
		}
		if repos, err := s.Repositories(r.ctx); err != nil || !slices.Equal(repos, []string{"a", "b", "b/c"}) {
			t.Errorf("repositories: %v, %v", repos, err)
		}
	}
	r.must(r.DeleteTag(r.ctx, "a", "v2"))
	check(r, "a", "v1")
	r.must(r.DeleteManifest(r.ctx, "a", m[0].Digest))
	check(r, "a")
	r.image("new", "v1", "x")
	if repos, err := r.Repositories(r.ctx); err != nil || !slices.Equal(repos, []string{"a", "b", "b/c", "new"}) {
		t.Errorf("repositories: %v, %v", repos, err)
	}
}

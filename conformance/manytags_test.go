package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// manyTags pages through a list of very many tags. Their links are written into
// the storage of the stopped registry, as it would write them.
func manyTags(t *testing.T) {
	root := &filesystem{root: filepath.Join(fastDir(t), "root")}
	s := newServer(t, setup{storage: root})
	i := newImage([]blob{randomBlob(10)}, nil)
	if err := s.client.push(t.Context(), "many", "v1", i); err != nil {
		t.Fatal(err)
	}
	s.stop()
	started := time.Now()
	want := []string{"v1"}
	tags := filepath.Join(root.root, "docker/registry/v2/repositories/many/_manifests/tags")
	for n := range *hostileTags {
		tag := fmt.Sprintf("tag-%07d", n)
		if err := os.MkdirAll(filepath.Join(tags, tag, "current"), 0o777); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(tags, tag, "current"), "link", i.root().digest.String())
		want = append(want, tag)
	}
	slices.Sort(want)
	t.Logf("%d links written in %s", *hostileTags, time.Since(started).Round(time.Millisecond))
	s.start()
	before := peakMemory(t, s)

	const n = 1000
	started = time.Now()
	var got []string
	err := s.client.pages(t.Context(), fmt.Sprintf("/v2/many/tags/list?n=%d", n), func(page []byte) error {
		var list struct{ Tags []string }
		err := json.Unmarshal(page, &list)
		if len(list.Tags) > n {
			t.Errorf("a page of %d has %d tags", n, len(list.Tags))
		}
		got = append(got, list.Tags...)
		return err
	})
	took := time.Since(started)
	t.Logf("%d tags in pages of %d: %s, memory grew by %d MiB", len(got), n, took.Round(time.Millisecond), (peakMemory(t, s)-before)>>20)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d tags are listed: %v", len(got), len(want), err)
	}
	if limit := time.Duration(*hostileTags) * 600 * time.Microsecond; took > limit {
		t.Errorf("all pages took %s, more than %s", took, limit)
	}
	someTags(t, s, want)
}

// someTags asks for pages with n and last.
func someTags(t *testing.T, s *server, all []string) {
	for query, want := range map[string][]string{
		"n=3":                   all[:3],
		"n=2&last=" + all[4]:    all[5:7],
		"n=5&last=tag-0000003":  all[slices.Index(all, "tag-0000003")+1:][:5],
		"n=5&last=tag-0000003a": all[slices.Index(all, "tag-0000003")+1:][:5], // that does not exist
		"n=5&last=zzz":          nil,
	} {
		a, err := s.client.want(context.Background(), http.StatusOK, http.MethodGet, "/v2/many/tags/list?"+query, nil, nil)
		var list struct{ Tags []string }
		if err == nil {
			err = json.Unmarshal(a.body, &list)
		}
		if err != nil || !slices.Equal(list.Tags, want) {
			t.Errorf("%s: %v, %v", query, list.Tags, err)
		}
	}
	for _, query := range []string{"n=-1", "n=x"} {
		if a, err := s.client.get("/v2/many/tags/list?" + query); err != nil || a.status != http.StatusBadRequest {
			t.Errorf("%s: %d, %v", query, a.status, err)
		}
	}
}

// fastDir is a directory in memory where there is one and the links fit: to make
// and remove so many on a disk takes a minute.
func fastDir(t *testing.T) string {
	t.Helper()
	if *hostileTags <= 200_000 {
		if dir, err := os.MkdirTemp("/dev/shm", "berth-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

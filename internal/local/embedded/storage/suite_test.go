package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

// Each place is where the guarantees of Open are tested.
var places = map[string]func(t *testing.T) configuration.Storage{
	"filesystem": func(t *testing.T) configuration.Storage {
		return configuration.Storage{"filesystem": {"rootdirectory": t.TempDir()}}
	},
	"inmemory": func(*testing.T) configuration.Storage { return configuration.Storage{"inmemory": {}} },
	"s3":       func(t *testing.T) configuration.Storage { return s3Config(testtool.S3(t), "/some/root") },
	"s3 bare":  func(t *testing.T) configuration.Storage { return s3Config(testtool.S3(t), "") },
	"azure":    func(t *testing.T) configuration.Storage { return azureConfig(testtool.Azure(t), "/some/root") },
}

func s3Config(s *testtool.S3Service, root string) configuration.Storage {
	return configuration.Storage{"s3": {
		"regionendpoint": s.Endpoint, "bucket": s.Bucket, "accesskey": s.Key, "secretkey": s.Secret, "rootdirectory": root,
	}}
}

func azureConfig(s *testtool.AzureService, root string) configuration.Storage {
	return configuration.Storage{"azure": {
		"serviceurl": s.Endpoint, "container": s.Container, "accountname": s.Account, "accountkey": s.Key, "rootdirectory": root,
	}}
}

// suite are the guarantees that a registry builds on.
var suite = map[string]func(t *testing.T, d storagedriver.StorageDriver){
	"content":        testContent,
	"replace":        testReplace,
	"missing":        testMissing,
	"similar names":  testSimilarNames,
	"upload":         testUpload,
	"empty upload":   testEmptyUpload,
	"resume":         testResume,
	"resume commits": testResumeCommitted,
	"cancel":         testCancel,
	"client is gone": testClientGone,
	"move":           testMove,
	"many":           testMany,
	"walk":           testWalk,
	"given up":       testGivenUp,
	"one file":       testDeleteFile,
}

func TestGuarantees(t *testing.T) {
	t.Parallel()
	for place, config := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			d, err := storage.Open(t.Context(), config(t))
			if err != nil {
				t.Fatal(err)
			}
			for name, test := range suite {
				t.Run(name, func(t *testing.T) { test(t, d) })
			}
		})
	}
}

func testContent(t *testing.T, d storagedriver.StorageDriver) {
	for _, content := range []string{"", "x", strings.Repeat("y", 4<<20+1)} {
		put(t, d, "/content/data", content)
		if got := get(t, d, "/content/data"); got != content {
			t.Errorf("put %d bytes, got %d", len(content), len(got))
		}
		info, err := d.Stat(t.Context(), "/content/data")
		if err != nil || info.IsDir() || info.Size() != int64(len(content)) || info.ModTime().IsZero() || info.Path() != "/content/data" {
			t.Errorf("%+v, %v", info, err)
		}
		for _, offset := range []int64{0, 1, int64(len(content)), int64(len(content)) + 7} {
			want := content[min(offset, int64(len(content))):]
			if got := read(t, d, "/content/data", offset); got != want {
				t.Errorf("%d bytes at %d of %d, want %d", len(got), offset, len(content), len(want))
			}
		}
	}
	if info, err := d.Stat(t.Context(), "/content"); err != nil || !info.IsDir() || info.Size() != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := d.Reader(t.Context(), "/content/data", -1); !errors.As(err, new(storagedriver.InvalidOffsetError)) {
		t.Errorf("read before the start: %v", err)
	}
}

// Who reads while others write has one of the contents, whole.
func testReplace(t *testing.T, d storagedriver.StorageDriver) {
	content := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 1000+i) }
	put(t, d, "/replace", content(0))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				got, err := d.GetContent(t.Context(), "/replace")
				if err != nil || len(got) < 1000 || string(got) != content(len(got)-1000) {
					t.Errorf("%d bytes of %.1q: %v", len(got), got, err)
					return
				}
			}
		})
	}
	for i := range 100 {
		put(t, d, "/replace", content(i))
	}
	stop()
	readers.Wait()
}

// One file is deleted, and neither what begins with the same letters nor what is
// beside it. Only what has no directories offers it.
func testDeleteFile(t *testing.T, d storagedriver.StorageDriver) {
	f, ok := d.(interface {
		DeleteFile(ctx context.Context, path string) error
	})
	if !ok {
		if d.Name() != "filesystem" {
			t.Error("it is not offered")
		}
		return
	}
	put(t, d, "/one/data", "x")
	put(t, d, "/one/data2", "x")
	for range 2 { // the second time it is missing
		if err := f.DeleteFile(t.Context(), "/one/data"); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.GetContent(t.Context(), "/one/data"); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("it is there: %v", err)
	}
	if got := get(t, d, "/one/data2"); got != "x" {
		t.Errorf("what is beside it is %q", got)
	}
}

func testMissing(t *testing.T, d storagedriver.StorageDriver) {
	put(t, d, "/missing/file", "x")
	ctx := t.Context()
	paths := []string{"/missing/path", "/nothing/at/all"}
	if d.Name() != "inmemory" { // which is particular about what is below a file
		paths = append(paths, "/missing/file/below")
	}
	for _, p := range paths {
		_, get := d.GetContent(ctx, p)
		_, reader := d.Reader(ctx, p, 0)
		_, writer := d.Writer(ctx, p, true)
		_, stat := d.Stat(ctx, p)
		_, list := d.List(ctx, p)
		for method, err := range map[string]error{
			"GetContent": get, "Reader": reader, "Writer": writer, "Stat": stat, "List": list,
			"Move": d.Move(ctx, p, "/missing/dest"), "Delete": d.Delete(ctx, p),
			"Walk": d.Walk(ctx, p, func(storagedriver.FileInfo) error { return nil }),
		} {
			if !errors.As(err, new(storagedriver.PathNotFoundError)) {
				t.Errorf("%s(%s): %v", method, p, err)
			}
		}
	}
	for _, p := range []string{"", "/", "relative", "/../up", "/a/../../up", "//a", "/a/"} {
		if err := d.PutContent(ctx, p, nil); err == nil && strings.Contains(p, "..") {
			_ = d.Delete(ctx, p)
		} else if err == nil {
			t.Errorf("%q is a path", p)
		}
	}
}

// A name that another begins with is not that other one.
func testSimilarNames(t *testing.T, d storagedriver.StorageDriver) {
	put(t, d, "/similar/name-longer/data", "x")
	put(t, d, "/similar/name.longer", "x")
	if _, err := d.Stat(t.Context(), "/similar/name"); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("stat: %v", err)
	}
	if err := d.Delete(t.Context(), "/similar/name"); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("delete: %v", err)
	}
	put(t, d, "/similar/name/data", "x")
	if err := d.Delete(t.Context(), "/similar/name"); err != nil {
		t.Error(err)
	}
	got, err := d.List(t.Context(), "/similar")
	if want := []string{"/similar/name-longer", "/similar/name.longer"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("left are %v, %v", got, err)
	}
}

// More than a page of a listing.
func testMany(t *testing.T, d storagedriver.StorageDriver) {
	const n = 2000
	var want []string
	var puts sync.WaitGroup
	for part := range 8 {
		puts.Go(func() {
			for i := part; i < n; i += 8 {
				put(t, d, fmt.Sprintf("/many/%04d/link", i), "x")
			}
		})
	}
	puts.Wait()
	for i := range n {
		want = append(want, fmt.Sprintf("/many/%04d", i))
	}
	got, err := d.List(t.Context(), "/many")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d, %v", len(got), n, err)
	}
	var files int
	err = d.Walk(t.Context(), "/many", func(info storagedriver.FileInfo) error {
		if !info.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files != n {
		t.Errorf("walked %d of %d, %v", files, n, err)
	}
	if err := d.Delete(t.Context(), "/many"); err != nil {
		t.Error(err)
	}
	if _, err := d.List(t.Context(), "/many"); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("list after delete: %v", err)
	}
}

func testWalk(t *testing.T, d storagedriver.StorageDriver) {
	for _, p := range []string{"/walk/b/2/data", "/walk/a/data", "/walk/b/1/data", "/walk/a-b/data", "/walk/skip/data", "/walk/top"} {
		put(t, d, p, "x")
	}
	var seen []string
	err := d.Walk(t.Context(), "/walk", func(info storagedriver.FileInfo) error {
		if above := path.Dir(info.Path()); above != "/walk" && !slices.Contains(seen, above) {
			t.Errorf("%s comes before its directory", info.Path())
		}
		seen = append(seen, info.Path())
		if info.Path() == "/walk/skip" {
			return storagedriver.ErrSkipDir
		}
		return nil
	})
	slices.Sort(seen)
	want := []string{
		"/walk/a", "/walk/a-b", "/walk/a-b/data", "/walk/a/data", "/walk/b", "/walk/b/1", "/walk/b/1/data",
		"/walk/b/2", "/walk/b/2/data", "/walk/skip", "/walk/top",
	}
	if err != nil || !slices.Equal(seen, want) {
		t.Errorf("%v, %v", seen, err)
	}
	calls := 0
	count := func(err error) storagedriver.WalkFn {
		return func(storagedriver.FileInfo) error { calls++; return err }
	}
	if err := d.Walk(t.Context(), "/walk", count(storagedriver.ErrFilledBuffer)); err != nil || calls != 1 {
		t.Errorf("filled: %d calls, %v", calls, err)
	}
	if err := d.Walk(t.Context(), "/walk", count(io.ErrNoProgress)); err != io.ErrNoProgress {
		t.Errorf("failed: %v", err)
	}
}

// A caller that gives up is not an outage.
func testGivenUp(t *testing.T, d storagedriver.StorageDriver) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.List(ctx, "/")
	if err != nil && (!errors.Is(err, context.Canceled) || errors.Is(err, storage.ErrUnavailable)) {
		t.Error(err)
	}
}

func put(t *testing.T, d storagedriver.StorageDriver, p, content string) {
	t.Helper()
	if err := d.PutContent(t.Context(), p, []byte(content)); err != nil {
		t.Errorf("put %s: %v", p, err)
	}
}

func get(t *testing.T, d storagedriver.StorageDriver, p string) string {
	t.Helper()
	content, err := d.GetContent(t.Context(), p)
	if err != nil {
		t.Errorf("get %s: %v", p, err)
	}
	return string(content)
}

func read(t *testing.T, d storagedriver.StorageDriver, p string, offset int64) string {
	t.Helper()
	r, err := d.Reader(t.Context(), p, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

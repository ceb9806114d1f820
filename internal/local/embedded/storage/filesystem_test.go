package storage_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/distribution/distribution/v3/registry/storage/driver/testsuites"

	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

// The suite that distribution has for its own drivers, without a test that writes
// 5 GB to the disk.
func TestDistributionSuite(t *testing.T) {
	t.Parallel()
	if err := flag.Set("test.short", "true"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("test.short", "false") }()
	root := t.TempDir()
	testsuites.Driver(t, func() (storagedriver.StorageDriver, error) { return storage.NewFilesystem(root) }, false)
}

func newFilesystem(t *testing.T, root string) *storage.Filesystem {
	t.Helper()
	d, err := storage.NewFilesystem(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What either driver wrote, the other reads.
func TestSameLayout(t *testing.T) {
	root := t.TempDir()
	own, theirs := newFilesystem(t, root), filesystem.New(filesystem.DriverParameters{RootDirectory: root, MaxThreads: 100})
	put(t, own, "/docker/registry/v2/own", "own")
	put(t, theirs, "/docker/registry/v2/theirs", "theirs")
	for name, d := range map[string]storagedriver.StorageDriver{"own": own, "theirs": theirs} {
		for _, content := range []string{"own", "theirs"} {
			if got := get(t, d, "/docker/registry/v2/"+content); got != content {
				t.Errorf("%s reads %q for %s", name, got, content)
			}
		}
		if list, err := d.List(t.Context(), "/docker/registry/v2"); err != nil || len(list) != 2 {
			t.Errorf("%s lists %v, %v", name, list, err)
		}
	}
}

// The kernel sends files, and nothing else.
func TestReaderIsFile(t *testing.T) {
	d := newFilesystem(t, t.TempDir())
	put(t, d, "/file", "x")
	r, err := d.Reader(t.Context(), "/file", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok := r.(*os.File); !ok {
		t.Errorf("the reader is a %T", r)
	}
}

func TestPathsStayInRoot(t *testing.T) {
	above := t.TempDir()
	d := newFilesystem(t, filepath.Join(above, "root"))
	if err := os.WriteFile(filepath.Join(above, "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{
		"/../secret", "/a/../../secret", "/..", "/.", "/", "", "a", "//secret", "/a//b", "/a/", "/a/./b", "/a\x00b",
		"/.berth-tmp", "/.berth-tmp/x",
	} {
		_, read := d.GetContent(t.Context(), p)
		_, reader := d.Reader(t.Context(), p, 0)
		_, writer := d.Writer(t.Context(), p, false)
		for method, err := range map[string]error{
			"GetContent": read, "Reader": reader, "Writer": writer,
			"PutContent": d.PutContent(t.Context(), p, nil), "Delete": d.Delete(t.Context(), p),
			"Move from": d.Move(t.Context(), p, "/x"), "Move to": d.Move(t.Context(), "/x", p),
		} {
			if !errors.As(err, new(storagedriver.InvalidPathError)) && method != "Move to" || err == nil {
				t.Errorf("%s(%q): %v", method, p, err)
			}
		}
	}
	entries, err := os.ReadDir(above)
	if err != nil || len(entries) != 2 {
		t.Errorf("above the root are %v, %v", entries, err)
	}
}

// Nothing shows of what has no name yet, and what a killed process left is
// removed, but not what another process is at.
func TestWorkDirectory(t *testing.T) {
	root := t.TempDir()
	d := newFilesystem(t, root)
	put(t, d, "/file", "x")
	work := filepath.Join(root, ".berth-tmp")
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "new": time.Second} {
		if err := os.WriteFile(filepath.Join(work, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(work, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := d.List(t.Context(), "/"); err != nil || len(list) != 1 {
		t.Errorf("listed are %v, %v", list, err)
	}
	err := d.Walk(t.Context(), "/", func(info storagedriver.FileInfo) error {
		if strings.Contains(info.Path(), "berth") {
			t.Errorf("walked to %s", info.Path())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	newFilesystem(t, root)
	left, err := filepath.Glob(filepath.Join(work, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "new" {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestModes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made", "here")
	d := newFilesystem(t, root)
	put(t, d, "/dir/put", "x")
	finish(t, writer(t, d, "/dir/written", false))
	for name, want := range map[string]os.FileMode{"": 0o700, "dir": 0o700, "dir/put": 0o600, "dir/written": 0o600} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// A directory that is removed again and again is no reason for a put to fail.
func TestPutWhileDeleted(t *testing.T) {
	d := newFilesystem(t, t.TempDir())
	var puts sync.WaitGroup
	for i := range 4 {
		puts.Go(func() {
			for range 50 {
				put(t, d, fmt.Sprintf("/dir/%d", i), "x")
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		puts.Wait()
	}()
	for {
		select {
		case <-done:
			return
		default:
			if err := d.Delete(t.Context(), "/dir"); err != nil && !errors.As(err, new(storagedriver.PathNotFoundError)) {
				t.Error(err)
			}
		}
	}
}

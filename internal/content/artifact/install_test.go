package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// install stages a file for a target and commits it.
func install(t *testing.T, target, name string) error {
	t.Helper()
	s, err := Stage(target)
	if err != nil {
		return err
	}
	defer s.Discard()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte("1"), 0o644); err != nil {
		return err
	}
	_, err = s.Commit(false)
	return err
}

// wantNames fails unless a directory holds just that.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	list, err := os.ReadDir(dir)
	for _, e := range list {
		got = append(got, e.Name())
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s holds %q (%v), want %q", dir, got, err, want)
	}
}

// A target that is a link stays one, where it leads to nothing yet as well.
func TestStageForLink(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "empty"), 0o755), os.Symlink("empty", filepath.Join(dir, "live")),
		os.Symlink("far/none", filepath.Join(dir, "dangling")), os.Symlink("loop", filepath.Join(dir, "loop"))); err != nil {
		testtool.Skip(t, fmt.Sprint("no symbolic links: ", err))
	}
	for link, to := range map[string]string{"live": "empty", "dangling": "far/none"} {
		if err := install(t, filepath.Join(dir, link), "file"); err != nil {
			t.Error(err)
		}
		if got, err := os.Readlink(filepath.Join(dir, link)); filepath.ToSlash(got) != to {
			t.Errorf("%s is %q, %v", link, got, err)
		}
		wantNames(t, filepath.Join(dir, to), "file")
	}
	if err := install(t, filepath.Join(dir, "loop"), "file"); err == nil {
		t.Error("a link to itself is replaced")
	}
	wantNames(t, dir, "dangling", "empty", "far", "live", "loop")
}

// What a killed process left goes with the next for the same target; what somebody is
// at, and what is another's, stays.
func TestStageRemovesWhatIsLeft(t *testing.T) {
	if runtime.GOOS == "windows" {
		testtool.Skip(t, "directories cannot be locked")
	}
	dir := t.TempDir()
	target := filepath.Join(dir, "out")
	for _, name := range []string{".berth-out-17/new", ".berth-out-mine/x", ".berth-out-/x", ".berth-other-18/new", ".berth-19/new"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	first, err := Stage(target)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Discard()
	if err := install(t, target, "file"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Dir); err != nil {
		t.Errorf("that of another, who is at work: %v", err)
	}
	first.Discard()
	wantNames(t, dir, ".berth-19", ".berth-other-18", ".berth-out-", ".berth-out-mine", "out")
	if err := install(t, filepath.Join(dir, strings.Repeat("x", 250)), "file"); err != nil {
		t.Errorf("a long name: %v", err)
	}
}

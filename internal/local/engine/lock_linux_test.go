package engine

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// mount makes a small file system, with room for so many files, of which its
// root is one.
func mount(t *testing.T, files int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("nr_inodes=%d", files)); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount a small file system: %v", err))
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// What can only be read is not locked, as nothing can run there, and the hint
// says what to do.
func TestLockReadOnly(t *testing.T) {
	dir := mount(t, 10)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	for path, u := range map[string]Unit{"": {Dir: dir}, "local.storage_config.rootdirectory": {Dir: data, Storage: []string{dir}}} {
		_, err := acquire(t.Context(), u, 0)
		d, ok := asDiagnostic(err)
		if !ok || d.Code != diag.StorageFailed || d.Path != path || !errors.Is(err, syscall.EROFS) || !strings.Contains(d.Hint, "can only be read") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if isHeld(t, data) {
		t.Error("the data directory stays locked")
	}
}

// On a full disk the lock of the directory itself has to do, so that what makes
// room can run, until there is room for the file.
func TestLockFull(t *testing.T) {
	dir := mount(t, 2)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u := Unit{Dir: dir}
	l := mustAcquire(t, u)
	if _, err := os.Lstat(filepath.Join(dir, lockFile)); err == nil {
		t.Fatal("there was room for the file")
	}
	if _, err := acquire(t.Context(), u, 0); codeOf(err) != diag.Busy {
		t.Errorf("a second lock: %v", err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		if err := l.keep(logger); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "cannot be made"); n != 1 {
		t.Errorf("it tells %d times: %s", n, log.String())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := l.keep(logger); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, lockFile)); err != nil {
		t.Errorf("there is room, and the file is not there: %v", err)
	}
	l.release()
	mustAcquire(t, u)
}

// What root has locked, another user can lock afterwards.
func TestLockAfterRoot(t *testing.T) {
	dir := t.TempDir()
	mustAcquire(t, Unit{Dir: dir}).release()
	info, err := os.Stat(filepath.Join(dir, lockFile))
	if err != nil || info.Mode().Perm()&0o444 != 0o444 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

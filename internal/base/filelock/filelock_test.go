package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// take locks what must be free.
func take(t *testing.T, try func() (*Lock, error)) *Lock {
	t.Helper()
	l, err := try()
	if l == nil || err != nil {
		t.Fatalf("the lock is %v, %v", l, err)
	}
	t.Cleanup(l.Release)
	return l
}

func TestTry(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	file := func() (*Lock, error) { return Try(name, 0o600) }
	if ok, err := Held(name); ok || err != nil {
		t.Errorf("before it is there: %v, %v", ok, err)
	}
	if _, err := os.Lstat(name); err == nil {
		t.Error("to look has made it")
	}
	l := take(t, file)
	if ok, err := Held(name); !ok || err != nil {
		t.Errorf("locked: %v, %v", ok, err)
	}
	if second, err := file(); second != nil || err != nil {
		t.Errorf("a second lock: %v, %v", second, err)
	}
	l.Release()
	if ok, err := Held(name); ok || err != nil {
		t.Errorf("released: %v, %v", ok, err)
	}
	take(t, file).Remove()
	if _, err := os.Lstat(name); err == nil {
		t.Error("it is not removed")
	}
	if _, err := Try(filepath.Join(name, "below"), 0o600); err == nil {
		t.Error("there is no directory for it, and it is locked")
	}
}

// A lock whose file was removed is known to be worth nothing, and does not
// remove the file of the one that has the name now.
func TestNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	l := take(t, func() (*Lock, error) { return Try(name, 0o600) })
	if ok, err := l.Named(); !ok || err != nil {
		t.Errorf("untouched: %v, %v", ok, err)
	}
	if err := os.Remove(name); err != nil {
		testtool.Skip(t, "the system does not let go of it: "+err.Error())
	}
	if ok, err := l.Named(); ok || err != nil {
		t.Errorf("removed: %v, %v", ok, err)
	}
	second := take(t, func() (*Lock, error) { return Try(name, 0o600) })
	if ok, err := l.Named(); ok || err != nil {
		t.Errorf("replaced: %v, %v", ok, err)
	}
	l.Remove()
	if ok, err := second.Named(); !ok || err != nil {
		t.Errorf("it was removed by the one before: %v, %v", ok, err)
	}
}

// Holders that remove the file as they end never hold it together.
func TestRemoveRace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	var inside sync.Mutex
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 200 {
				l, err := Wait(t.Context(), name, 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				if !inside.TryLock() {
					t.Error("two hold it")
					return
				}
				inside.Unlock()
				l.Remove()
			}
		})
	}
	wait.Wait()
}

func TestWaitEnds(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	take(t, func() (*Lock, error) { return Try(name, 0o600) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l, err := Wait(ctx, name, 0o600); l != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", l, err)
	}
}

// By every name a directory has one lock.
func TestTryDir(t *testing.T) {
	if !locksDirs {
		if _, err := TryDir(t.TempDir()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
		return
	}
	base := t.TempDir()
	dir, link := filepath.Join(base, "dir"), filepath.Join(base, "link")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink("dir", link)); err != nil {
		t.Fatal(err)
	}
	l := take(t, func() (*Lock, error) { return TryDir(link) })
	if second, err := TryDir(dir); second != nil || err != nil {
		t.Errorf("a second lock: %v, %v", second, err)
	}
	if ok, err := HeldDir(dir); !ok || err != nil {
		t.Errorf("locked: %v, %v", ok, err)
	}
	if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if ok, err := l.Named(); ok || err != nil {
		t.Errorf("replaced: %v, %v", ok, err)
	}
	if _, err := TryDir(filepath.Join(base, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
}

// What is not a file is not locked, nor waited for.
func TestTryRefuses(t *testing.T) {
	if !locksDirs {
		testtool.Skip(t, "links and pipes are as Unix has them")
	}
	dir := t.TempDir()
	target, link, pipe := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(target, link), makePipe(pipe)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, pipe} {
		if l, err := Try(name, 0o600); l != nil || err == nil {
			t.Errorf("%s is locked: %v", filepath.Base(name), err)
		}
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link was followed")
	}
}

// Many share a lock of a directory, and nobody has it alone meanwhile.
func TestShareDir(t *testing.T) {
	dir := t.TempDir()
	share := func() (*Lock, error) { return ShareDir(t.Context(), dir) }
	if !locksDirs {
		if _, err := share(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
		return
	}
	first, second := take(t, share), take(t, share)
	first.Release()
	if alone, err := TryDir(dir); alone != nil || err != nil {
		t.Errorf("while it is shared: %v, %v", alone, err)
	}
	second.Release()
	take(t, func() (*Lock, error) { return TryDir(dir) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l, err := ShareDir(ctx, dir); l != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("while one has it alone: %v, %v", l, err)
	}
}

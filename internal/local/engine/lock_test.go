package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// isHeld reports whether somebody has the lock of dir.
func isHeld(t *testing.T, dir string) bool {
	t.Helper()
	now, former, err := held(dir)
	if err != nil {
		t.Fatal(err)
	}
	return now || former
}

// mustAcquire takes the lock of u, and has it released at the end.
func mustAcquire(t *testing.T, u Unit) *lock {
	t.Helper()
	l, err := acquire(t.Context(), u, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.release)
	return l
}

// lockFormer locks the data directory as an older berth does.
func lockFormer(t *testing.T, dir string) *flock.Flock {
	t.Helper()
	l := flock.New(filepath.Join(dir, "berth.lock"))
	if ok, err := l.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if isHeld(t, dir) {
		t.Error("it is held before it is there")
	}
	l := mustAcquire(t, Unit{Dir: dir})
	if !isHeld(t, dir) {
		t.Error("it is not held")
	}
	if err := newState(Unit{Dir: dir}).write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(t.Context(), Unit{Dir: dir}, 0); codeOf(err) != diag.AlreadyRunning {
		t.Errorf("a second lock: %v", err)
	}
	l.release()
	if isHeld(t, dir) {
		t.Error("it is held once it was released")
	}
	if _, err := os.Lstat(filepath.Join(dir, "berth.lock")); err == nil {
		t.Error("the name of the lockfile of pulls was taken")
	}
}

// The lock file is not all that keeps a second one out.
func TestLockFileLost(t *testing.T) {
	for name, lose := range map[string]func(name string) error{
		"removed": os.Remove,
		"replaced": func(name string) error {
			return errors.Join(os.WriteFile(name+".new", nil, 0o600), os.Rename(name+".new", name))
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, root := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "root")
			u := Unit{Dir: data, Storage: []string{root}}
			l := mustAcquire(t, u)
			for _, dir := range []string{data, root} {
				if err := lose(filepath.Join(dir, lockFile)); err != nil {
					testtool.Skip(t, "the system does not let go of it: "+err.Error())
				}
			}
			if _, err := acquire(t.Context(), u, 0); codeOf(err) != diag.Busy {
				t.Errorf("a second lock: %v", err)
			}
			var log bytes.Buffer
			if err := l.keep(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "is put back"); n != 2 {
				t.Errorf("it tells %d times: %s", n, log.String())
			}
			for _, dir := range []string{data, root} {
				second := flock.New(filepath.Join(dir, lockFile))
				if ok, err := second.TryLock(); ok || err != nil {
					t.Errorf("the file is free: %v, %v", ok, err)
				}
			}
			log.Reset()
			if err := l.keep(slog.New(slog.NewTextHandler(&log, nil))); err != nil || log.Len() > 0 {
				t.Errorf("again: %v, %s", err, log.String())
			}
		})
	}
}

// Who holds a directory that was removed or replaced, or a file that another has
// locked, must not write there any more.
func TestLockLost(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string) error{
		"removed": func(_ *testing.T, dir string) error { return os.RemoveAll(dir) },
		"replaced": func(_ *testing.T, dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700))
		},
		"locked by another": func(t *testing.T, dir string) error {
			name := filepath.Join(dir, lockFile)
			if err := os.Remove(name); err != nil {
				return err
			}
			other := flock.New(name)
			t.Cleanup(func() { _ = other.Close() })
			_, err := other.TryLock()
			return err
		},
	} {
		for _, which := range []string{"data", "root"} {
			t.Run(name+" "+which, func(t *testing.T) {
				dir := t.TempDir()
				l := mustAcquire(t, Unit{Dir: filepath.Join(dir, "data"), Storage: []string{filepath.Join(dir, "root")}})
				if err := lose(t, filepath.Join(dir, which)); err != nil {
					testtool.Skip(t, "the system does not let go of it: "+err.Error())
				}
				if err := l.keep(slog.New(slog.DiscardHandler)); codeOf(err) != diag.StorageFailed || !strings.Contains(err.Error(), which) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// A command at work stops when its directory is taken away, and leaves alone
// what is in its place.
func TestHoldLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	work, release, err := Hold(t.Context(), Unit{Dir: dir}, "berth gc")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700)); err != nil {
		release()
		testtool.Skip(t, "the system does not let go of it: "+err.Error())
	}
	if err := (task{self(), "berth scrub"}).write(dir); err != nil {
		t.Fatal(err)
	}
	<-work.Done()
	release()
	if cause := context.Cause(work); codeOf(cause) != diag.StorageFailed {
		t.Errorf("it ended with %v", cause)
	}
	if _, ok := readTask(dir); !ok {
		t.Error("the task of another is removed")
	}
}

// Two data directories do not share a storage, by whatever name.
func TestLockStorage(t *testing.T) {
	base := t.TempDir()
	root, link := filepath.Join(base, "root"), filepath.Join(base, "link")
	one := Unit{Dir: filepath.Join(base, "one"), Storage: []string{root}}
	l := mustAcquire(t, one)
	if err := newState(one).write(one.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, link); err != nil {
		link = root
	}
	for name, u := range map[string]Unit{
		"the same root": {Dir: filepath.Join(base, "two"), Storage: []string{root}},
		"a link to it":  {Dir: filepath.Join(base, "three"), Storage: []string{link}},
		"as data_dir":   {Dir: root},
		"inside of it":  {Dir: filepath.Join(base, "four"), Storage: []string{filepath.Join(root, "below"), root}},
	} {
		_, err := acquire(t.Context(), u, time.Hour)
		d, ok := asDiagnostic(err)
		if !ok || d.Code != diag.AlreadyRunning || d.Path != "local.storage_config.rootdirectory" || !strings.Contains(err.Error(), "that runs from "+one.Dir) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := Hold(t.Context(), u, "berth gc"); codeOf(err) != diag.AlreadyRunning {
			t.Errorf("%s, gc: %v", name, err)
		}
	}
	// A sibling in the same directory, and one's own data_dir, are nobody else's.
	mustAcquire(t, Unit{Dir: filepath.Join(root, "sub"), Storage: []string{filepath.Join(root, "sub")}})
	l.release()
	removeState(one.Dir)
	mustAcquire(t, Unit{Dir: root, Storage: []string{root, link}})
}

// A start ends also the work of a command that another data directory's config
// has begun on the same storage.
func TestHoldStorage(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "root")
	work, release, err := Hold(t.Context(), Unit{Dir: filepath.Join(base, "one"), Storage: []string{root}}, "berth scrub")
	if err != nil {
		t.Fatal(err)
	}
	two := Unit{Dir: filepath.Join(base, "two"), Storage: []string{root}}
	if _, err := acquire(t.Context(), two, 0); codeOf(err) != diag.Busy || !strings.Contains(err.Error(), "berth scrub, pid ") {
		t.Errorf("a start that does not wait: %v", err)
	}
	go func() {
		<-work.Done()
		release()
	}()
	l, err := acquire(t.Context(), two, taskPatience)
	if err != nil {
		t.Fatal(err)
	}
	l.release()
}

// An older berth that runs is noticed, and notices this one where it was first.
func TestLockFormer(t *testing.T) {
	dir := t.TempDir()
	former := lockFormer(t, dir)
	old := newState(Unit{Dir: dir})
	old.Directory, old.Boot, old.Ready = "", "", false
	if _, err := acquire(t.Context(), Unit{Dir: dir}, 0); codeOf(err) != diag.Busy {
		t.Errorf("before it has told of itself: %v", err)
	}
	if err := old.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(t.Context(), Unit{Dir: dir}, 0); codeOf(err) != diag.AlreadyRunning {
		t.Errorf("a start: %v", err)
	}
	if _, _, err := Hold(t.Context(), Unit{Dir: dir}, "berth gc"); codeOf(err) != diag.AlreadyRunning {
		t.Errorf("gc: %v", err)
	}
	if s, err := Inspect(t.Context(), dir); err != nil || s.Phase != Unhealthy || s.PID != os.Getpid() {
		t.Errorf("status: %+v, %v", s, err)
	}
	if s, running, err := owner(t.Context(), dir); err != nil || !running || s.PID != os.Getpid() {
		t.Errorf("down: %+v, %v, %v", s, running, err)
	}
	_ = former.Close()
	l := mustAcquire(t, Unit{Dir: dir})
	if ok, err := former.TryLock(); ok || err != nil {
		t.Errorf("an older one would start: %v, %v", ok, err)
	}
	l.release()

	// A lockfile of pulls is read and replaced by others meanwhile.
	if err := os.WriteFile(filepath.Join(dir, "berth.lock"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustAcquire(t, Unit{Dir: dir})
	if ok, err := former.TryLock(); !ok || err != nil {
		t.Errorf("it is locked: %v, %v", ok, err)
	}
}

// A state that was copied with its directory, or has outlived a start of the
// machine, is of no process that may be stopped.
func TestOccupant(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	s := newState(Unit{Dir: dir})
	s.identity = parent(t)
	for _, d := range []string{dir, copied} {
		if err := s.write(d); err != nil {
			t.Fatal(err)
		}
	}
	if got, taken, err := occupant(dir); got.PID != s.PID || !taken || err != nil {
		t.Errorf("a registry that lost its lock: %+v, %v, %v", got, taken, err)
	}
	if _, err := acquire(t.Context(), Unit{Dir: dir}, 0); codeOf(err) != diag.AlreadyRunning {
		t.Errorf("a start beside it: %v", err)
	}
	if got, taken, err := occupant(copied); got.PID != 0 || taken || err != nil {
		t.Errorf("a copy: %+v, %v, %v", got, taken, err)
	}
	l := mustAcquire(t, Unit{Dir: copied})
	if got, taken, err := occupant(copied); got.PID != 0 || !taken || err != nil {
		t.Errorf("a copy that a command works on: %+v, %v, %v", got, taken, err)
	}
	removeState(copied)
	if readState(copied).PID != s.PID {
		t.Error("the state of another was removed")
	}
	l.release()
	s.Boot = "another"
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	if got, taken, err := occupant(dir); got.PID != 0 || taken || err != nil {
		t.Errorf("of an earlier start of the machine: %+v, %v, %v", got, taken, err)
	}
}

// parent returns the identity of a process that lives and is not this one.
func parent(t *testing.T) identity {
	t.Helper()
	birth, err := processBirth(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	return identity{os.Getppid(), birth, bootID()}
}

func TestLockFault(t *testing.T) {
	for cause, hint := range map[error]string{
		syscall.EROFS: "can only be read", syscall.ENOLCK: "has no locks", syscall.EACCES: "owner and permissions",
		fmt.Errorf("lock: %w", errors.ErrUnsupported): "has no locks",
	} {
		err := lockFault("/data", &fs.PathError{Op: "open", Path: "/data/x", Err: cause})
		d, ok := asDiagnostic(err)
		if !ok || d.Code != diag.StorageFailed || !strings.Contains(d.Hint, hint) || !strings.Contains(err.Error(), "cannot lock /data: ") {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

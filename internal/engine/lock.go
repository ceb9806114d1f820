package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/berth-oci/berth/diag"
)

// lockFile is locked by the process that serves from its directory, for as long
// as it lives; the file itself stays. The system releases the lock when the
// process ends, however it ends, so that nothing stale can block a start.
const lockFile = "berth.lock"

// lockPatience lets Status and Down, which take the lock for a moment to see
// whether it is free, not be mistaken for a running registry.
const lockPatience = 300 * time.Millisecond

// taskPatience is what a start waits for a command such as berth gc that works on
// the storage of a stopped registry.
const taskPatience = 20 * time.Second

type lock struct{ *flock.Flock }

// acquire takes the lock of dir, making dir if needed. It fails with
// diag.AlreadyRunning, diag.Busy and diag.StorageFailed.
func acquire(ctx context.Context, dir string) (lock, error) {
	if err := makeDir(dir); err != nil {
		return lock{}, err
	}
	l := lock{flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))}
	for deadline := time.Now().Add(taskPatience); ; {
		ok, err := l.try(ctx)
		if err != nil || ok {
			return l, err
		}
		s := readState(dir)
		if s.alive() {
			return lock{}, diag.Errorf(diag.AlreadyRunning, "a registry runs already from %s: pid %d at %s", dir, s.PID, s.Address).
				WithHint("stop it with berth down, or give this one another data_dir")
		}
		if time.Now().After(deadline) {
			return lock{}, busy(dir)
		}
	}
}

// try waits a moment for the lock.
func (l lock) try(ctx context.Context) (bool, error) {
	wait, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := l.TryLockContext(wait, lockPatience/10)
	switch {
	case ok || err == nil || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return ok, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	return false, storageFault(l.Path(), err)
}

// Hold keeps the registry of dir from starting until release is called, for
// work on what it stores. It fails with diag.AlreadyRunning, diag.Busy and
// diag.StorageFailed.
func Hold(ctx context.Context, dir string) (release func(), err error) {
	l, err := acquire(ctx, dir)
	if err != nil {
		return nil, about("local.data_dir", err)
	}
	return l.release, nil
}

// busy tells of a lock that no registry holds.
func busy(dir string) *diag.Diagnostic {
	name := filepath.Join(dir, lockFile)
	return diag.Errorf(diag.Busy, "another berth command works on what is stored from %s", dir).
		WithHint("wait for berth gc or berth scrub to end, or find it with lsof %s", name)
}

// held reports whether a process holds the lock of dir. It makes nothing.
func held(dir string) (bool, error) {
	name := filepath.Join(dir, lockFile)
	if _, err := os.Stat(name); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return false, storageFault(name, err)
	}
	l := lock{flock.New(name)}
	ok, err := l.TryRLock() // shared: two that look do not see each other
	if err != nil {
		return false, storageFault(name, err)
	}
	if ok {
		l.release()
	}
	return !ok, nil
}

func (l lock) release() { _ = l.Close() }

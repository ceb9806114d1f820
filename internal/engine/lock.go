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

type lock struct{ *flock.Flock }

// openLock returns the lock of dir, not taken, and makes dir if needed. It fails
// with diag.StorageFailed.
func openLock(dir string) (lock, error) {
	if err := makeDir(dir); err != nil {
		return lock{}, err
	}
	return lock{flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))}, nil
}

// acquire takes the lock of dir for a start. A command that works on what is
// stored there is asked to stop, and waited for at most for patience; see Hold.
// It fails with diag.AlreadyRunning, diag.Busy and diag.StorageFailed.
func acquire(ctx context.Context, dir string, patience time.Duration) (lock, error) {
	l, err := openLock(dir)
	if err != nil {
		return lock{}, err
	}
	for deadline := time.Now().Add(patience); ; {
		err := l.take(ctx, dir)
		d, ok := asDiagnostic(err)
		if err != nil && (!ok || d.Code != diag.Busy || time.Now().After(deadline)) {
			return lock{}, err
		}
		if err == nil {
			removeTask(dir) // of one that was killed
			return l, nil
		}
		dismiss(dir)
	}
}

// take waits a moment for the lock of dir. It fails with diag.AlreadyRunning,
// diag.StorageFailed, and diag.Busy for as long as no registry is known to hold
// the lock, be it that a start has not told of itself yet.
func (l lock) take(ctx context.Context, dir string) error {
	wait, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := l.TryLockContext(wait, lockPatience/10)
	switch {
	case ok:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return storageFault(l.Path(), err)
	}
	if s := readState(dir); s.alive() {
		return diag.Errorf(diag.AlreadyRunning, "a registry runs already from %s: pid %d at %s", dir, s.PID, s.Address).
			WithHint("stop it with berth down, or give this one another data_dir")
	}
	return busy(dir)
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

// Package filelock locks files and directories among the processes of a machine.
// It owns what a lock by name needs beyond the system's own: the file may be
// removed or replaced while it is locked, and whoever comes then locks another
// file of that name. Locks bind only those who ask for them, and the system
// releases them when the process ends, however it ends.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// Lock is the lock of a file or directory, exclusive but for ShareDir. One goroutine uses it at a
// time; another Lock of the same name excludes it, be it of the same process.
type Lock struct {
	flock *flock.Flock
	look  func(name string) (fs.FileInfo, error) // at the name
}

// waitInterval is how often Wait looks.
const waitInterval = 5 * time.Millisecond

// Try locks the file called name, which it makes with mode if needed. It returns
// nil when another lock has it. A symbolic link is not followed, and what is not a
// file is an error.
func Try(name string, mode fs.FileMode) (*Lock, error) {
	return try(name, os.Lstat, (*flock.Flock).TryLock, flock.SetFlag(openFlags|os.O_CREATE), flock.SetPermissions(mode))
}

// Wait is Try until the lock is free or ctx is done, whose error it returns.
func Wait(ctx context.Context, name string, mode fs.FileMode) (*Lock, error) {
	return wait(ctx, func() (*Lock, error) { return Try(name, mode) })
}

func wait(ctx context.Context, try func() (*Lock, error)) (*Lock, error) {
	for {
		if l, err := try(); l != nil || err != nil {
			return l, err
		}
		t := time.NewTimer(waitInterval)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		case <-t.C:
		}
	}
}

// TryDir locks a directory itself: nobody can put another lock in its place
// while it has its name, and all names that lead to it lead to the same lock. It
// returns nil when another lock has it, and errors.ErrUnsupported where the system
// or the file system locks files only.
func TryDir(dir string) (*Lock, error) { return tryDir(dir, (*flock.Flock).TryLock) }

// ShareDir waits for a lock of a directory that any number may have at a time, while
// nobody has that of TryDir. Its errors are those of TryDir and ctx.
func ShareDir(ctx context.Context, dir string) (*Lock, error) {
	return wait(ctx, func() (*Lock, error) { return tryDir(dir, (*flock.Flock).TryRLock) })
}

func tryDir(dir string, take func(*flock.Flock) (bool, error)) (*Lock, error) {
	if !locksDirs {
		return nil, errors.ErrUnsupported
	}
	l, err := try(dir, os.Stat, take, flock.SetFlag(os.O_RDONLY))
	if isUnsupported(err) {
		return nil, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return l, err
}

func try(name string, look func(string) (fs.FileInfo, error), take func(*flock.Flock) (bool, error), options ...flock.Option) (*Lock, error) {
	for {
		l := &Lock{flock: flock.New(name, options...), look: look}
		if ok, err := take(l.flock); !ok || err != nil {
			return nil, err
		}
		info, err := l.flock.Stat()
		if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			err = fmt.Errorf("%s is not a file", name)
		}
		named := false
		if err == nil {
			named, err = l.Named()
		}
		if named && err == nil {
			return l, nil
		}
		// Who had it before may have removed the file: others lock a new one.
		l.Release()
		if err != nil {
			return nil, err
		}
	}
}

// Named reports whether the name still leads to what is locked: if not, others
// can lock what it leads to now. Its errors are those of looking.
func (l *Lock) Named() (bool, error) {
	held, err := l.flock.Stat()
	if err != nil {
		return false, err
	}
	named, err := l.look(l.flock.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(held, named), err
}

// Release gives the lock back. What it is on stays.
func (l *Lock) Release() { _ = l.flock.Close() }

// Remove removes the file, unless the name is another's by now, and gives the lock
// back. Where files that are open cannot be removed it stays.
func (l *Lock) Remove() {
	if named, err := l.Named(); named && err == nil {
		_ = os.Remove(l.flock.Path())
	}
	l.Release()
}

// Held reports whether there is a lock of the file called name. It makes nothing.
func Held(name string) (bool, error) { return held(name, openFlags) }

// HeldDir is Held for TryDir. Where directories cannot be locked, none is.
func HeldDir(dir string) (bool, error) {
	if !locksDirs {
		return false, nil
	}
	ok, err := held(dir, os.O_RDONLY)
	if isUnsupported(err) {
		return false, nil
	}
	return ok, err
}

func held(name string, flags int) (bool, error) {
	// With a shared lock, two that look do not see each other.
	l := flock.New(name, flock.SetFlag(flags))
	ok, err := l.TryRLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case ok:
		_ = l.Close()
	}
	return !ok, nil
}

// isUnsupported reports whether a directory could not be locked because it is
// one, or because of where it is: file systems of networks want it open for
// writing, which no directory can be.
func isUnsupported(err error) bool {
	for _, unsupported := range []error{errors.ErrUnsupported, syscall.EBADF, syscall.EINVAL, syscall.EISDIR, syscall.ENOLCK} {
		if errors.Is(err, unsupported) {
			return true
		}
	}
	return false
}

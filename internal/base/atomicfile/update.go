package atomicfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/filelock"
)

// errChanged ends an attempt of Update; no caller sees it.
var errChanged = errors.New("other programs keep changing it")

// Update changes a file as Write does, and loses no change of others. Those who call
// it do so one after the other, by a lock beside the file that is there only
// meanwhile; what other programs change before the file is replaced is read again.
// read returns what the file holds, nil for no file, and edit what it is to hold; both
// may be called more than once. A symbolic link stays one: what it leads to is
// replaced or made.
//
// Errors: those of read, of edit and of ctx; diag.StorageFailed.
func Update(ctx context.Context, name string, mode fs.FileMode, read func() ([]byte, error), edit func(old []byte) ([]byte, error)) error {
	target, err := Target(name)
	if err != nil {
		return failed(name, err)
	}
	guard, err := filelock.Wait(ctx, beside(target, "guard"), 0o600)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	if err != nil {
		return failed(target, err)
	}
	defer guard.Remove()
	const attempts = 10
	for range attempts {
		if err = update(target, mode, read, edit); !errors.Is(err, errChanged) {
			return err
		}
	}
	return failed(target, err)
}

func update(target string, mode fs.FileMode, read func() ([]byte, error), edit func([]byte) ([]byte, error)) error {
	temp := beside(target, "new")
	_ = os.Remove(temp) // what a process left that was killed
	old, err := read()
	if err != nil {
		return err
	}
	data, err := edit(old)
	if err != nil || bytes.Equal(old, data) {
		return err
	}
	var unread error
	err = replace(target, temp, data, mode, true, func() error {
		var now []byte
		if now, unread = read(); unread == nil && !bytes.Equal(old, now) {
			return errChanged
		}
		return unread
	})
	if err == nil || unread != nil || errors.Is(err, errChanged) {
		return err
	}
	return failed(target, err)
}

// Sweep removes what an Update of the file left that was killed, unless one is at
// work. It changes nothing else.
func Sweep(name string) {
	target, err := Target(name)
	if err != nil {
		return
	}
	if _, err := os.Lstat(beside(target, "new")); err != nil {
		return
	}
	if guard, err := filelock.Try(beside(target, "guard"), 0o600); guard != nil && err == nil {
		_ = os.Remove(beside(target, "new"))
		guard.Remove()
	}
}

// beside names what is there while a file is changed.
func beside(name, what string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+what)
}

// Target returns where a name leads: itself, or what its symbolic links lead to,
// whether that is there or not.
func Target(name string) (string, error) {
	const most = 40 // links, as Linux follows
	for range most {
		real, err := filepath.EvalSymlinks(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return real, err
		}
		if _, err := os.Stat(name); err == nil { // by a link without a name, as those of /proc
			return name, nil
		}
		link, err := os.Readlink(name)
		if err != nil { // not there, and no link
			return name, nil
		}
		if !filepath.IsAbs(link) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(name)) // which ".." in a link is about
			if err != nil {
				return "", err
			}
			link = filepath.Join(dir, link)
		}
		name = link
	}
	return "", &fs.PathError{Op: "open", Path: name, Err: errors.New("too many links")}
}

// failed explains why a file cannot be written.
func failed(name string, err error) error {
	return diag.Errorf(diag.StorageFailed, "cannot write %s: %w", name, err).
		WithHint("%s must be in a directory that this user can write to, with space left", filepath.Base(name))
}

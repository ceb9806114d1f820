// Package atomicfile replaces files in one step, alone or among others that change
// them, and makes directories for them.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Write replaces the content of a file atomically and durably: after a crash at
// any point the file is the old one or the new one, never half. It makes missing
// directories. The umask is obeyed. It fails with diag.StorageFailed.
func Write(name string, data []byte, mode fs.FileMode) error {
	err := MkdirAll(filepath.Dir(name))
	if err == nil {
		err = write(name, data, mode, true)
	}
	if err != nil {
		return failed(name, err)
	}
	return nil
}

// WriteVolatile is Write for what is of no use after a power cut: the file may then be
// there, or not, or hold anything. It makes no directory: one that was removed while
// something ran in it stays away.
func WriteVolatile(name string, data []byte, mode fs.FileMode) error {
	if err := write(name, data, mode, false); err != nil {
		return failed(name, err)
	}
	return nil
}

func write(name string, data []byte, mode fs.FileMode, durable bool) error {
	return replace(name, beside(name, rand.Text()), data, mode, durable, func() error { return nil })
}

// MkdirAll makes a directory, and those above it that are missing, for this user
// alone. Their names are on the disk when it returns, so that what is synced below
// them outlives a power cut.
func MkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MkdirAll(above); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // another process may have made it
		return err
	}
	if err := syncDir(above); !errors.Is(err, fs.ErrPermission) { // one may write to it, and not read
		return err
	}
	return nil
}

// replace writes a new file, temp, and gives it the name if it may still have that.
func replace(name, temp string, data []byte, mode fs.FileMode, durable bool, still func() error) error {
	// A mode that is set later would not obey the umask.
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it was renamed
	_, err = f.Write(data)
	if durable {
		err = errors.Join(err, f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = still()
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil || !durable {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes a rename in dir durable. Windows cannot flush directories.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

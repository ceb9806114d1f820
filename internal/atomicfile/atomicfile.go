// Package atomicfile replaces files in one step.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/berth-oci/berth/diag"
)

// Write replaces the content of a file atomically and durably: after a crash at
// any point the file is the old one or the new one, never half. It makes missing
// directories. The umask is obeyed. It fails with diag.StorageFailed.
func Write(name string, data []byte, mode fs.FileMode) error {
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = replace(name, data, mode)
	}
	if err != nil {
		return diag.Errorf(diag.StorageFailed, "cannot write %s: %w", name, err).
			WithHint("%s must be in a directory that this user can write to, with space left", filepath.Base(name))
	}
	return nil
}

func replace(name string, data []byte, mode fs.FileMode) error {
	// A mode that is set later would not obey the umask.
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it was renamed
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
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

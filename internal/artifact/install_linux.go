package artifact

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncTree syncs the file system of dir: one call instead of one for each file.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replace swaps the two directories in one step, so that there is no moment
// without a target. Some file systems cannot, and need two.
func replace(dir, target, aside string) error {
	if _, err := os.Lstat(target); err == nil {
		if unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, target, unix.RENAME_EXCHANGE) == nil {
			return nil
		}
	}
	return rename(dir, target, aside)
}

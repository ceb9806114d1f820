package artifact

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fewFiles is how many files and directories are synced one by one. More take
// longer than to sync the file system, with what others have written to it.
const fewFiles = 64

// syncTree syncs what is in dir.
func syncTree(dir string) error {
	var names []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && (entry.IsDir() || entry.Type().IsRegular()) {
			names = append(names, name)
		}
		if len(names) > fewFiles {
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(names) > fewFiles {
		return syncFileSystem(dir)
	}
	for _, name := range names {
		if err := syncDir(name); err != nil {
			return err
		}
	}
	return nil
}

func syncFileSystem(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

// writeOut lets the disk begin to write a part of a file, so that little is left
// to be written when the file is synced. It is a hint, and may do nothing.
func writeOut(f *os.File, offset, size int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, size, unix.SYNC_FILE_RANGE_WRITE)
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

//go:build unix

package engine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// noFollow follows no link, and does not wait for the other end of a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// checkShared fails where somebody else can have put the file of that name there:
// in a directory that others can write to, one of another user's, or one that has
// another name elsewhere.
func checkShared(name string, info fs.FileInfo) error {
	dir, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || dir.Mode().Perm()&0o022 == 0:
		return nil
	case stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, and others can write to its directory", stat.Uid)
	case stat.Nlink > 1:
		return fmt.Errorf("it has another name as well, and others can write to its directory")
	}
	return nil
}

//go:build unix

package keeper

import (
	"fmt"
	"os"
	"slices"
	"syscall"
)

// checkPrivate fails when others than users and root can put something into a
// directory, or could before they gave it away.
func checkPrivate(dir string, users []int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case stat.Uid != 0 && !slices.Contains(users, int(stat.Uid)):
		return fmt.Errorf("%s belongs to user %d", dir, stat.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to %s", dir)
	}
	return nil
}

// ownerOf returns whose a file is; ok is false where that is not known.
func ownerOf(name string) (uid int, ok bool) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

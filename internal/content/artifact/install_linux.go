package artifact

import (
	"os"

	"golang.org/x/sys/unix"
)

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

// isMountPoint reports whether a directory is one, which cannot be renamed.
func isMountPoint(dir string) bool {
	var info unix.Statx_t
	return unix.Statx(unix.AT_FDCWD, dir, 0, 0, &info) == nil && info.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

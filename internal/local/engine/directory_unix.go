//go:build unix

package engine

import (
	"fmt"
	"os"
	"syscall"
)

// directoryID is of a directory and of no other one, copies included, until the
// machine starts again; "" when there is none.
func directoryID(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%x:%x", stat.Dev, stat.Ino)
}

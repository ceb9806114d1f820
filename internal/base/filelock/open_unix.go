//go:build unix

package filelock

import (
	"os"
	"syscall"
)

const locksDirs = true

// openFlags follow no link, and do not wait for the other end of a pipe.
const openFlags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK

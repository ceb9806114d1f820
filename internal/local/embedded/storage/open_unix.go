//go:build unix

package storage

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// onlyDirectory is a flag of open.
const onlyDirectory = syscall.O_DIRECTORY

// open is os.OpenFile for files and directories of a disk. They are always ready,
// and so the runtime is not asked to tell when they are, which would take six
// system calls.
func open(name string, flag int, mode fs.FileMode) (*os.File, error) {
	for {
		fd, err := syscall.Open(name, flag|syscall.O_CLOEXEC, uint32(mode.Perm()))
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case !errors.Is(err, syscall.EINTR): // which network file systems give
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

package storage

import (
	"io/fs"
	"os"
)

// open is os.OpenFile for files of a disk.
func open(name string, flag int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, mode)
}

package storage

import (
	"io/fs"
	"os"
)

// onlyDirectory is a flag of open. A pipe has no name in a directory here.
const onlyDirectory = 0

// open is os.OpenFile for files of a disk.
func open(name string, flag int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, mode)
}

//go:build !linux

package storage

import "os"

// writeOut makes the kernel begin to write a part of a file to the disk where it
// can be asked to.
func writeOut(*os.File, int64, int64) {}

//go:build unix

package embedded

import "syscall"

// descriptors returns how many files and connections this process may have open:
// the soft limit, which Go raises to the hard one at the start.
func descriptors() int {
	const unknown = 1024
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return unknown
	}
	return int(min(uint64(limit.Cur), 1<<20)) //nolint:unconvert // signed on some systems
}

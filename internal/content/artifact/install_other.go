//go:build !linux

package artifact

func replace(dir, target, aside string) error { return rename(dir, target, aside) }

// isMountPoint knows none: what cannot be renamed fails when it is.
func isMountPoint(string) bool { return false }

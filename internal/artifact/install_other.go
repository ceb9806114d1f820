//go:build !linux

package artifact

func replace(dir, target, aside string) error { return rename(dir, target, aside) }

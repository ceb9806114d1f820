//go:build !linux

package cache

import "time"

// bootTime returns when this machine was started: here just now, as far as is
// known.
func bootTime() time.Time { return time.Now() }

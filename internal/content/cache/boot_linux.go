package cache

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime returns when this machine was started.
func bootTime() time.Time {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return time.Now()
	}
	return time.Now().Add(-time.Duration(info.Uptime) * time.Second)
}

package engine

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// processBirth returns when a process was started, in microseconds since 1970.
// It fails when there is no such process.
func processBirth(pid int) (uint64, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, err
	}
	start := info.Proc.P_starttime
	return uint64(start.Sec)*1e6 + uint64(start.Usec), nil
}

// hasOpen cannot tell, and says so of any process.
func hasOpen(int, ...string) bool { return true }

// bootID is "": processBirth does not count from the start of the machine.
func bootID() string { return "" }

// dieWithParent does nothing: the system has no such means. A registry that
// outlives its berth keeps the port, and the next start names it.
func dieWithParent(*exec.Cmd) {}

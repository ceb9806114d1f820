package engine

import (
	"os"
	"os/exec"

	"golang.org/x/sys/windows"
)

const addrInUse = windows.WSAEADDRINUSE

// detach makes cmd survive the console it was started in.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &windows.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}

// interrupt ends a process at once: one without console cannot be asked. What
// was stored stays whole; running requests are cut.
func interrupt(p *os.Process) error { return p.Kill() }

// hasOpen cannot tell, and says so of any process.
func hasOpen(int, ...string) bool { return true }

// bootID is "": processBirth does not count from the start of the machine.
func bootID() string { return "" }

// dieWithParent does nothing. A registry that outlives its berth keeps the
// port, and the next start names it.
func dieWithParent(*exec.Cmd) {}

// processBirth returns when a process was started, in units of 100 ns. It fails
// when there is no such process.
func processBirth(pid int) (uint64, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return 0, err
	}
	defer windows.CloseHandle(h)
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		return 0, err
	}
	if exited.HighDateTime != 0 {
		return 0, os.ErrProcessDone
	}
	return uint64(created.HighDateTime)<<32 | uint64(created.LowDateTime), nil
}

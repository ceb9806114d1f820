//go:build unix

package engine

import (
	"os"
	"os/exec"
	"syscall"
)

const addrInUse = syscall.EADDRINUSE

// detach makes cmd survive the terminal and the process group it was started in.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to stop, so that it can drain.
func terminate(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }

// interrupt is terminate for a child: it does nothing when that was waited for,
// and its pid may be another's.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

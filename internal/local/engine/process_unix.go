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

// interrupt asks a process to stop, so that it can drain.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

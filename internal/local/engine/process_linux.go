package engine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// processBirth returns when a process was started, in clock ticks since boot:
// field 22 of /proc/PID/stat (proc_pid_stat(5)). It fails when there is no such
// process, or only its remains (a zombie).
func processBirth(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// Field 2, the name, may hold spaces and parentheses: count from its end.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || string(fields[0]) == "Z" {
		return 0, os.ErrProcessDone
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

// hasOpen reports whether a process has one of the files or directories open. It
// says so of one that this user may not look into.
func hasOpen(pid int, names ...string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		return true
	}
	var wanted []os.FileInfo
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			wanted = append(wanted, info)
		}
	}
	for _, fd := range open {
		info, err := os.Stat(filepath.Join(dir, fd.Name())) // of what is open, whatever its name is by now
		if err == nil && slices.ContainsFunc(wanted, func(w os.FileInfo) bool { return os.SameFile(w, info) }) {
			return true
		}
	}
	return false
}

// bootID tells apart the times that this machine was started: processBirth counts
// from there.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(id))
}

// dieWithParent kills cmd when the thread that starts it ends: a registry must
// not outlive a berth that was killed, and one that would not end on SIGTERM may
// be the reason why it was. The caller locks its thread.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

package engine

import (
	"context"
	"encoding/csv"
	"os/exec"
	"strconv"
	"strings"
)

// listener asks netstat for the process that listens on a TCP port, and
// tasklist for its name. It returns 0 when it cannot tell.
func listener(ctx context.Context, port string) (pid int, name string) {
	out, err := exec.CommandContext(ctx, "netstat", "-ano", "-p", "TCP").Output()
	if err != nil {
		return 0, ""
	}
	for line := range strings.Lines(string(out)) { // TCP  local  foreign  state  pid
		col := strings.Fields(line)
		// The state is translated; a listener is what has no peer.
		if len(col) == 5 && strings.HasSuffix(col[1], ":"+port) && strings.HasSuffix(col[2], ":0") {
			pid, _ = strconv.Atoi(col[4])
			break
		}
	}
	if pid == 0 {
		return 0, ""
	}
	out, _ = exec.CommandContext(ctx, "tasklist", "/FI", "PID eq "+strconv.Itoa(pid), "/FO", "CSV", "/NH").Output()
	if row, err := csv.NewReader(strings.NewReader(string(out))).Read(); err == nil && len(row) > 1 {
		return pid, row[0]
	}
	return pid, "a process"
}

package engine

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
)

// listener asks lsof for the process that listens on a TCP port. It returns 0
// when it cannot tell.
func listener(ctx context.Context, port string) (pid int, name string) {
	out, err := exec.CommandContext(ctx, "lsof", "-nP", "-iTCP:"+port, "-sTCP:LISTEN", "-Fpc").Output()
	if err != nil {
		return 0, ""
	}
	for line := range strings.Lines(string(out)) { // p<pid> and c<command>, one per line
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "p") && pid == 0:
			pid, _ = strconv.Atoi(line[1:])
		case strings.HasPrefix(line, "c"):
			return pid, line[1:]
		}
	}
	return pid, "a process"
}

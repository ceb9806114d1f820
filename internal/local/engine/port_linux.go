package engine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listener finds the process that listens on a TCP port: the socket's inode is
// in /proc/net/tcp, and a link to it among the files of the process (proc(5)).
// It returns 0 when it cannot tell, as for another user's process.
func listener(ctx context.Context, port string) (pid int, name string) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, ""
	}
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, fmt.Sprintf(":%04X", n), inodes)
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if ctx.Err() != nil {
			return 0, ""
		}
		link, err := os.Readlink(fd)
		if err != nil || !inodes[link] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		pid, _ = strconv.Atoi(filepath.Base(dir))
		comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}

// listening adds the sockets of one table that listen on the port.
func listening(table, port string, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	const stateListen = "0A"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		col := strings.Fields(lines.Text())
		if len(col) > 9 && strings.HasSuffix(col[1], port) && col[3] == stateListen {
			inodes["socket:["+col[9]+"]"] = true
		}
	}
}

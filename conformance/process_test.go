package conformance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// process is a program that runs beside the tests; its output goes to a file.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
}

// launch starts a program and appends its output to the file log.
func launch(log, name string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends it with SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop interrupts it, and kills it when it does not end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

// waitFor polls until ready says yes or the program ends.
func (p *process) waitFor(what string, ready func() bool) error {
	for range 1500 {
		if ready() {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it answered: %s", what, p.cmd.ProcessState)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not answer", what)
}

// freePort returns a TCP port of 127.0.0.1 that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// showLog prints the end of a log when the test has failed, without the requests.
func showLog(t testing.TB, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if !t.Failed() || err != nil {
		return
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.Contains(line, "msg=request") || strings.Contains(line, `msg="response completed`)
	})
	if n := len(lines); n > 30 {
		lines = lines[n-30:]
	}
	t.Logf("end of %s:\n%s", name, strings.Join(lines, "\n"))
}

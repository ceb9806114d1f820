package engine

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
)

// Launch is the command line of a process that calls Serve.
type Launch struct {
	Program string
	Args    []string
	Stdin   []byte
}

// Up makes sure that u runs in the background: it starts l, a process of its
// own session that writes to u.LogFile, and returns when the registry answers.
// started is false when it ran already. When ctx is done or timeout is over,
// what Up started is stopped again.
//
// Errors: diag.PortInUse, diag.StorageFailed, diag.StartFailed with the last
// lines of the log, diag.NotReady.
func Up(ctx context.Context, u Unit, l Launch, timeout time.Duration) (s State, started bool, err error) {
	if err := usable(u); err != nil {
		return s, false, err
	}
	status, err := Inspect(ctx, u.Dir)
	if err != nil || status.Phase == Running {
		return status.State, false, err
	}
	var child *child
	if status.Phase == Stopped {
		if err := portFree(ctx, u.Listen, crashPatience(u.Dir)); err != nil {
			return s, false, err
		}
		if child, err = launch(u, l); err != nil {
			return s, false, err
		}
	}
	s, err = awaitUp(ctx, u, child, timeout)
	return s, err == nil && child != nil && s.PID == child.pid, err
}

// usable fails with diag.StorageFailed when the registry could not keep its
// files, before anything is started.
func usable(u Unit) error {
	for _, dir := range []string{u.Dir, filepath.Dir(u.LogFile)} {
		if err := makeDir(dir); err != nil {
			return err
		}
		probe, err := os.CreateTemp(dir, ".berth-*")
		if err != nil {
			return storageFault(dir, err)
		}
		probe.Close()
		os.Remove(probe.Name())
	}
	return nil
}

// child is a process that Up started. A goroutine waits for it until it ends,
// which may be after berth itself.
type child struct {
	pid    int
	ended  chan struct{}
	offset int64 // where its part of the log begins
}

func launch(u Unit, l Launch) (*child, error) {
	log, err := os.OpenFile(u.LogFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, storageFault(u.LogFile, err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, storageFault(u.LogFile, err)
	}
	cmd := exec.Command(l.Program, l.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	if l.Stdin != nil {
		cmd.Stdin = bytes.NewReader(l.Stdin)
	}
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return nil, diag.Errorf(diag.StartFailed, "cannot start %s: %w", l.Program, err).
			WithHint("berth serve runs the registry in the foreground")
	}
	c := &child{pid: cmd.Process.Pid, ended: make(chan struct{}), offset: info.Size()}
	go func() {
		_ = cmd.Wait() // health is trusted, exit codes are not
		close(c.ended)
	}()
	return c, nil
}

// awaitUp waits for the registry of u to answer. c is nil when another process
// is starting it.
func awaitUp(ctx context.Context, u Unit, c *child, timeout time.Duration) (State, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var ended <-chan struct{}
	if c != nil {
		ended = c.ended
	}
	for {
		status, err := Inspect(ctx, u.Dir)
		if err == nil && status.Phase == Running {
			return status.State, nil
		}
		select {
		case <-ended:
			ended = nil
			// When two start at once, one ends for the other's lock.
			if ok, _ := held(u.Dir); !ok {
				return State{}, diag.Errorf(diag.StartFailed, "the registry ended before it answered:\n%s", c.lastWords(u.LogFile)).
					WithHint("the whole log is %s; berth serve runs the registry in the foreground", u.LogFile)
			}
		case <-deadline.C:
			c.stop()
			return State{}, diag.Errorf(diag.NotReady, "the registry did not answer within %s", timeout).
				WithHint("see %s; give it more time with --timeout, or start afresh with berth restart", u.LogFile)
		case <-ctx.Done():
			c.stop()
			return State{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// stop ends a start that is no longer wanted: no request runs that must drain.
func (c *child) stop() {
	if c == nil {
		return
	}
	_ = terminate(c.pid)
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		if p, err := os.FindProcess(c.pid); err == nil {
			_ = p.Kill()
		}
		<-c.ended
	}
}

// lastWords returns the end of what c wrote to the log.
func (c *child) lastWords(logFile string) string {
	const most = 8 << 10
	data, err := os.ReadFile(logFile)
	if err != nil || int64(len(data)) <= c.offset {
		return "  (it wrote nothing)"
	}
	data = data[c.offset:]
	data = data[max(0, len(data)-most):]
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	lines = lines[max(0, len(lines)-10):]
	return "  " + strings.Join(lines, "\n  ")
}

package engine

import (
	"bytes"
	"context"
	"errors"
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
// lines of the log, diag.NotReady, diag.Busy.
func Up(ctx context.Context, u Unit, l Launch, timeout time.Duration) (s State, started bool, err error) {
	if err := Usable(u); err != nil {
		return s, false, err
	}
	for deadline := time.Now().Add(timeout); ; {
		status, err := Inspect(ctx, u.Dir)
		if err != nil || status.Phase == Running {
			return status.State, false, err
		}
		var c *child
		if status.Phase == Stopped || status.Phase == Busy {
			if err := portBeforeTask(ctx, u); err != nil {
				return s, false, err
			}
			patience := min(taskPatience, time.Until(deadline))
			err := portFree(ctx, func() error { return tryListenLocked(ctx, u, patience) }, u.Listen, crashPatience(u.Dir))
			if d, ok := asDiagnostic(err); ok && d.Code == diag.AlreadyRunning && d.Path == "" {
				continue // another start took the lock since the look above
			}
			if err != nil {
				return s, false, err
			}
			if c, err = launch(u, l); err != nil {
				return s, false, err
			}
		}
		s, err = awaitUp(ctx, u, c, time.Until(deadline))
		if started = err == nil && c != nil && s.PID == c.pid(); !started {
			// When two start at once, the one that is late still waits for the lock,
			// and would take over as soon as the other one stops.
			c.stop()
		}
		switch {
		case errors.Is(err, errEnded) && c == nil:
			continue // what was starting or stopping is gone: it is this one's turn
		case errors.Is(err, errEnded):
			err = diag.Errorf(diag.StartFailed, "the registry ended before it answered:\n%s", c.lastWords(u.LogFile)).
				WithHint("the whole log is %s; berth serve runs the registry in the foreground", u.LogFile)
		case errors.Is(err, errLate):
			err = diag.Errorf(diag.NotReady, "the registry did not answer within %s", timeout).
				WithHint("see %s; give it more time with --timeout, or start afresh with berth restart", u.LogFile)
		}
		return s, started, err
	}
}

// What awaitUp ends with when there is nothing to wait for, and for too long.
var (
	errEnded = errors.New("no registry is starting")
	errLate  = errors.New("the registry does not answer in time")
)

// portBeforeTask looks at the port before a start ends the work of a command: a
// start that must fail is no reason to. It fails with diag.PortInUse.
func portBeforeTask(ctx context.Context, u Unit) error {
	if _, ok := readTask(u.Dir); !ok {
		return nil
	}
	return portFree(ctx, func() error { return tryListen(ctx, u.Listen) }, u.Listen, crashPatience(u.Dir))
}

// tryListenLocked holds the lock while it takes the port for a moment: of
// several starts none sees the port taken by another one that only looks.
func tryListenLocked(ctx context.Context, u Unit, patience time.Duration) error {
	lock, err := acquire(ctx, u, patience)
	if err != nil {
		return about("local.data_dir", err)
	}
	defer lock.release()
	return tryListen(ctx, u.Listen)
}

// Usable fails with diag.StorageFailed when u could not keep its files where Up
// starts it, before anything is started or stopped.
func Usable(u Unit) error {
	if info, err := os.Lstat(u.LogFile); err == nil {
		if err := checkLog(u.LogFile, info); err != nil {
			return about("local.log_file", err)
		}
	}
	for _, use := range []struct{ dir, path string }{
		{u.Dir, "local.data_dir"}, {filepath.Dir(u.LogFile), "local.log_file"}, {filepath.Dir(u.Config), "local.config_path"},
	} {
		if err := writable(use.dir); err != nil {
			return about(use.path, err)
		}
	}
	return nil
}

func writable(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".berth-*")
	if err != nil {
		return storageFault(dir, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	return nil
}

// child is a process that Up started. A goroutine waits for it until it ends,
// which may be after berth itself.
type child struct {
	process *os.Process
	ended   chan struct{}
	offset  int64 // where its part of the log begins
}

func (c *child) pid() int { return c.process.Pid }

func launch(u Unit, l Launch) (*child, error) {
	log, err := openLog(u.LogFile)
	if err != nil {
		return nil, about("local.log_file", err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, about("local.log_file", storageFault(u.LogFile, err))
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
	c := &child{process: cmd.Process, ended: make(chan struct{}), offset: info.Size()}
	go func() {
		_ = cmd.Wait() // health is trusted, exit codes are not
		close(c.ended)
	}()
	return c, nil
}

// awaitUp waits for the registry of u to answer, whoever started it. c is nil
// when another process did. It fails with errEnded and errLate.
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
		switch {
		case err == nil && status.Phase == Running:
			return status.State, nil
		case err == nil && ended == nil && (status.Phase == Stopped || status.Phase == Busy):
			// Nobody is left who starts it: not this berth's child, and not the
			// other one whose lock that child ended for. A command may have come
			// between.
			return State{}, errEnded
		}
		select {
		case <-ended:
			ended = nil
		case <-deadline.C:
			return State{}, errLate
		case <-ctx.Done():
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
	_ = interrupt(c.process)
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		_ = c.process.Kill()
		<-c.ended
	}
}

// lastWords returns the end of what c wrote to the log.
func (c *child) lastWords(logFile string) string {
	const most = 8 << 10
	f, err := os.Open(logFile)
	if err != nil {
		return "  (it wrote nothing)"
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= c.offset {
		return "  (it wrote nothing)"
	}
	data := make([]byte, min(most, info.Size()-c.offset))
	n, _ := f.ReadAt(data, info.Size()-int64(len(data))) // fewer where it was truncated just now
	lines := strings.Split(strings.TrimSpace(string(data[:n])), "\n")
	lines = lines[max(0, len(lines)-10):]
	return "  " + strings.Join(lines, "\n  ")
}

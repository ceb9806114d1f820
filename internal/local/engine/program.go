package engine

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"time"
)

// Program runs the unit's own program as a child of this process, and stops it
// with it. Output receives what it writes: a file directly, so that the two
// need each other for nothing, and anything else through this process.
type Program struct {
	Output io.Writer
}

// outputPatience is how long the output of a program that ended is waited for:
// a process that it left behind may hold it open.
const outputPatience = time.Second

// Start implements Runner. Secrets go into the environment of the child, which
// other users cannot read, unlike its arguments.
func (p Program) Start(_ context.Context, u Unit) (Instance, error) {
	secrets, err := u.ReadSecrets()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(u.Program, u.Args...)
	cmd.Dir, cmd.Env = u.Dir, u.Env
	for name, value := range secrets {
		cmd.Env = append(cmd.Environ(), name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = p.Output, p.Output
	cmd.WaitDelay = outputPatience
	dieWithParent(cmd)
	run := &process{cmd: cmd, addr: u.Listen, ended: make(chan struct{})}
	started := make(chan error, 1)
	go run.supervise(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return run, nil
}

type process struct {
	cmd   *exec.Cmd
	addr  string
	ended chan struct{}
	err   error // once ended is closed
}

// supervise starts the process and stays until it ended: on one thread, since
// the process dies with the thread that started it (see dieWithParent).
func (p *process) supervise(started chan<- error) {
	runtime.LockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		if p.err = p.cmd.Wait(); errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil
		}
		close(p.ended)
	}
}

// Addr implements Instance.
func (p *process) Addr() string { return p.addr }

// Wait implements Instance.
func (p *process) Wait() error {
	<-p.ended
	return p.err
}

// Stop implements Instance.
func (p *process) Stop(ctx context.Context) error {
	_ = interrupt(p.cmd.Process)
	select {
	case <-p.ended:
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return nil
}

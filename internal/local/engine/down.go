package engine

import (
	"context"
	"path/filepath"
	"time"

	"github.com/berth-oci/berth/diag"
)

// Phase is where a registry stands.
type Phase string

// The phases.
const (
	Stopped   Phase = "stopped"
	Running   Phase = "running"
	Unhealthy Phase = "unhealthy" // its process lives, and it does not answer (yet)
	Busy      Phase = "busy"      // it is stopped, and a command works on what it stores; see Hold
)

// Status is what can be told about the registry of a data directory.
type Status struct {
	Phase Phase
	State       // zero when stopped or busy
	Fault error // why it is unhealthy or busy
}

// Inspect tells how the registry that runs from dir is doing. It changes
// nothing, and fails with diag.StorageFailed when dir cannot be looked into.
func Inspect(ctx context.Context, dir string) (Status, error) {
	state, taken, err := occupant(dir)
	if err != nil || !taken {
		return Status{Phase: Stopped}, about("local.data_dir", err)
	}
	s := Status{Phase: Unhealthy, State: state}
	if s.PID == 0 {
		return Status{Phase: Busy, Fault: busy(dir)}, nil
	}
	if !s.Ready {
		s.Fault = diag.Errorf(diag.NotReady, "the registry is starting")
		return s, nil
	}
	if s.Fault = probe(ctx, s.scheme(), s.Address); s.Fault == nil {
		s.Phase = Running
	}
	return s, nil
}

// Started is Inspect for a command that needs the registry to answer: it waits a
// moment for a start that is under way, which looks busy before it is known.
func Started(ctx context.Context, dir string) (Status, error) {
	for began := time.Now(); ; {
		s, err := Inspect(ctx, dir)
		patience := time.Duration(0)
		switch {
		case s.Phase == Busy:
			patience = busyPatience
		case s.Phase == Unhealthy && !s.Ready:
			patience = startPatience
		}
		if err != nil || time.Since(began) >= patience {
			return s, err
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return s, err
		}
	}
}

// What a command waits for a start, and for what may be the beginning of one.
const (
	startPatience = 10 * time.Second
	busyPatience  = time.Second
)

// stopPatience is what a registry gets to end beyond the time to drain.
const stopPatience = 5 * time.Second

// Down stops the registry that runs from dir: it may drain for as long as its
// state says, and is killed after that. stopped is false when none ran. No registry
// holds the lock when it returns without an error, so that a start can follow at
// once. It fails with diag.AlreadyRunning, and stopped true, when another start
// took the lock first.
func Down(ctx context.Context, dir string) (s State, stopped bool, err error) {
	s, running, err := owner(ctx, dir)
	if err != nil || !running {
		return s, false, about("local.data_dir", err)
	}
	process := s.process()
	if process != nil && !hasOpen(s.PID, dir, filepath.Join(dir, lockFile), filepath.Join(dir, formerLockFile)) && s.alive() {
		return s, false, diag.Errorf(diag.Failed, "pid %d does not hold the lock of %s, whatever %s says", s.PID, dir, stateFile).
			WithHint("remove %s; a registry that runs from there puts its own back", filepath.Join(dir, stateFile))
	}
	if process != nil {
		if err := interrupt(process); err != nil && s.alive() {
			return s, false, diag.Errorf(diag.Failed, "cannot stop pid %d: %w", s.PID, err).
				WithHint("it belongs to another user; run berth down as that user")
		}
	}
	ended, err := awaitEnd(ctx, dir, s, s.Drain+stopPatience)
	if err == nil && !ended {
		if process != nil {
			_ = process.Kill()
		}
		ended, err = awaitEnd(ctx, dir, s, stopPatience)
	}
	switch {
	case err != nil:
		return s, false, err
	case !ended:
		return s, false, diag.Errorf(diag.Failed, "pid %d does not end", s.PID).WithHint("look at it with ps -p %d", s.PID)
	}
	next, running, err := owner(ctx, dir)
	if err == nil && running {
		err = diag.Errorf(diag.AlreadyRunning, "pid %d was stopped, and pid %d runs from %s since: another start was at work", s.PID, next.PID, dir).
			WithHint("stop that one with berth down as well, or leave it running")
	}
	return s, true, err
}

// owner returns the state of the registry that holds the lock of dir: not that of
// a command, see Hold. A process that has just taken it needs a moment to write
// its own.
func owner(ctx context.Context, dir string) (s State, running bool, err error) {
	for deadline := time.Now().Add(stopPatience); time.Now().Before(deadline); {
		s, running, err = occupant(dir)
		if err != nil || !running || s.PID != 0 {
			return s, running, err
		}
		if _, ok := readTask(dir); ok {
			return State{}, false, nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return State{}, false, err
		}
	}
	return State{}, false, busy(dir)
}

// awaitEnd reports whether the process of s gave back the lock of dir in time.
// It has when it is gone, whoever holds the lock by then.
func awaitEnd(ctx context.Context, dir string, s State, timeout time.Duration) (bool, error) {
	for deadline := time.Now().Add(timeout); ; {
		now, taken, err := occupant(dir)
		if err != nil || !taken {
			return err == nil, err
		}
		if !s.alive() || now.replaces(s) {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return false, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

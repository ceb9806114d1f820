// Package engine runs a registry on this machine: one process per data
// directory, started, found again, watched and stopped. It owns the lock and
// the state file in that directory, readiness, stopping and the log file. It
// knows no product: what to run is a Unit, and how is a Runner.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
)

// Unit is one registry to run. Paths are absolute.
type Unit struct {
	Product string // what answers, as shown to the user
	Version string // of berth, as recorded in the state file
	Source  string // the config it was made from; "" for the built-in one

	Dir     string // data directory: lock, state and secrets live here
	LogFile string
	// Storage lists the directories that no other registry may use while this one
	// stores there; none where it stores elsewhere. They are locked as Dir is.
	Storage []string
	// Stores names where it stores, wherever that is: with another place it is
	// another registry.
	Stores string
	Config string // the registry's native config file

	Listen   string // host:port of the server
	Endpoint string // URL for clients
	TLS      bool

	Program string   // to run; "" for the built-in registry
	Args    []string // of Program
	Env     []string // of Program; nil for berth's own

	Content []byte // of Config
	Timeouts
	// Prepare writes what the registry reads. Serve calls it with the lock held.
	Prepare func() error
	// Secrets returns environment variables, by name, for what no file may hold:
	// credentials of the storage. Program gets them beside Env, and the built-in
	// registry applies those that it would read there. A runner calls it at each
	// start, and keeps the values to itself. It is nil where there are none; its
	// errors are diag.CredentialUnread.
	Secrets func() (map[string]string, error)
	// Fits reports whether the secrets that Prepare wrote, and Digest must not
	// tell of, are those it would write now. It is nil where there are none.
	Fits func() bool
}

// Timeouts of a unit. Zero means none.
type Timeouts struct {
	Read  time.Duration // rolling: longest wait for the next byte of a request
	Write time.Duration // likewise for taking the next byte of an answer
	Idle  time.Duration // of a connection between requests
	Drain time.Duration // longest time that running requests get when stopping
}

// Runner starts a unit. Start returns when the registry was started, which is
// before it is ready; ctx bounds the start and not the life of the instance.
type Runner interface {
	Start(ctx context.Context, u Unit) (Instance, error)
}

// Instance is a running registry. Its methods may be called concurrently.
type Instance interface {
	// Addr is the host:port that it listens on.
	Addr() string
	// Wait returns when it ended, with the reason if it ended by itself.
	Wait() error
	// Stop ends it: running requests may finish until ctx is done.
	Stop(ctx context.Context) error
}

// ReadSecrets calls Secrets, where there are any.
func (u Unit) ReadSecrets() (map[string]string, error) {
	if u.Secrets == nil {
		return nil, nil
	}
	return u.Secrets()
}

// Digest tells units apart that would run differently.
func (u Unit) Digest() string {
	return digest.FromString(fmt.Sprintf("%s %q %s %v", u.Program, u.Args, u.Content, u.Timeouts)).String()
}

// readyTimeout bounds the wait of Serve for a registry that it started itself.
const readyTimeout = 60 * time.Second

// Serve runs u until ctx is done or the registry ends. It holds the lock of the
// data directory and the storage all the while, and calls ready once when the
// registry answers. When ctx is done it drains for u.Drain at most and returns nil.
// When a directory is removed or replaced, or its lock is lost to another process,
// it ends at once: what is there may be another registry's. What it puts back of
// its own files it tells log.
//
// Errors: diag.AlreadyRunning, diag.Busy, diag.PortInUse, diag.StorageFailed,
// diag.StartFailed, diag.NotReady, and those of u.Prepare.
func Serve(ctx context.Context, u Unit, r Runner, log *slog.Logger, ready func(State)) error {
	if err := portBeforeTask(ctx, u); err != nil {
		return err
	}
	lock, err := acquire(ctx, u, taskPatience)
	if err != nil {
		return about("local.data_dir", err)
	}
	defer lock.release()
	patience := crashPatience(u.Dir)
	state := newState(u)
	if err := state.write(u.Dir); err != nil {
		return about("local.data_dir", err)
	}
	defer removeState(u.Dir)
	if err := portFree(ctx, func() error { return tryListen(ctx, u.Listen) }, u.Listen, patience); err != nil {
		return err
	}
	if err := u.Prepare(); err != nil {
		return err
	}
	if err := identify(u); err != nil {
		return about("local.data_dir", err)
	}
	inst, err := r.Start(ctx, u)
	if err != nil {
		return startFault(ctx, u, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- inst.Wait() }()

	state.Address = inst.Addr()
	err = awaitReady(ctx, state, ended)
	if err == nil {
		state.Ready = true
		err = state.write(u.Dir)
	}
	patience = u.Drain
	switch {
	case err == nil:
		ready(state)
		var over bool
		if err, over = attend(ctx, u, lock, state, log, ended); over {
			return err
		}
		if err != nil { // its directories may be another's
			patience = 0
		}
	case !state.Ready: // then no request runs, and who waits for the start waits for this
		patience = min(patience, stopPatience/2)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	stopErr := inst.Stop(drain)
	switch {
	case ctx.Err() != nil && stopErr != nil:
		return diag.Errorf(diag.Failed, "cannot stop the registry: %w", stopErr).WithHint("see the log above")
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// attend returns when ctx is done, with an error when the registry must not go on,
// and with over when it has ended by itself. Meanwhile it keeps lock and state.
func attend(ctx context.Context, u Unit, l *lock, s State, log *slog.Logger, ended <-chan error) (err error, over bool) {
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case cause := <-ended:
			return endFault(u, cause), true
		case <-ctx.Done():
			return nil, false
		case <-tick.C:
		}
		if err := l.keep(log); err != nil {
			return err, false
		}
		if readState(u.Dir).identity != s.identity && s.write(u.Dir) == nil {
			log.Warn("the state file was removed or replaced, and is put back", "file", filepath.Join(u.Dir, stateFile))
		}
	}
}

// awaitReady polls until the registry answers, ends, or takes too long.
func awaitReady(ctx context.Context, s State, ended <-chan error) error {
	deadline := time.NewTimer(readyTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := probe(ctx, s.scheme(), s.Address)
		if err == nil {
			return nil
		}
		select {
		case cause := <-ended:
			return diag.Errorf(diag.StartFailed, "the registry ended before it answered: %w", orEnded(cause)).
				WithHint("its own messages are above; its config is %s", s.Config)
		case <-deadline.C:
			return diag.Errorf(diag.NotReady, "the registry did not answer within %s: %w", readyTimeout, err).
				WithHint("its own messages are above; its config is %s", s.Config)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// startFault explains why a runner could not start u.
func startFault(ctx context.Context, u Unit, err error) error {
	if isAddrInUse(err) {
		return portFault(ctx, u.Listen)
	}
	if _, ok := asDiagnostic(err); ok {
		return err
	}
	return diag.Errorf(diag.StartFailed, "cannot start the registry: %w", err).
		WithHint("its config is %s", u.Config)
}

func endFault(u Unit, cause error) error {
	return diag.Errorf(diag.Failed, "the registry ended by itself: %w", orEnded(cause)).
		WithHint("its last messages are above or in %s; start it again with berth up", u.LogFile)
}

func orEnded(err error) error {
	if err == nil {
		return fmt.Errorf("it exited without an error")
	}
	return err
}

// makeDir makes a directory of the unit, readable only by its owner: blobs,
// logs and password hashes are nobody else's business.
func makeDir(dir string) error {
	if err := atomicfile.MkdirAll(dir); err != nil {
		return storageFault(dir, err)
	}
	return nil
}

// storageFault is about a file or directory, whose attribute of the config its
// Path gives where it is known.
func storageFault(name string, err error) *diag.Diagnostic {
	return diag.Errorf(diag.StorageFailed, "cannot use %s: %w", name, err).
		WithHint("%s must be in a directory that this user can write to, with space left; change the config or the permissions", filepath.Base(name))
}

// about names the attribute of the config that an error about storage is due to.
func about(path string, err error) error {
	if d, ok := asDiagnostic(err); ok && d.Code == diag.StorageFailed && d.Path == "" {
		d.Path = path
	}
	return err
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
)

// taskFile names the command that works on what a stopped registry stores, for
// as long as it does. To rename it to stoppingFile is to ask that command to stop:
// it works on a full disk, and keeps the name for those who are kept out.
const (
	taskFile     = "berth.task.json"
	stoppingFile = "berth.task.stopping.json"
)

// taskPatience is what a start waits for such a command to stop.
const taskPatience = 20 * time.Second

// taskPoll is how often such a command looks whether it is asked to stop.
const taskPoll = 100 * time.Millisecond

// task is a command that holds the lock in place of a registry.
type task struct {
	identity
	Name string `json:"name"` // as the user calls it: berth gc
}

// Hold keeps u from running until release is called, for the work of the command
// called name on what it stores. A start ends that work: the
// context that Hold returns, which is ctx otherwise, is then cancelled with the
// cause diag.Busy, and the start waits for release. It is cancelled as well, with
// the cause diag.StorageFailed, when the directories are not its own any more. Hold
// fails with diag.AlreadyRunning, diag.Busy and diag.StorageFailed.
func Hold(ctx context.Context, u Unit, name string) (work context.Context, release func(), err error) {
	dir := u.Dir
	l, err := holdLock(ctx, u)
	if err != nil {
		return nil, nil, about("local.data_dir", err)
	}
	work, cancel := context.WithCancelCause(ctx)
	// On a full disk the work, which may be to make room, goes on without the
	// file: a start then waits for it in vain.
	dismissed := func() bool { return false }
	if (task{self(), name}).write(dir) == nil {
		dismissed = func() bool {
			_, err := os.Stat(filepath.Join(dir, taskFile))
			return errors.Is(err, fs.ErrNotExist)
		}
	} else {
		removeTask(dir)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		cancel(watchTask(work, l, dismissed, name))
	}()
	return work, func() {
		cancel(nil)
		<-watched
		if l.keep(slog.New(slog.DiscardHandler)) == nil { // else it is another's
			removeTask(dir)
		}
		l.release()
	}, nil
}

// holdLock takes the lock of u for a task. It waits a moment for a start that
// has not told of itself yet, and for nothing else.
func holdLock(ctx context.Context, u Unit) (*lock, error) {
	for deadline := time.Now().Add(busyPatience); ; {
		l, taken, err := take(ctx, u)
		if err != nil || l != nil {
			return l, err
		}
		fault := inUse(u, taken)
		if _, task := readTask(holderOf(taken)); fault.Code != diag.Busy || task || time.Now().After(deadline) {
			return nil, fault
		}
	}
}

// watchTask returns why the task called name, which holds l, is to stop: nil when
// ctx ends.
func watchTask(ctx context.Context, l *lock, dismissed func() bool, name string) error {
	for sleep(ctx, taskPoll) == nil {
		if err := l.keep(slog.New(slog.DiscardHandler)); err != nil {
			return err
		}
		if dismissed() {
			return diag.Errorf(diag.Busy, "%s stopped for the registry, which starts", name).WithHint("nothing is lost; run it again")
		}
	}
	return nil
}

// dismiss asks the task of dir to stop, if there is one. Who may not rename the
// file waits for the task in vain, and is told by busy who holds the lock.
func dismiss(dir string) {
	_ = os.Rename(filepath.Join(dir, taskFile), filepath.Join(dir, stoppingFile))
}

// removeTask is for the holder of the lock.
func removeTask(dir string) {
	_ = os.Remove(filepath.Join(dir, taskFile))
	_ = os.Remove(filepath.Join(dir, stoppingFile))
}

// write lets other users read it: they are told who keeps them out.
func (t task) write(dir string) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, taskFile), append(data, '\n'), 0o644)
}

// readTask returns the task that works on what is stored from dir; ok is false
// when there is none.
func readTask(dir string) (t task, ok bool) {
	for _, name := range []string{taskFile, stoppingFile} {
		data, err := regular.ReadSmall(filepath.Join(dir, name))
		if err == nil && json.Unmarshal(data, &t) == nil && t.alive() {
			return t, true
		}
	}
	return task{}, false
}

// busy tells of a lock that no registry holds.
func busy(dir string) *diag.Diagnostic {
	if t, ok := readTask(dir); ok {
		return diag.Errorf(diag.Busy, "%s, pid %d, works on what is stored from %s", t.Name, t.PID, dir).
			WithHint("wait for it to end; berth up stops it")
	}
	name := filepath.Join(dir, lockFile)
	return diag.Errorf(diag.Busy, "another berth command works on what is stored from %s", dir).
		WithHint("wait for it to end, or find it with lsof %s", name)
}

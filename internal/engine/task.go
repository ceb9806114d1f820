package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/atomicfile"
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

// Hold keeps the registry of dir from running until release is called, for the
// work of the command called name on what it stores. A start ends that work: the
// context that Hold returns, which is ctx otherwise, is then cancelled with the
// cause diag.Busy, and the start waits for release. Hold fails with
// diag.AlreadyRunning, diag.Busy and diag.StorageFailed.
func Hold(ctx context.Context, dir, name string) (work context.Context, release func(), err error) {
	l, err := holdLock(ctx, dir)
	if err != nil {
		return nil, nil, about("local.data_dir", err)
	}
	work, cancel := context.WithCancelCause(ctx)
	// On a full disk the work, which may be to make room, goes on without the
	// file: a start then waits for it in vain.
	if (task{self(), name}).write(dir) == nil {
		go watchTask(work, dir, func() {
			cancel(diag.Errorf(diag.Busy, "%s stopped for the registry, which starts", name).WithHint("nothing is lost; run it again"))
		})
	} else {
		removeTask(dir)
	}
	return work, func() {
		cancel(nil)
		removeTask(dir)
		l.release()
	}, nil
}

// holdLock takes the lock of dir for a task. It waits a moment for a start that
// has not told of itself yet, and for nothing else.
func holdLock(ctx context.Context, dir string) (lock, error) {
	l, err := openLock(dir)
	if err != nil {
		return lock{}, err
	}
	for deadline := time.Now().Add(busyPatience); ; {
		err := l.take(ctx, dir)
		if err == nil {
			return l, nil
		}
		d, ok := asDiagnostic(err)
		if _, task := readTask(dir); !ok || d.Code != diag.Busy || task || time.Now().After(deadline) {
			return lock{}, err
		}
	}
}

// watchTask calls wanted once when the task of dir is dismissed before ctx ends.
func watchTask(ctx context.Context, dir string, wanted func()) {
	for sleep(ctx, taskPoll) == nil {
		if _, err := os.Stat(filepath.Join(dir, taskFile)); errors.Is(err, fs.ErrNotExist) {
			wanted()
			return
		}
	}
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
		data, err := os.ReadFile(filepath.Join(dir, name))
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

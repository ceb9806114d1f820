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
)

// taskFile names the command that works on what a stopped registry stores, for
// as long as it does. To remove it is to ask that command to stop.
const taskFile = "berth.task.json"

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
	l, err := openLock(dir)
	if err == nil {
		err = l.take(ctx, dir)
	}
	if err != nil {
		return nil, nil, about("local.data_dir", err)
	}
	work, cancel := context.WithCancelCause(ctx)
	// On a full disk the work, which may be to make room, goes on without the
	// file: a start then waits for it in vain.
	if (task{self(), name}).write(dir) == nil {
		go watchTask(work, dir, func() {
			cancel(diag.Errorf(diag.Busy, "%s stopped for the registry, which starts", name).
				WithHint("nothing is lost; run it again: it then asks the running registry"))
		})
	}
	return work, func() {
		cancel(nil)
		dismiss(dir)
		l.release()
	}, nil
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

// dismiss asks the task of dir to stop, if there is one. Who may not remove the
// file waits for the task in vain, and is told by busy who holds the lock.
func dismiss(dir string) { _ = os.Remove(filepath.Join(dir, taskFile)) }

func (t task) write(dir string) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, taskFile), append(data, '\n'), 0o600)
}

// readTask returns the task that works on what is stored from dir. ok is false
// when there is none, and when it was asked to stop.
func readTask(dir string) (t task, ok bool) {
	data, err := os.ReadFile(filepath.Join(dir, taskFile))
	ok = err == nil && json.Unmarshal(data, &t) == nil && t.alive()
	return t, ok
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

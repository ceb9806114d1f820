package gate

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// recheck is how long files are taken to be unchanged once looked at.
const recheck = time.Second

// watched is what files hold, read again when they change. Looking is left to
// whoever asks for the value, so that there is no goroutine to stop. Files that
// cannot be read any more, or are only half written, leave the last good value.
// It is safe for concurrent use.
type watched[T any] struct {
	names []string
	load  func() (T, error)
	log   *slog.Logger

	value atomic.Pointer[T]
	next  atomic.Int64 // when to look again, in Unix nanoseconds

	mu   sync.Mutex
	seen []os.FileInfo // nil for a file that is not there
	read time.Time
}

// watch loads the value for the first time; then its error is the caller's.
func watch[T any](log *slog.Logger, load func() (T, error), names ...string) (*watched[T], error) {
	w := &watched[T]{names: names, load: load, log: log}
	w.look()
	v, err := load()
	if err != nil {
		return nil, err
	}
	w.value.Store(&v)
	return w, nil
}

// get returns the value, which is shared.
func (w *watched[T]) get() T {
	// Who finds another one looking takes the value that there is.
	if time.Now().UnixNano() >= w.next.Load() && w.mu.TryLock() {
		defer w.mu.Unlock()
		w.refresh()
	}
	return *w.value.Load()
}

func (w *watched[T]) refresh() {
	unsettled := w.unsettled()
	changed := w.look()
	if !changed && !unsettled {
		return
	}
	v, err := w.load()
	switch {
	case err == nil:
		w.value.Store(&v)
	case changed:
		w.log.Warn("files have changed and cannot be used; the old content stays in force", "files", w.names, "error", err)
	}
}

// unsettled reports whether a file was read so soon after it was written that
// another change might have the same time and size: hashes all have one length.
func (w *watched[T]) unsettled() bool {
	for _, f := range w.seen {
		if f != nil && w.read.Sub(f.ModTime()).Abs() < recheck/10 {
			return true
		}
	}
	return false
}

// look reports whether the files are others than those seen last. It goes before
// reading them, so that a change in between is noticed the next time.
func (w *watched[T]) look() (changed bool) {
	w.read = time.Now()
	w.next.Store(w.read.Add(recheck).UnixNano())
	seen := make([]os.FileInfo, len(w.names))
	for i, name := range w.names {
		if f, err := os.Stat(name); err == nil {
			seen[i] = f
		}
		changed = changed || w.seen == nil || !sameFile(w.seen[i], seen[i])
	}
	w.seen = seen
	return changed
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

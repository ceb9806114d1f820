package gate

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// recheck is how long files are taken to be unchanged once looked at.
const recheck = time.Second

// settle is how long files may be gone or empty without meaning it, as while
// somebody replaces them.
const settle = 250 * time.Millisecond

// vacant is the error of files that are gone or empty. Who leaves them so wants
// nobody to be let in by them, while a file that cannot be read or understood is a
// mistake, or half written.
type vacant struct{ error }

// watched is what files hold, read again when they change. Looking is left to
// whoever asks for the value, so that there is no goroutine to stop. Files that
// cannot be read or used leave the last good value, and log a warning. Those that
// load calls vacant, and that still are so after a moment, give the value that it
// returns beside that error. It is safe for concurrent use.
type watched[T any] struct {
	names []string
	load  func(before T) (T, error)
	log   *slog.Logger
	pause func(time.Duration) // time.Sleep

	value atomic.Pointer[T]
	next  atomic.Int64 // when to look again, in Unix nanoseconds

	mu   sync.Mutex
	seen []os.FileInfo // nil for a file that is not there
	read time.Time
}

// watch loads the value for the first time; then its error is the caller's.
func watch[T any](log *slog.Logger, load func(before T) (T, error), names ...string) (*watched[T], error) {
	w := &watched[T]{names: names, load: load, log: log, pause: time.Sleep}
	w.look()
	var none T
	v, err := load(none)
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
	v, err := w.load(*w.value.Load())
	for waited := time.Duration(0); isVacant(err) && waited < settle; waited += settle / 10 {
		w.pause(settle / 10) // others go on with the value that there is
		w.look()
		v, err = w.load(*w.value.Load())
	}
	switch {
	case err == nil:
		w.value.Store(&v)
	case isVacant(err):
		w.value.Store(&v)
		w.log.Warn("files are gone or empty; they let nobody in until they are back", "files", w.names, "error", err)
	case changed:
		w.log.Warn("files have changed and cannot be used; the old content stays in force", "files", w.names, "error", err)
	}
}

func isVacant(err error) bool {
	_, ok := errors.AsType[vacant](err)
	return ok
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

package store

import (
	"context"
	"errors"
	"io"
	"sync"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// around is storage that tells a function of each operation before it happens,
// and fails with what that returns. Operations are called as the methods are;
// those of a writer are Write, Commit, and Close.
type around struct {
	storagedriver.StorageDriver
	before func(op, path string) error
	// after is told of List, GetContent and Stat once they have their result; nil
	// for nobody.
	after func(op, path string)
}

func (a *around) done(op, path string) {
	if a.after != nil {
		a.after(op, path)
	}
}

func (a *around) GetContent(ctx context.Context, path string) ([]byte, error) {
	if err := a.before("GetContent", path); err != nil {
		return nil, err
	}
	defer a.done("GetContent", path)
	return a.StorageDriver.GetContent(ctx, path)
}

func (a *around) PutContent(ctx context.Context, path string, content []byte) error {
	if err := a.before("PutContent", path); err != nil {
		return err
	}
	return a.StorageDriver.PutContent(ctx, path, content)
}

func (a *around) Reader(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if err := a.before("Reader", path); err != nil {
		return nil, err
	}
	return a.StorageDriver.Reader(ctx, path, offset)
}

func (a *around) Writer(ctx context.Context, path string, resume bool) (storagedriver.FileWriter, error) {
	if err := a.before("Writer", path); err != nil {
		return nil, err
	}
	w, err := a.StorageDriver.Writer(ctx, path, resume)
	if err != nil {
		return nil, err
	}
	return &aroundWriter{w, a, path}, nil
}

func (a *around) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	if err := a.before("Stat", path); err != nil {
		return nil, err
	}
	defer a.done("Stat", path)
	return a.StorageDriver.Stat(ctx, path)
}

func (a *around) List(ctx context.Context, path string) ([]string, error) {
	if err := a.before("List", path); err != nil {
		return nil, err
	}
	defer a.done("List", path)
	return a.StorageDriver.List(ctx, path)
}

func (a *around) Move(ctx context.Context, from, to string) error {
	if err := a.before("Move", to); err != nil {
		return err
	}
	return a.StorageDriver.Move(ctx, from, to)
}

func (a *around) Delete(ctx context.Context, path string) error {
	if err := a.before("Delete", path); err != nil {
		return err
	}
	return a.StorageDriver.Delete(ctx, path)
}

type aroundWriter struct {
	storagedriver.FileWriter
	a    *around
	path string
}

func (w *aroundWriter) Write(p []byte) (int, error) {
	if err := w.a.before("Write", w.path); err != nil {
		return 0, err
	}
	return w.FileWriter.Write(p)
}

func (w *aroundWriter) Commit(ctx context.Context) error {
	if err := w.a.before("Commit", w.path); err != nil {
		return err
	}
	return w.FileWriter.Commit(ctx)
}

// Close closes the file also when it is said to fail: a test needs its
// descriptors back.
func (w *aroundWriter) Close() error {
	err := w.FileWriter.Close()
	return errors.Join(w.a.before("Close", w.path), err)
}

var errStorage = errors.New("the storage failed")

// failing is storage that fails one operation after some that work. With dies it
// fails all that follow as well: to the storage this is how a process dies there.
type failing struct {
	around
	dies bool

	mu   sync.Mutex
	left int // operations until then; negative since
}

func failAfter(d storagedriver.StorageDriver, n int, dies bool) *failing {
	f := &failing{dies: dies, left: n}
	f.around = around{StorageDriver: d, before: func(string, string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.left--
		if f.left == -1 || f.dies && f.left < 0 {
			return errStorage
		}
		return nil
	}}
	return f
}

// mend makes the storage work, and reports whether it has failed.
func (f *failing) mend() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := f.left < 0
	f.dies, f.left = false, -2
	return failed
}

// interrupted is storage in whose operations tests do something else, once for
// each place.
type interrupted struct {
	around
	mu            sync.Mutex
	before, after map[string]func() // by operation and path
}

func interrupt(d storagedriver.StorageDriver) *interrupted {
	i := &interrupted{before: map[string]func(){}, after: map[string]func(){}}
	i.around = around{StorageDriver: d, before: func(op, path string) error { i.run(i.before, op+path); return nil },
		after: func(op, path string) { i.run(i.after, op+path) }}
	return i
}

func (i *interrupted) run(all map[string]func(), place string) {
	i.mu.Lock()
	f := all[place]
	delete(all, place)
	i.mu.Unlock()
	if f != nil {
		f()
	}
}

// at makes f run just before an operation on a path, and behind just after it.
func (i *interrupted) at(op, path string, f func()) { i.set(i.before, op+path, f) }

func (i *interrupted) behind(op, path string, f func()) { i.set(i.after, op+path, f) }

func (i *interrupted) set(all map[string]func(), place string, f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	all[place] = f
}

// pending reports whether something has not run yet.
func (i *interrupted) pending() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.before)+len(i.after) > 0
}

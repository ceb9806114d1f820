package storage

import (
	"context"
	"errors"
	"fmt"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// remoteWriter repairs what the writers of distribution's drivers for services
// have in common:
//
//   - Size leaves out what is in their buffers.
//   - After a part failed to be sent, the next one takes its place, and the upload
//     has a hole. Here a writer that failed sends nothing more, not even at Close.
//   - Close after Cancel fails, since it sends what is left to what is gone.
//   - Cancel of a resumed upload to S3 leaves the object that its first small
//     parts were made into.
type remoteWriter struct {
	inner    storagedriver.FileWriter
	patience *patience
	remote   *remote
	path     string
	size     int64
	state    writerState
}

// failed is the state of a writer that only Cancel and Close make sense for.
const failed writerState = "broken by an earlier failure"

// try runs a step, after which the writer is in the state next, or failed.
func (w *remoteWriter) try(next writerState, step func() error) error {
	if err := w.state.check(); err != nil {
		return err
	}
	if err := w.patience.wait(step); err != nil {
		w.state = failed
		return w.remote.explain(w.patience, err)
	}
	w.state = next
	return nil
}

// Write implements io.Writer.
func (w *remoteWriter) Write(p []byte) (n int, err error) {
	err = w.try(writing, func() error {
		n, err = w.inner.Write(p)
		return err
	})
	w.size += int64(n)
	return n, err
}

// Size implements storagedriver.FileWriter.
func (w *remoteWriter) Size() int64 { return w.size }

// Commit implements storagedriver.FileWriter.
func (w *remoteWriter) Commit(context.Context) error {
	return w.try(committed, func() error { return w.inner.Commit(w.patience) })
}

// Cancel implements storagedriver.FileWriter.
func (w *remoteWriter) Cancel(ctx context.Context) error {
	if w.state != writing && w.state != failed {
		return fmt.Errorf("the writer is %s", w.state)
	}
	w.state = cancelled
	err := w.remote.explain(w.patience, w.patience.wait(func() error { return w.inner.Cancel(w.patience) }))
	left := w.remote.Delete(ctx, w.path)
	if errors.As(left, new(storagedriver.PathNotFoundError)) {
		left = nil
	}
	return errors.Join(err, left)
}

// Close implements io.Closer. It stores what was written, to be resumed.
func (w *remoteWriter) Close() error {
	defer w.patience.end()
	before := w.state
	if before == closed {
		return before.check()
	}
	w.state = closed
	if before == cancelled || before == failed {
		return nil
	}
	return w.remote.explain(w.patience, w.patience.wait(w.inner.Close))
}

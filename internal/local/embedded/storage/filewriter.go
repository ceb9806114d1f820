package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// fileWriter is a storagedriver.FileWriter without a buffer: who writes, writes
// in pieces that are worth a system call.
type fileWriter struct {
	file  *os.File
	size  int64
	begun int64 // until where the kernel was asked to write to the disk
	state writerState
}

// writeOutSize is how much may wait in memory before the disk gets to work on it.
const writeOutSize = 8 << 20

// writerState says what a writer still does. Its zero value takes bytes.
type writerState string

const (
	writing   writerState = ""
	committed writerState = "committed"
	cancelled writerState = "cancelled"
	closed    writerState = "closed"
)

// check returns an error for what may only be asked of a writer that takes bytes.
func (s writerState) check() error {
	if s != writing {
		return fmt.Errorf("the writer is %s", s)
	}
	return nil
}

// Write implements io.Writer.
func (w *fileWriter) Write(p []byte) (int, error) {
	if err := w.state.check(); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	if w.size-w.begun >= writeOutSize {
		writeOut(w.file, w.begun, w.size-w.begun)
		w.begun = w.size
	}
	return n, err
}

// Size implements storagedriver.FileWriter.
func (w *fileWriter) Size() int64 { return w.size }

// Commit implements storagedriver.FileWriter: the bytes are on the disk when it
// returns.
func (w *fileWriter) Commit(context.Context) error {
	if err := w.state.check(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.state = committed
	return nil
}

// Cancel implements storagedriver.FileWriter.
func (w *fileWriter) Cancel(context.Context) error {
	if err := w.state.check(); err != nil {
		return err
	}
	w.state = cancelled
	return errors.Join(w.file.Close(), os.Remove(w.file.Name()))
}

// Close implements io.Closer. It does not sync what was not committed: an
// unfinished upload is started again after a power cut.
func (w *fileWriter) Close() error {
	switch w.state {
	case cancelled:
		return nil
	case closed:
		return fmt.Errorf("the writer is %s", closed)
	}
	w.state = closed
	return w.file.Close()
}

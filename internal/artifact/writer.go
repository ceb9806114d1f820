package artifact

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// A file of up to smallFile bytes is read into memory and written by a worker,
// so that making the file overlaps with reading the next one. The buffers bound
// the memory (5 MiB) and the open directories.
const (
	smallFile   = 256 << 10
	workers     = 4
	fileBuffers = 20
)

// writer makes small files in parallel. Its methods but for work are for one
// goroutine.
type writer struct {
	jobs    chan smallJob
	buffers chan []byte
	started int // workers; each has its buffers made as they are needed
	made    int // buffers
	idle    sync.WaitGroup
	failed  atomic.Pointer[error] // the first failure; what follows is dropped
}

type smallJob struct {
	dir  *directory
	name string // in dir
	mode fs.FileMode
	data []byte
}

// directory is open for as long as somebody makes files in it.
type directory struct {
	*os.Root
	path  string
	users atomic.Int32
}

func (d *directory) release() {
	if d != nil && d.users.Add(-1) == 0 {
		d.Close()
	}
}

func newWriter() *writer {
	return &writer{jobs: make(chan smallJob, fileBuffers), buffers: make(chan []byte, fileBuffers)}
}

// write reads size bytes from r and lets a worker make a file of them. It
// returns the failure of an earlier file as soon as there is one.
func (w *writer) write(dir *directory, name string, mode fs.FileMode, r io.Reader, size int64) error {
	if err := w.err(); err != nil {
		return err
	}
	data := w.buffer()
	if _, err := io.ReadFull(r, data[:size]); err != nil {
		w.buffers <- data
		return badArchive(err)
	}
	if w.started < workers {
		w.started++
		go w.work()
	}
	w.idle.Add(1)
	dir.users.Add(1)
	w.jobs <- smallJob{dir, name, mode, data[:size]}
	return nil
}

// buffer waits for one when all are in use.
func (w *writer) buffer() []byte {
	select {
	case b := <-w.buffers:
		return b[:cap(b)]
	default:
	}
	if w.made < fileBuffers {
		w.made++
		return make([]byte, smallFile)
	}
	b := <-w.buffers
	return b[:cap(b)]
}

func (w *writer) work() {
	for job := range w.jobs {
		if w.failed.Load() == nil {
			if err := job.write(); err != nil {
				w.failed.CompareAndSwap(nil, &err)
			}
		}
		job.dir.release()
		w.buffers <- job.data
		w.idle.Done()
	}
}

func (j smallJob) write() error {
	f, err := j.dir.OpenFile(j.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, j.mode)
	if err != nil {
		return err
	}
	_, err = f.Write(j.data)
	return errors.Join(err, f.Close())
}

// wait returns when every file has been made, with the first failure.
func (w *writer) wait() error {
	w.idle.Wait()
	return w.err()
}

func (w *writer) err() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// close ends the workers.
func (w *writer) close() error {
	err := w.wait()
	close(w.jobs)
	return err
}

package store

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// calm is a driver whose panics are errors. A driver is much code of others; what
// goes wrong in one call of it must neither leave a lock held, nor end the process
// because it happens beside a request.
type calm struct {
	storagedriver.StorageDriver
	log *slog.Logger
}

// calmDisk is calm for a publisher, calmService for a fileDeleter: a store looks
// which of them its driver is.
type (
	calmDisk struct {
		calm
		publisher
	}
	calmService struct {
		calm
		fileDeleter
	}
)

func calmDriver(d storagedriver.StorageDriver, log *slog.Logger) storagedriver.StorageDriver {
	c := calm{d, log}
	switch d := d.(type) {
	case publisher:
		return calmDisk{c, d}
	case fileDeleter:
		return calmService{c, d}
	}
	return c
}

// catch turns a panic into an error. It is deferred.
func (c calm) catch(op, path string, err *error) {
	if p := recover(); p != nil {
		c.log.Error("the storage driver panicked", "operation", op, "path", path, "panic", p, "stack", string(debug.Stack()))
		*err = fmt.Errorf("the storage driver panicked in %s: %v", op, p)
	}
}

func (c calm) GetContent(ctx context.Context, path string) (content []byte, err error) {
	defer c.catch("GetContent", path, &err)
	return c.StorageDriver.GetContent(ctx, path)
}

func (c calm) PutContent(ctx context.Context, path string, content []byte) (err error) {
	defer c.catch("PutContent", path, &err)
	return c.StorageDriver.PutContent(ctx, path, content)
}

// Reader returns a file as it is, which the kernel can send.
func (c calm) Reader(ctx context.Context, path string, offset int64) (r io.ReadCloser, err error) {
	defer c.catch("Reader", path, &err)
	r, err = c.StorageDriver.Reader(ctx, path, offset)
	if _, isFile := r.(io.ReadSeekCloser); isFile || err != nil {
		return r, err
	}
	return &calmReader{r, c, path}, nil
}

func (c calm) Writer(ctx context.Context, path string, resume bool) (w storagedriver.FileWriter, err error) {
	defer c.catch("Writer", path, &err)
	w, err = c.StorageDriver.Writer(ctx, path, resume)
	if err != nil {
		return nil, err
	}
	return &calmWriter{w, c, path}, nil
}

func (c calm) Stat(ctx context.Context, path string) (info storagedriver.FileInfo, err error) {
	defer c.catch("Stat", path, &err)
	return c.StorageDriver.Stat(ctx, path)
}

func (c calm) List(ctx context.Context, path string) (paths []string, err error) {
	defer c.catch("List", path, &err)
	return c.StorageDriver.List(ctx, path)
}

func (c calm) Move(ctx context.Context, from, to string) (err error) {
	defer c.catch("Move", to, &err)
	return c.StorageDriver.Move(ctx, from, to)
}

func (c calm) Delete(ctx context.Context, path string) (err error) {
	defer c.catch("Delete", path, &err)
	return c.StorageDriver.Delete(ctx, path)
}

func (c calmDisk) Publish(ctx context.Context, from, to string, paths []string, contents [][]byte) (err error) {
	defer c.catch("Publish", to, &err)
	return c.publisher.Publish(ctx, from, to, paths, contents)
}

func (c calmService) DeleteFile(ctx context.Context, path string) (err error) {
	defer c.catch("DeleteFile", path, &err)
	return c.fileDeleter.DeleteFile(ctx, path)
}

type calmReader struct {
	io.ReadCloser
	calm calm
	path string
}

func (r *calmReader) Read(p []byte) (n int, err error) {
	defer r.calm.catch("Read", r.path, &err)
	return r.ReadCloser.Read(p)
}

func (r *calmReader) Close() (err error) {
	defer r.calm.catch("Close", r.path, &err)
	return r.ReadCloser.Close()
}

type calmWriter struct {
	storagedriver.FileWriter
	calm calm
	path string
}

func (w *calmWriter) Write(p []byte) (n int, err error) {
	defer w.calm.catch("Write", w.path, &err)
	return w.FileWriter.Write(p)
}

func (w *calmWriter) Commit(ctx context.Context) (err error) {
	defer w.calm.catch("Commit", w.path, &err)
	return w.FileWriter.Commit(ctx)
}

func (w *calmWriter) Close() (err error) {
	defer w.calm.catch("Close", w.path, &err)
	return w.FileWriter.Close()
}

func (w *calmWriter) Cancel(ctx context.Context) (err error) {
	defer w.calm.catch("Cancel", w.path, &err)
	return w.FileWriter.Cancel(ctx)
}

package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// remote repairs what distribution's drivers for services have in common:
//
//   - They wait for a service for ever, or for minutes. Here every wait has an end.
//   - Their errors do not unwrap, so that nobody can tell a service that is down
//     from a bug. See explain.
//   - Their lists come in any order, and a Walk of what is missing is fine to some.
//   - Their writers have faults of their own: see remoteWriter.
type remote struct {
	storagedriver.StorageDriver
	place   string            // for messages
	answer  func(error) reply // what the service said, if it did; nil where there is no service
	hints   map[string]string // code of a reply → what to do
	abandon abandoner         // nil where nothing is hidden
}

// reply is how a service refused something.
type reply struct {
	status int    // of HTTP; 0 when nothing came back
	code   string // of the service, or of the client's library
	local  bool   // the client's library refused it, before it asked the service
}

// refusal is the error of a reply in one line, where those of the clients' libraries
// take many.
type refusal struct {
	reply
	cause error
}

// Error implements error.
func (r refusal) Error() string { return fmt.Sprintf("%s (HTTP %d)", r.code, r.status) }

// Unwrap returns what the client's library made of it.
func (r refusal) Unwrap() error { return r.cause }

// GetContent implements storagedriver.StorageDriver.
func (r *remote) GetContent(ctx context.Context, path string) ([]byte, error) {
	p := newPatience(ctx, callLimit)
	defer p.end()
	var content []byte
	err := p.wait(func() (err error) {
		content, err = r.StorageDriver.GetContent(p, path)
		return err
	})
	return content, r.explain(p, err)
}

// PutContent implements storagedriver.StorageDriver.
func (r *remote) PutContent(ctx context.Context, path string, content []byte) error {
	p := newPatience(ctx, callLimit)
	defer p.end()
	return r.explain(p, p.wait(func() error { return r.StorageDriver.PutContent(p, path, content) }))
}

// Reader implements storagedriver.StorageDriver.
func (r *remote) Reader(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	p := newPatience(ctx, callLimit)
	var body io.ReadCloser
	err := p.wait(func() (err error) {
		body, err = r.StorageDriver.Reader(p, path, offset)
		return err
	})
	if err != nil {
		defer p.end()
		return nil, r.explain(p, err)
	}
	return &remoteReader{body: body, patience: p, remote: r}, nil
}

// Writer implements storagedriver.StorageDriver. The upload outlives ctx: when a
// client goes away, Close still stores what it had sent.
func (r *remote) Writer(ctx context.Context, path string, resume bool) (storagedriver.FileWriter, error) {
	p := newPatience(context.WithoutCancel(ctx), longLimit)
	var inner storagedriver.FileWriter
	err := p.wait(func() (err error) {
		inner, err = r.StorageDriver.Writer(p, path, resume)
		return err
	})
	if err != nil {
		defer p.end()
		return nil, r.explain(p, err)
	}
	return &remoteWriter{inner: inner, patience: p, remote: r, path: path, size: inner.Size()}, nil
}

// Stat implements storagedriver.StorageDriver.
func (r *remote) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	p := newPatience(ctx, callLimit)
	defer p.end()
	var info storagedriver.FileInfo
	err := p.wait(func() (err error) {
		info, err = r.StorageDriver.Stat(p, path)
		return err
	})
	return info, r.explain(p, err)
}

// List implements storagedriver.StorageDriver. The paths are sorted.
func (r *remote) List(ctx context.Context, path string) ([]string, error) {
	p := newPatience(ctx, dataLimit)
	defer p.end()
	var paths []string
	err := p.wait(func() (err error) {
		paths, err = r.StorageDriver.List(p, path)
		return err
	})
	if err != nil {
		return nil, r.explain(p, err)
	}
	// Tools that show buckets as directories leave objects like "dir/".
	paths = slices.DeleteFunc(paths, func(path string) bool { return strings.HasSuffix(path, "/") })
	slices.Sort(paths)
	return paths, nil
}

// Move implements storagedriver.StorageDriver: a copy within the service, and
// then the removal of the source.
func (r *remote) Move(ctx context.Context, sourcePath, destPath string) error {
	p := newPatience(ctx, longLimit)
	defer p.end()
	return r.explain(p, p.wait(func() error { return r.StorageDriver.Move(p, sourcePath, destPath) }))
}

// Delete implements storagedriver.StorageDriver. It takes a request for each
// object or thousand objects: when it fails, some may be gone.
func (r *remote) Delete(ctx context.Context, path string) error {
	p := newPatience(ctx, longLimit)
	defer p.end()
	return r.explain(p, p.wait(func() error { return r.StorageDriver.Delete(p, path) }))
}

// fileDeleter is a driver that deletes a file without looking for what may be
// below it.
type fileDeleter interface {
	deleteFile(ctx context.Context, path string) error
}

// DeleteFile deletes one file in one request, where Delete takes several to look
// for a directory. What is missing is deleted as well.
func (r *remote) DeleteFile(ctx context.Context, path string) error {
	d, ok := r.StorageDriver.(fileDeleter)
	if !ok {
		err := r.Delete(ctx, path)
		if errors.As(err, new(storagedriver.PathNotFoundError)) {
			return nil
		}
		return err
	}
	p := newPatience(ctx, callLimit)
	defer p.end()
	return r.explain(p, p.wait(func() error { return d.deleteFile(p, path) }))
}

// Walk implements storagedriver.StorageDriver.
func (r *remote) Walk(ctx context.Context, path string, f storagedriver.WalkFn, options ...func(*storagedriver.WalkOptions)) error {
	p := newPatience(ctx, dataLimit)
	defer p.end()
	var seen bool
	var stopped error // what f returned to end the walk
	err := p.wait(func() error {
		return r.StorageDriver.Walk(p, path, func(info storagedriver.FileInfo) error {
			p.pause()
			defer p.resume()
			seen = true
			err := f(info)
			if !errors.Is(err, storagedriver.ErrSkipDir) && !errors.Is(err, storagedriver.ErrFilledBuffer) {
				stopped = err
			}
			return err
		}, options...)
	})
	switch {
	case stopped != nil:
		return stopped
	case err == nil && !seen && len(options) == 0 && path != "/":
		return storagedriver.PathNotFoundError{Path: path, DriverName: r.Name()}
	}
	return r.explain(p, err)
}

// explain takes an error out of what hides it, and says whether it is one of the
// service being unavailable.
func (r *remote) explain(ctx context.Context, err error) error {
	for {
		hidden, ok := err.(storagedriver.Error)
		if !ok {
			break
		}
		err = hidden.Detail
	}
	switch err.(type) {
	case nil, storagedriver.PathNotFoundError, storagedriver.InvalidPathError,
		storagedriver.InvalidOffsetError, storagedriver.ErrUnsupportedMethod:
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return fmt.Errorf("%s: %w: %w", r.place, ErrUnavailable, cause)
	} else if cause != nil {
		return fmt.Errorf("%s: %w", r.place, cause) // who asked has given up
	}
	if r.answer == nil {
		return fmt.Errorf("%s: %w", r.place, err)
	}
	said := r.answer(err)
	if said.status != 0 && said.code != "" {
		err = refusal{reply: said, cause: err}
	}
	if hint, ok := r.hints[said.code]; ok {
		return fmt.Errorf("%s: %w: %s", r.place, err, hint)
	}
	// What is not known to be an answer of the service is taken for the lack of
	// one: the driver for Azure turns some causes into text.
	if said.status >= 500 || said.status == 429 || said.status == 408 || said.status == 0 && !said.local {
		return fmt.Errorf("%s: %w: %w", r.place, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", r.place, err)
}

// remoteReader reads the body of a response, within bounds between two reads.
type remoteReader struct {
	body     io.ReadCloser
	patience *patience
	remote   *remote
}

// Read implements io.Reader.
func (r *remoteReader) Read(p []byte) (n int, err error) {
	err = r.patience.wait(func() error {
		n, err = r.body.Read(p)
		return err
	})
	if err == io.EOF {
		return n, err
	}
	return n, r.remote.explain(r.patience, err)
}

// Close implements io.Closer.
func (r *remoteReader) Close() error {
	defer r.patience.end()
	return r.body.Close()
}

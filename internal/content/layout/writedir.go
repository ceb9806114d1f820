package layout

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/filelock"
	"github.com/berth-oci/berth/internal/base/oci"
)

// lockFile is locked while index.json is changed. It stays, so that all who
// change it lock the same file.
const lockFile = ".berth.lock"

// lockPatience is how long another may take to change index.json, which takes
// it milliseconds.
const lockPatience = time.Minute

// dirOutput is an OCI layout in a directory. Files appear in it whole, blobs
// before what names them, so that the end of a process at any time leaves a
// layout. Of all files index.json alone is synced: it lists what others have put
// there, while blobs that a power cut has taken are put again by the next copy,
// which verifies what it finds. Any number of processes may write to it.
type dirOutput struct {
	path string
	note func(ocispec.Descriptor, *oci.Manifest)

	mu    sync.Mutex
	root  *os.Root                // nil until the directory is there
	inUse *filelock.Lock          // of the directory, shared by those who write to it; nil where it cannot be locked
	ready map[string]bool         // directories that are there
	whole map[digest.Digest]int64 // sizes of blobs that were verified
}

// newDirOutput makes nothing yet: who has nothing to write leaves nothing.
func newDirOutput(path string, note func(ocispec.Descriptor, *oci.Manifest)) (*dirOutput, error) {
	o := &dirOutput{path: path, note: note, ready: map[string]bool{}, whole: map[digest.Digest]int64{}}
	list, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, nil
	case err != nil:
		if info, bad := os.Stat(path); bad == nil && !info.IsDir() {
			return nil, diag.Errorf(diag.TargetExists, "%s exists and is not a directory", path).WithHint("choose another path")
		}
		return nil, unreadable(path, err)
	}
	if o.root, err = os.OpenRoot(path); err != nil {
		return nil, unreadable(path, err)
	}
	o.sweep(list)
	if err = o.use(); err == nil {
		err = o.check(list)
	}
	if err != nil {
		o.discard()
		return nil, err
	}
	return o, nil
}

// sweep removes what killed processes left: where nobody writes to the directory
// now, everything that is not whole.
func (o *dirOutput) sweep(list []os.DirEntry) {
	if !slices.ContainsFunc(list, isPart) {
		return
	}
	left := abandoned
	if lock, err := filelock.TryDir(o.path); lock != nil && err == nil {
		defer lock.Release()
		left = isPart
	}
	for _, e := range list {
		if left(e) {
			_ = o.root.Remove(e.Name())
		}
	}
}

// use tells others that somebody writes to the directory.
func (o *dirOutput) use() (err error) {
	wait, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	o.inUse, err = filelock.ShareDir(wait, o.path)
	switch {
	case err == nil || errors.Is(err, errors.ErrUnsupported):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return locked(o.path)
	}
	return unwritable(o.path, err)
}

// check fails unless the directory holds a layout, or nothing but what begins
// one.
func (o *dirOutput) check(list []os.DirEntry) error {
	other := false
	for _, e := range list {
		other = other || !strings.HasPrefix(e.Name(), ".berth")
	}
	if !other {
		return nil
	}
	if _, err := o.root.Lstat(ocispec.ImageLayoutFile); errors.Is(err, fs.ErrNotExist) {
		return diag.Errorf(diag.TargetExists, "%s holds something else than an OCI layout", o.path).WithHint("choose another directory")
	}
	_, err := o.index()
	return err
}

// index reads index.json; an empty one when there is none yet.
func (o *dirOutput) index() (*ocispec.Index, error) {
	if _, err := o.root.Lstat(ocispec.ImageIndexFile); errors.Is(err, fs.ErrNotExist) {
		return &ocispec.Index{}, nil
	}
	return readIndex(o.path, &dirTree{o.root})
}

// prepare makes the directories of a file, and marks the layout as one.
func (o *dirOutput) prepare(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.root == nil {
		err := os.Mkdir(o.path, 0o777)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if o.root, err = os.OpenRoot(o.path); err != nil {
			return err
		}
		if err := o.use(); err != nil {
			return err
		}
	}
	if !o.ready["."] {
		if _, err := o.root.Lstat(ocispec.ImageLayoutFile); err != nil {
			if err := o.write(ocispec.ImageLayoutFile, writeAll(o.path, layoutVersion())); err != nil {
				return err
			}
		}
		o.ready["."] = true
	}
	for dir := path.Dir(name); !o.ready[dir]; dir = path.Dir(dir) {
		if err := o.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		o.ready[dir] = true
	}
	return nil
}

// writeAll returns what writes data to a file of the given name.
func writeAll(name string, data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := w.Write(data); err != nil {
			return unwritable(name, err)
		}
		return nil
	}
}

// layoutVersion is the content of oci-layout.
func layoutVersion() []byte {
	return []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`)
}

// write replaces a file in one step, unless fill fails.
func (o *dirOutput) write(name string, fill func(io.Writer) error) error {
	temp := tempName()
	f, err := o.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return unwritable(filepath.Join(o.path, name), err)
	}
	if err := fill(f); err != nil {
		f.Close()
		_ = o.root.Remove(temp)
		return err
	}
	if name == ocispec.ImageIndexFile {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = o.root.Rename(temp, name)
	}
	if err == nil {
		return nil
	}
	_ = o.root.Remove(temp)
	return unwritable(filepath.Join(o.path, name), err)
}

// has verifies what is there, once.
func (o *dirOutput) has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	o.mu.Lock()
	root := o.root
	size, whole := o.whole[d.Digest]
	o.mu.Unlock()
	if root == nil || whole {
		return whole && size == d.Size, nil
	}
	file, err := (&dirTree{root}).file(blobName(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	if file.size != d.Size {
		return false, nil
	}
	v := newVerified(ctx, file.reader(), d)
	if err := v.finish(); err != nil {
		if bad, ok := errors.AsType[*diag.Diagnostic](err); ok && bad.Code == diag.DigestMismatch {
			return false, nil // and what is put replaces it
		}
		if ctx.Err() != nil {
			return false, err
		}
		return false, unreadable(filepath.Join(o.path, blobName(d.Digest)), err)
	}
	if oci.IsManifest(d.MediaType) {
		if err := o.found(d, file); err != nil {
			return false, err
		}
	}
	o.keep(d)
	return true, nil
}

// found notes a manifest that is there already.
func (o *dirOutput) found(d ocispec.Descriptor, file extent) error {
	if d.Size > oci.MaxManifest {
		return tooLarge(d)
	}
	data, err := io.ReadAll(file.reader())
	if err != nil {
		return unreadable(o.path, err)
	}
	m, err := parse(d.Digest, data)
	if err != nil {
		return err
	}
	o.note(d, m)
	return nil
}

func (o *dirOutput) keep(d ocispec.Descriptor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.whole[d.Digest] = d.Size
}

func (o *dirOutput) blob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	if ok, err := o.has(ctx, d); ok || err != nil {
		return err
	}
	name := filepath.Join(o.path, blobName(d.Digest))
	return o.put(d, func(w io.Writer) error { return copyVerified(ctx, w, name, d, open) })
}

func (o *dirOutput) manifest(ctx context.Context, d ocispec.Descriptor, _ *oci.Manifest, data []byte) error {
	if ok, err := o.has(ctx, d); ok || err != nil {
		return err
	}
	return o.put(d, writeAll(o.path, data))
}

func (o *dirOutput) put(d ocispec.Descriptor, fill func(io.Writer) error) error {
	name := blobName(d.Digest)
	if err := o.prepare(name); err != nil {
		return o.fault(name, err)
	}
	if err := o.write(name, fill); err != nil {
		return err
	}
	o.keep(d)
	return nil
}

// fault explains what cannot be made.
func (o *dirOutput) fault(name string, err error) error {
	if _, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return err
	}
	return unwritable(filepath.Join(o.path, name), err)
}

// finish changes index.json. Others do so at the same time: each reads what the
// one before it wrote.
func (o *dirOutput) finish(l listing) (err error) {
	if err := o.prepare(ocispec.ImageBlobsDir + "/" + digest.SHA256.String() + "/-"); err != nil {
		return o.fault("", err)
	}
	unlock, err := o.lock()
	if err != nil {
		return err
	}
	defer unlock()
	index, err := o.index()
	if err != nil {
		return err
	}
	merge(index, l.tags, l.untagged)
	data, err := encodeIndex(o.path, index)
	if err != nil {
		return err
	}
	return o.write(ocispec.ImageIndexFile, writeAll(o.path, data))
}

func (o *dirOutput) lock() (unlock func(), err error) {
	name := filepath.Join(o.path, lockFile)
	if info, err := o.root.Lstat(lockFile); err == nil && !info.Mode().IsRegular() {
		return nil, unsafe(o.path, lockFile, "is not a file")
	}
	wait, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	l, err := filelock.Wait(wait, name, 0o666)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, locked(name)
	}
	if err != nil {
		return nil, unwritable(name, err)
	}
	return l.Release, nil
}

func locked(name string) error {
	return diag.Errorf(diag.Busy, "another process has kept %s locked for %v", name, lockPatience).WithHint("end that process, or wait for it")
}

func (o *dirOutput) discard() {
	if o.root != nil {
		o.root.Close()
	}
	if o.inUse != nil {
		o.inUse.Release()
	}
}

package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

const (
	fileMode = 0o600
	dirMode  = 0o700

	// workDir is the directory at the root for what has no name yet, or no longer.
	// It is on the root's file system so that a rename can give or take the name,
	// and no path of the driver leads into it.
	workDir = ".berth-tmp"

	// leftoverAge tells what a killed process left in workDir from what another
	// process on the same root is at.
	leftoverAge = time.Hour
)

// Filesystem is a storage driver on a local directory, with the same layout as
// distribution's own filesystem driver, so that either reads what the other
// wrote. Unlike that one it keeps what it acknowledged through a power cut:
//
//   - PutContent, Move and Delete are atomic, and on the disk when they return,
//     with the names of all directories that lead there.
//   - The Commit of a writer puts the bytes on the disk, and leaves the name to
//     Move. Its Close without Commit keeps the bytes through the death of the
//     process only.
//
// Readers are *os.File, so that the kernel can send them. Errors are those that
// storagedriver documents, else they wrap the errno: errors.Is(err,
// syscall.ENOSPC) works. It is safe for concurrent use, and takes no lock around
// anything that waits for the disk.
type Filesystem struct {
	root  string
	fresh fresh
}

// NewFilesystem returns a driver on the directory root, which it makes if need
// be. It removes what a killed process left half-written there.
func NewFilesystem(root string) (*Filesystem, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	d, work := &Filesystem{root: root}, filepath.Join(root, workDir)
	if err := d.fresh.mkdirAll(work); err != nil {
		return nil, err
	}
	if err := d.fresh.settle(work); err != nil {
		return nil, err
	}
	leftovers, err := os.ReadDir(work)
	if err != nil {
		return nil, err
	}
	for _, entry := range leftovers {
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()).Abs() < leftoverAge {
			continue
		}
		if err := os.RemoveAll(filepath.Join(work, entry.Name())); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Name implements storagedriver.StorageDriver.
func (d *Filesystem) Name() string { return "filesystem" }

// GetContent implements storagedriver.StorageDriver.
func (d *Filesystem) GetContent(ctx context.Context, subPath string) ([]byte, error) {
	name, err := d.local(ctx, subPath)
	if err != nil {
		return nil, err
	}
	content, err := readFile(name)
	return content, d.notFound(err, subPath)
}

// readFile returns the content of a file, which is only ever replaced and so has the
// size that it had. It takes no more memory than that: much of it is remembered.
func readFile(name string) ([]byte, error) {
	file, err := open(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EISDIR}
	}
	content := make([]byte, info.Size())
	n, err := io.ReadFull(file, content)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // it became shorter
		err = nil
	}
	return content[:n], err
}

// PutContent implements storagedriver.StorageDriver. After an error the old
// content is still there, and nothing else.
func (d *Filesystem) PutContent(ctx context.Context, subPath string, content []byte) error {
	name, err := d.local(ctx, subPath)
	if err != nil {
		return err
	}
	temp := d.workName()
	defer os.Remove(temp)
	if err := writeSynced(temp, content); err != nil {
		return err
	}
	if err := d.rename(temp, name); err != nil {
		return err
	}
	return d.fresh.settle(name)
}

// Reader implements storagedriver.StorageDriver.
func (d *Filesystem) Reader(ctx context.Context, subPath string, offset int64) (io.ReadCloser, error) {
	name, err := d.local(ctx, subPath)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, storagedriver.InvalidOffsetError{Path: subPath, Offset: offset, DriverName: d.Name()}
	}
	file, err := open(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, d.notFound(err, subPath)
	}
	if offset > 0 {
		if _, err := file.Seek(offset, io.SeekStart); err != nil {
			file.Close()
			return nil, err
		}
	}
	return file, nil
}

// Writer implements storagedriver.StorageDriver. With resume the path must exist:
// an upload that was removed does not come back as an empty one.
func (d *Filesystem) Writer(ctx context.Context, subPath string, resume bool) (storagedriver.FileWriter, error) {
	name, err := d.local(ctx, subPath)
	if err != nil {
		return nil, err
	}
	flag := os.O_WRONLY
	if !resume {
		flag |= os.O_CREATE | os.O_TRUNC
		if err := d.fresh.mkdirAll(filepath.Dir(name)); err != nil {
			return nil, err
		}
	}
	file, err := open(name, flag, fileMode)
	if err != nil {
		return nil, d.notFound(err, subPath)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &fileWriter{file: file, size: size, begun: size}, nil
}

// Stat implements storagedriver.StorageDriver.
func (d *Filesystem) Stat(ctx context.Context, subPath string) (storagedriver.FileInfo, error) {
	name, err := d.localOrRoot(ctx, subPath)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, d.notFound(err, subPath)
	}
	fields := storagedriver.FileInfoFields{Path: subPath, ModTime: info.ModTime(), IsDir: info.IsDir()}
	if !fields.IsDir {
		fields.Size = info.Size()
	}
	return storagedriver.FileInfoInternal{FileInfoFields: fields}, nil
}

// List implements storagedriver.StorageDriver. The paths are sorted.
func (d *Filesystem) List(ctx context.Context, subPath string) ([]string, error) {
	name, err := d.localOrRoot(ctx, subPath)
	if err != nil {
		return nil, err
	}
	names, err := readNames(name)
	if errors.Is(err, syscall.ENOTDIR) { // it is not found, but not because nothing is there
		return nil, errors.Join(d.notFound(err, subPath), err)
	}
	if err != nil {
		return nil, d.notFound(err, subPath)
	}
	paths := names[:0]
	above := strings.TrimSuffix(path.Clean(subPath), "/") + "/"
	for _, name := range names {
		if subPath != "/" || name != workDir {
			paths = append(paths, above+name)
		}
	}
	return paths, nil
}

// readNames returns what is in a directory, in byte order. os.ReadDir would make an
// object of each, and there may be very many.
func readNames(dir string) ([]string, error) {
	file, err := open(dir, os.O_RDONLY|onlyDirectory, 0) // a pipe would never open
	if err != nil {
		return nil, err
	}
	defer file.Close()
	names, err := file.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Move implements storagedriver.StorageDriver. What the file holds must have been
// committed; Move puts the name on the disk.
func (d *Filesystem) Move(ctx context.Context, sourcePath, destPath string) error {
	source, err := d.local(ctx, sourcePath)
	if err != nil {
		return err
	}
	dest, err := d.local(ctx, destPath)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(source); err != nil { // before directories are made for it
		return d.notFound(err, sourcePath)
	}
	if err := d.rename(source, dest); err != nil {
		return err
	}
	return d.fresh.settle(dest)
}

// Delete implements storagedriver.StorageDriver. A directory is gone in one step,
// so that nobody meets, or is left with, half of it.
func (d *Filesystem) Delete(ctx context.Context, subPath string) error {
	name, err := d.local(ctx, subPath)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(name); err != nil {
		return d.notFound(err, subPath)
	}
	doomed, now := d.workName(), d.fresh.now()
	if err := os.Rename(name, doomed); errors.Is(err, syscall.EXDEV) {
		doomed = name // another file system is mounted below the root
	} else if err != nil {
		return d.notFound(err, subPath)
	}
	d.fresh.forget(name, now)
	synced := syncDir(filepath.Dir(name))
	// A rename that had looked its directory up before ours still ends in it.
	const tries = 3
	gone := os.RemoveAll(doomed)
	for range tries {
		if !errors.Is(gone, syscall.ENOTEMPTY) {
			break
		}
		gone = os.RemoveAll(doomed)
	}
	return errors.Join(synced, gone)
}

// RedirectURL implements storagedriver.StorageDriver: there is none.
func (d *Filesystem) RedirectURL(*http.Request, string) (string, error) { return "", nil }

// Walk implements storagedriver.StorageDriver, in the order of List.
func (d *Filesystem) Walk(ctx context.Context, subPath string, f storagedriver.WalkFn, options ...func(*storagedriver.WalkOptions)) error {
	return storagedriver.WalkFallback(ctx, d, subPath, f, options...)
}

// local returns the file that a path of the driver stands for. No path leads out
// of the root, or into workDir.
func (d *Filesystem) local(ctx context.Context, subPath string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if len(subPath) < 2 || subPath[0] != '/' {
		return "", storagedriver.InvalidPathError{Path: subPath, DriverName: d.Name()}
	}
	name, err := filepath.Localize(subPath[1:])
	first, _, _ := strings.Cut(subPath[1:], "/")
	if err != nil || name == "." || first == workDir {
		return "", storagedriver.InvalidPathError{Path: subPath, DriverName: d.Name()}
	}
	return filepath.Join(d.root, name), nil
}

// localOrRoot is local for what may also be asked of the root.
func (d *Filesystem) localOrRoot(ctx context.Context, subPath string) (string, error) {
	if subPath == "/" {
		return d.root, ctx.Err()
	}
	return d.local(ctx, subPath)
}

// workName returns a new name in workDir.
func (d *Filesystem) workName() string {
	return filepath.Join(d.root, workDir, rand.Text())
}

// rename gives a file a name in a directory that it makes if need be. A directory
// that was deleted in between is made again.
func (d *Filesystem) rename(from, to string) error {
	const tries = 3
	var err error
	for range tries {
		if err := d.fresh.mkdirAll(filepath.Dir(to)); err != nil {
			return err
		}
		if err = os.Rename(from, to); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// notFound turns the errors of the system that mean that a path does not exist
// into the driver's. Below a file there is nothing either.
func (d *Filesystem) notFound(err error, subPath string) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return storagedriver.PathNotFoundError{Path: subPath, DriverName: d.Name()}
	}
	return err
}

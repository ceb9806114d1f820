package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// fresh knows the directories made by this process whose names may not be on the
// disk yet. A file that is to outlive a power cut needs the names of all
// directories that lead to it there, also of those that another goroutine made a
// moment ago and has not synced. To sync after everything has its name, and not
// after each mkdir, lets a journal take all of it in one commit.
type fresh struct {
	mu   sync.Mutex
	made uint64            // so far
	dirs map[string]uint64 // → made when it was made
}

// mkdirAll makes a directory and those above it. A directory is on record before
// it exists, so that nobody can meet one that is not.
func (f *fresh) mkdirAll(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.mkdirAll(filepath.Dir(dir)); err != nil {
		return err
	}
	f.add(dir)
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.makeRoom()
}

// maxFresh bounds the directories on record: those of uploads that are given up
// are never settled.
const maxFresh = 4096

// makeRoom puts the name of a directory on the disk when there are too many on
// record.
func (f *fresh) makeRoom() error {
	for dir, made := range f.surplus() {
		// One that is on record and does not exist is just being made.
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return err
		}
		f.synced(dir, made)
		break
	}
	return nil
}

// surplus returns some directories on record, none unless there are too many.
func (f *fresh) surplus() map[string]uint64 {
	const some = 8
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.dirs) <= maxFresh {
		return nil
	}
	found := make(map[string]uint64, some)
	for dir, made := range f.dirs {
		if len(found) == some {
			break
		}
		found[dir] = made
	}
	return found
}

// settle returns once a name, and the names of all directories that lead to it,
// are on the disk.
func (f *fresh) settle(name string) error {
	dir := filepath.Dir(name)
	if err := syncDir(dir); err != nil {
		return err
	}
	// All the way up: of a fresh directory the one above may be fresh too, even
	// when the one below no longer is.
	for above := filepath.Dir(dir); above != dir; dir, above = above, filepath.Dir(above) {
		if made := f.when(dir); made != 0 {
			if err := syncDir(above); err != nil {
				return err
			}
			f.synced(dir, made)
		}
	}
	return nil
}

func (f *fresh) add(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs == nil {
		f.dirs = make(map[string]uint64)
	}
	f.made++
	f.dirs[dir] = f.made
}

// when returns 0 for a directory whose name is on the disk.
func (f *fresh) when(dir string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dirs[dir]
}

// synced takes a directory off the record, unless it was made again since.
func (f *fresh) synced(dir string, made uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs[dir] == made {
		delete(f.dirs, dir)
	}
}

// now tells what was made until now from what is made later.
func (f *fresh) now() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made
}

// forget takes a deleted directory, and all below it, off the record, as far as
// they were made until then.
func (f *fresh) forget(dir string, then uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, made := range f.dirs {
		if made <= then && (name == dir || strings.HasPrefix(name, dir+string(filepath.Separator))) {
			delete(f.dirs, name)
		}
	}
}

// syncDir puts the names in a directory on the disk. What is in a directory that
// is gone was deleted after it was written.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such call; NTFS keeps names in its journal
	}
	file, err := open(dir, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // some network and FUSE file systems sync no directories
	}
	return err
}

// writeSynced makes a file whose content is on the disk when it returns.
func writeSynced(name string, content []byte) error {
	file, err := open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(content); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// Package regular reads regular files, and nothing that only looks like one: a
// pipe that nobody writes to, a device without end, a file that memory cannot
// hold. It is for files that a config, a directory or an archive names. Links
// are followed; an os.Root says how far.
package regular

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// LimitError is a file that is larger, or a directory that holds more, than who
// reads it allows.
type LimitError struct{ Limit int64 } // in bytes or entries

func (e *LimitError) Error() string { return fmt.Sprintf("it is larger than %d", e.Limit) }

// KindError is something else than a regular file.
type KindError struct{ Mode fs.FileMode }

func (e *KindError) Error() string { return "it is " + Kind(e.Mode) + ", not a file" }

// Kind names what has a mode, with its article.
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a special file"
}

// Open opens a regular file for reading and never waits. The error is an
// *fs.PathError, around a *KindError for what is no regular file.
func Open(name string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(name) // before opening, which does things to some devices
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: failed.Err}
	}
	if err == nil {
		err = check(name, info)
	}
	if err != nil {
		return nil, nil, err
	}
	return open(name, os.OpenFile)
}

// OpenIn is Open for a file in a directory, out of which no name and no link in
// it leads. To devices there it may do more than Open.
func OpenIn(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	return open(name, root.OpenFile)
}

// Read returns the content of a regular file of at most limit bytes. The error is
// that of Open, or an *fs.PathError around a *LimitError.
func Read(name string, limit int64) ([]byte, error) {
	f, info, err := Open(name)
	if err != nil {
		return nil, err
	}
	return read(f, name, info.Size(), limit)
}

// maxSmall is far above any list of users or bundle of certificates, in bytes.
const maxSmall = 16 << 20

// ReadSmall is Read for files of a few lines or pages that a config names:
// passwords, tokens, keys, certificates. They may have 16 MiB.
func ReadSmall(name string) ([]byte, error) { return Read(name, maxSmall) }

// KeyPair is tls.LoadX509KeyPair with ReadSmall.
func KeyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := ReadSmall(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ReadSmall(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// ReadIn is Read for a file in a directory, as OpenIn is Open.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, info, err := OpenIn(root, name)
	if err != nil {
		return nil, err
	}
	return read(f, name, info.Size(), limit)
}

// ReadAny returns at most limit bytes of whatever has a name that the user gave,
// a pipe and a device too: who names one means it. It waits for a pipe.
func ReadAny(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return read(f, name, info.Size(), limit)
}

// ReadDir returns the entries of a directory, sorted by name. Its error is that of
// os.ReadDir, or an *fs.PathError around a *LimitError where there are more than
// limit.
func ReadDir(name string, limit int) ([]fs.DirEntry, error) {
	f, err := os.OpenFile(name, directory, 0)
	return entries(f, err, name, limit)
}

// ReadDirIn is ReadDir for a directory in another one, as OpenIn is Open.
func ReadDirIn(root *os.Root, name string, limit int) ([]fs.DirEntry, error) {
	f, err := root.OpenFile(name, directory, 0)
	return entries(f, err, name, limit)
}

func entries(f *os.File, err error, name string, limit int) ([]fs.DirEntry, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.ReadDir(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(list) > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: &LimitError{int64(limit)}}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, nil
}

type opener func(name string, flag int, mode fs.FileMode) (*os.File, error)

func open(name string, openFile opener) (*os.File, fs.FileInfo, error) {
	f, err := openFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = check(name, info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func check(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: name, Err: &KindError{info.Mode()}}
}

// read reads and closes a file. What says nothing of its size is bounded all the
// same, as are files that grow.
func read(f *os.File, name string, size, limit int64) ([]byte, error) {
	defer f.Close()
	tooLarge := &fs.PathError{Op: "read", Path: name, Err: &LimitError{limit}}
	if size > limit {
		return nil, tooLarge
	}
	var data bytes.Buffer
	data.Grow(int(size) + bytes.MinRead)
	n, err := data.ReadFrom(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, tooLarge
	}
	return data.Bytes(), nil
}

// IsLimit reports whether an error is that of a file which is too large.
func IsLimit(err error) bool {
	_, ok := errors.AsType[*LimitError](err)
	return ok
}

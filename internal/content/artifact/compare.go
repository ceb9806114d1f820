package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// SameTree reports whether two directories hold the same names, contents,
// executable bits and link targets.
func SameTree(a, b string) (bool, error) {
	with, err := openDir(b)
	if err != nil {
		return false, err
	}
	c := &compared{beneath: with}
	defer c.close()
	all := names{}
	err = filepath.WalkDir(a, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == a {
			return err
		}
		rel, err := filepath.Rel(a, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		all[fold(rel)] = entryName{path: rel}
		return c.entry(rel, name, entry)
	})
	if err == nil {
		err = c.finish(all)
	}
	if errors.Is(err, errDiffer) {
		return false, nil
	}
	return err == nil, err
}

// errDiffer ends a comparison; no caller sees it.
var errDiffer = errors.New("trees differ")

// compared is a tree that is there, and is to be what it would be made. What must
// be there is looked for as it comes, and what must not be in the end. It fails with
// errDiffer, and where it cannot be read.
type compared struct {
	beneath
	buf, copied []byte
}

// entry compares what is there with an entry of another directory.
func (c *compared) entry(name, other string, entry fs.DirEntry) error {
	switch {
	case entry.IsDir():
		return c.dirs(name)
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(other)
		if err != nil {
			return err
		}
		return c.symlink(name, target)
	}
	f, err := os.Open(other)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.holds(name, f)
}

// lstat looks at an entry that has to be of a type, and never through a link. The
// parent is to be used before the next entry.
func (c *compared) lstat(name string, typ fs.FileMode) (parent *os.Root, info fs.FileInfo, err error) {
	parent, err = c.above(name)
	if err == nil {
		info, err = parent.Lstat(path.Base(name))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Type() != typ:
		return nil, nil, errDiffer
	case err != nil:
		return nil, nil, cannotCompare(name, err)
	}
	return parent, info, nil
}

func cannotCompare(name string, err error) error {
	return fmt.Errorf("cannot compare %s: %w", name, err)
}

func (c *compared) dir(name string, _ fs.FileMode) error { return c.dirs(name) }

// dirs looks at the last of the directories, and leaves the others to finish.
func (c *compared) dirs(name string) error {
	_, _, err := c.lstat(name, fs.ModeDir)
	return err
}

func (c *compared) file(name string, mode fs.FileMode, size int64) (io.WriteCloser, error) {
	parent, info, err := c.lstat(name, 0)
	if err != nil {
		return nil, err
	}
	if info.Size() != size || info.Mode()&0o111 == 0 != (mode&0o111 == 0) {
		return nil, errDiffer
	}
	f, err := parent.Open(path.Base(name))
	if err != nil {
		return nil, cannotCompare(name, err)
	}
	if c.buf == nil {
		c.buf = make([]byte, 64<<10)
	}
	return &expected{file: f, name: name, left: size, buf: c.buf}, nil
}

func (c *compared) hardlink(name, old string) error {
	_, first, err := c.lstat(old, 0)
	if err != nil {
		return err
	}
	_, second, err := c.lstat(name, 0)
	if err != nil || os.SameFile(first, second) {
		return err
	}
	f, err := c.root.Open(old)
	if err != nil {
		return cannotCompare(old, err)
	}
	defer f.Close()
	return c.holds(name, f)
}

// holds compares a file with another one.
func (c *compared) holds(name string, other *os.File) error {
	info, err := other.Stat()
	if err != nil {
		return err
	}
	f, err := c.file(name, info.Mode(), info.Size())
	if err != nil {
		return err
	}
	if c.copied == nil {
		c.copied = make([]byte, len(c.buf))
	}
	// Alone, a file would be copied with a buffer of its own.
	_, err = io.CopyBuffer(f, struct{ io.Reader }{other}, c.copied)
	return errors.Join(err, f.Close())
}

func (c *compared) symlink(name, target string) error {
	parent, _, err := c.lstat(name, fs.ModeSymlink)
	if err != nil {
		return err
	}
	to, err := parent.Readlink(path.Base(name))
	switch {
	case err != nil:
		return cannotCompare(name, err)
	case to != target:
		return errDiffer
	}
	return nil
}

// finish looks for what was not given. It also finds where a path that was given led
// through a link: by that name there is nothing in the tree.
func (c *compared) finish(all names) error {
	left := len(all)
	err := fs.WalkDir(c.root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if left--; all[fold(name)].path != name {
			return errDiffer
		}
		return nil
	})
	if err == nil && left != 0 {
		err = errDiffer
	}
	return err
}

// expected is a file that is to hold what is written.
type expected struct {
	file *os.File
	name string
	left int64 // of what the file holds
	buf  []byte
}

// Write implements io.Writer.
func (e *expected) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		part := b[done:min(len(b), done+len(e.buf))]
		n, err := io.ReadFull(e.file, e.buf[:len(part)])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return done, cannotCompare(e.name, err)
		}
		if !bytes.Equal(e.buf[:n], part) {
			return done, errDiffer
		}
		done += n
	}
	e.left -= int64(done)
	return done, nil
}

// Close implements io.Closer. It fails when the file holds more.
func (e *expected) Close() error {
	e.file.Close()
	if e.left != 0 {
		return errDiffer
	}
	return nil
}

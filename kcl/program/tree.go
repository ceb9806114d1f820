package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
)

// maxEntries bounds the directories of a program.
const maxEntries = 100_000

// tree is a directory with what a program may read: nothing outside of it,
// wherever names and links lead, unless the user lets the program read anywhere.
type tree struct {
	dir      string // absolute
	anywhere bool
	root     *os.Root // nil until it is needed
}

// outside is the error of a path that leads out of a tree.
type outside struct {
	dir    string // of the tree
	target string // where the path leads
}

func (e *outside) Error() string {
	return fmt.Sprintf("it leads out of %s, to %s", display(e.dir), display(e.target))
}

func (t *tree) close() {
	if t.root != nil {
		t.root.Close()
	}
}

// within calls f with what the path is called in the tree. A path that f fails
// for may still be in it: os.Root refuses links that are absolute or come back.
// Those are resolved first, and os.Root has the last word all the same.
func (t *tree) within(path string, f func(root *os.Root, name string) error) error {
	name, ok := below(t.dir, path)
	if !ok {
		return &outside{t.dir, path}
	}
	if t.root == nil {
		root, err := os.OpenRoot(t.dir)
		if err != nil {
			return err
		}
		t.root = root
	}
	err := f(t.root, name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	target, resolved, ok := leaves(t.dir, path)
	switch {
	case !ok:
		return &outside{t.dir, target}
	case resolved == "" || resolved == name:
		return err
	}
	return f(t.root, resolved)
}

// below returns what a path is called in a directory, without looking at links.
// ok is false where it is outside.
func below(dir, path string) (name string, ok bool) {
	name, err := filepath.Rel(dir, path)
	return name, err == nil && filepath.IsLocal(name)
}

// leaves resolves the links of a path below a directory. name is what it is called
// there then, "" where that cannot be told; ok is false where it leads out of the
// directory, to target.
func leaves(dir, path string) (target, name string, ok bool) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", "", true
	}
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", "", true
	}
	name, ok = below(top, target)
	return target, name, ok
}

// read returns the content of a file.
func (t *tree) read(path string) (data []byte, err error) {
	if t.anywhere {
		return regular.Read(path, MaxFile)
	}
	err = t.within(path, func(root *os.Root, name string) error {
		data, err = regular.ReadIn(root, name, MaxFile)
		return err
	})
	return data, err
}

// list returns what is in a directory, sorted by name.
func (t *tree) list(path string) (entries []fs.DirEntry, err error) {
	if t.anywhere {
		return regular.ReadDir(path, maxEntries)
	}
	err = t.within(path, func(root *os.Root, name string) error {
		entries, err = regular.ReadDirIn(root, name, maxEntries)
		return err
	})
	return entries, err
}

func (t *tree) stat(path string) (info fs.FileInfo, err error) {
	if t.anywhere {
		return os.Stat(path)
	}
	err = t.within(path, func(root *os.Root, name string) error {
		info, err = root.Stat(name)
		return err
	})
	return info, err
}

// exists reports whether there is something at a path. What leads out of the tree
// counts: reading it says so.
func (t *tree) exists(path string) bool {
	_, err := t.stat(path)
	return err == nil || isOutside(err)
}

// glob returns the paths that match a pattern, sorted.
func (t *tree) glob(pattern string) (paths []string, err error) {
	if t.anywhere {
		return filepath.Glob(pattern)
	}
	err = t.within(pattern, func(root *os.Root, name string) error {
		names, err := fs.Glob(root.FS(), filepath.ToSlash(name))
		for _, name := range names {
			paths = append(paths, filepath.Join(t.dir, filepath.FromSlash(name)))
		}
		return err
	})
	return paths, err
}

// sub returns the tree of a directory in t.
func (t *tree) sub(dir string) (*tree, error) {
	if t.anywhere {
		return &tree{dir: dir, anywhere: true}, nil
	}
	inner := &tree{dir: dir}
	err := t.within(dir, func(root *os.Root, name string) (err error) {
		inner.root, err = root.OpenRoot(name)
		return err
	})
	return inner, err
}

// holds reports whether a file that is written to a path comes to be in the tree.
func (t *tree) holds(path string) bool {
	path = absolute(path)
	if _, ok := below(t.dir, path); !ok || t.anywhere {
		return t.anywhere
	}
	// What is not there yet is made where what is above it is.
	for p := path; p != filepath.Dir(t.dir); p = filepath.Dir(p) {
		if _, name, ok := leaves(t.dir, p); !ok || name != "" {
			return ok
		}
	}
	return true
}

func isOutside(err error) bool {
	_, ok := errors.AsType[*outside](err)
	return ok
}

// unread says why a file or directory, as the user knows it, cannot be read.
func unread(name string, err error) *diag.Diagnostic {
	if out, ok := errors.AsType[*outside](err); ok {
		return diag.Errorf(diag.FileRefused, "%s leads out of %s, to %s, which is not allowed", name, display(out.dir), display(out.target)).
			WithHint("pass --allow-file to let the program use files outside of its directory")
	}
	if large, ok := errors.AsType[*regular.LimitError](err); ok {
		if large.Limit == maxEntries {
			return diag.Errorf(diag.LimitExceeded, "%s has more than %d entries; a directory of a program may not", name, maxEntries)
		}
		return diag.Errorf(diag.LimitExceeded, "%s has more than %d MiB; a file of a program may not", name, MaxFile>>20)
	}
	return diag.Errorf(diag.ConfigUnread, "cannot read %s: %w", name, err)
}

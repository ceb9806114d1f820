package program

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/kcl/syntax"
)

// What a program may consist of.
const (
	// MaxFile is the size of the largest file that is read, in bytes.
	MaxFile = 16 << 20

	maxProgram = 64 << 20 // bytes of all files
	maxFiles   = 10_000
	maxImports = 50_000
)

// Reader reads the files of one program. What the user names is read wherever and
// whatever it is; what a program names or has lying about, only in the tree of its
// module: the directory of the nearest kcl.mod, else that of the file itself.
// There it is a regular file too. All of it is bounded.
//
// The zero value is ready. It is for one goroutine, until Close.
type Reader struct {
	Anywhere bool // let the program read outside of its tree

	// Texts are the files that say what the program is, such as kcl.mod, by the
	// names that diagnostics have for them.
	Texts map[string]diag.Source

	trees   map[string]*tree
	roots   map[string]string // by the directory that a file is in
	files   int
	size    int
	foreign *foreign
}

// foreign is a file that the user names and that is elsewhere than named.
type foreign struct{ name, dir, target string }

// Close releases the directories.
func (r *Reader) Close() {
	for _, t := range r.trees {
		t.close()
	}
	r.trees = nil
}

// root is Root, which looks at the same directories again and again.
func (r *Reader) root(dir string) string {
	if r.roots == nil {
		r.roots = map[string]string{}
	}
	root, ok := r.roots[dir]
	if !ok {
		root = Root(dir)
		r.roots[dir] = root
	}
	return root
}

// tree returns the tree of a directory, which the user chose.
func (r *Reader) tree(dir string) *tree {
	if t := r.trees[dir]; t != nil {
		return t
	}
	return r.keep(&tree{dir: dir, anywhere: r.Anywhere})
}

// keep returns the one tree of a directory.
func (r *Reader) keep(t *tree) *tree {
	if old := r.trees[t.dir]; old != nil {
		t.close()
		return old
	}
	if r.trees == nil {
		r.trees = map[string]*tree{}
	}
	r.trees[t.dir] = t
	return t
}

// treeFor returns the tree for what is in a directory that the user named: of
// its module, unless it is a link that leaves that.
func (r *Reader) treeFor(dir string) *tree {
	dir = absolute(dir)
	root := r.root(dir)
	if root != dir && !r.Anywhere {
		if target, _, ok := leaves(root, dir); !ok {
			r.foreign = &foreign{display(dir), display(root), target}
			root = dir
		}
	}
	return r.tree(root)
}

// count adds a file to the program.
func (r *Reader) count(size int) *diag.Diagnostic {
	r.files++
	r.size += size
	switch {
	case r.files > maxFiles:
		return diag.Errorf(diag.LimitExceeded, "the program has more than %d files", maxFiles)
	case r.size > maxProgram:
		return diag.Errorf(diag.LimitExceeded, "the program has more than %d MiB", maxProgram>>20)
	}
	return nil
}

// full reports whether the program has all the files that it may have.
func (r *Reader) full() bool { return r.files > maxFiles || r.size > maxProgram }

// Named returns a file that the user names, whatever it is: a pipe, which is
// waited for, a device or a link to anywhere.
func (r *Reader) Named(name string) (*syntax.Source, *diag.Diagnostic) {
	data, err := regular.ReadAny(name, MaxFile)
	if err != nil {
		return nil, unread(name, err)
	}
	path := absolute(name)
	root := r.root(filepath.Dir(path))
	// Links in /dev are the system's: they lead to what the shell redirects.
	if target, _, ok := leaves(root, path); !ok && !r.Anywhere && !strings.HasPrefix(path, "/dev/") {
		r.foreign = &foreign{display(path), display(root), target}
	}
	return r.source(display(name), data)
}

// Stdin returns what is on standard input.
func (r *Reader) Stdin(stdin io.Reader) (*syntax.Source, *diag.Diagnostic) {
	data, err := io.ReadAll(io.LimitReader(stdin, MaxFile+1))
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read standard input: %w", err)
	}
	if len(data) > MaxFile {
		return nil, diag.Errorf(diag.LimitExceeded, "standard input has more than %d MiB; a program may not", MaxFile>>20)
	}
	return r.source("<stdin>", data)
}

// Found returns a file of a directory that the user named, or that a settings
// file in that directory names.
func (r *Reader) Found(dir, name string) (*syntax.Source, *diag.Diagnostic) {
	return r.load(r.treeFor(dir), name)
}

// load returns a file of a tree.
func (r *Reader) load(t *tree, name string) (*syntax.Source, *diag.Diagnostic) {
	data, err := t.read(absolute(name))
	if err != nil {
		return nil, unread(display(name), err)
	}
	return r.source(display(name), data)
}

func (r *Reader) source(name string, data []byte) (*syntax.Source, *diag.Diagnostic) {
	if d := r.count(len(data)); d != nil {
		return nil, d
	}
	return syntax.NewSource(name, string(data)), nil
}

// Check reports a file that Found would refuse; ok is false where there is none.
func (r *Reader) Check(dir, name string) (ok bool, fault *diag.Diagnostic) {
	info, err := r.treeFor(dir).stat(absolute(name))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err == nil && !info.Mode().IsRegular():
		err = &regular.KindError{Mode: info.Mode()}
	}
	if err != nil {
		return true, unread(display(name), err)
	}
	return true, nil
}

// note keeps the text of a file that says what the program is.
func (r *Reader) note(name string, data []byte) {
	if r.Texts == nil {
		r.Texts = map[string]diag.Source{}
	}
	r.Texts[name] = syntax.NewSource(name, string(data))
}

// Veil returns what may be said of an error that reading, checking or evaluating
// the program gave. A file that the user names may be a link that somebody else has
// put there, to what only the user can read: its text must not come out in what is
// wrong with it.
func (r *Reader) Veil(err error) error {
	if err == nil || r.foreign == nil {
		return err
	}
	code := diag.ConfigUnread
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		code = d.Code
	}
	return diag.Errorf(code, "something is wrong, and as %s leads out of %s no more is shown of it", r.foreign.name, r.foreign.dir).
		WithHint("to see what is wrong, name the file itself, %s, or pass --allow-file", r.foreign.target)
}

// Veiled reports whether the text of the program must not be shown (see Veil).
func (r *Reader) Veiled() bool { return r.foreign != nil }

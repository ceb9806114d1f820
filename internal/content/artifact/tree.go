package artifact

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// tree is what an Unpacker puts entries into. It is given names that were checked:
// each once, below directories that it was given before.
type tree interface {
	// dir puts a directory there, which dirs may have been given before.
	dir(name string, mode fs.FileMode) error
	// dirs puts those directories on a path there that are not.
	dirs(name string) error
	// file puts a file there, of which size bytes are to be written.
	file(name string, mode fs.FileMode, size int64) (io.WriteCloser, error)
	// hardlink puts a file there that is an earlier one.
	hardlink(name, old string) error
	symlink(name, target string) error
	// finish is called when all that there is was given.
	finish(all names) error
	close()
}

// beneath is a directory, and never anything outside of it.
type beneath struct {
	root *os.Root

	// The directory of the last file stays open: opening each component of each
	// path anew costs more than writing a small file.
	parent     *os.Root
	parentName string
}

func openDir(name string) (beneath, error) {
	root, err := os.OpenRoot(name)
	return beneath{root: root}, err
}

// above opens the directory that an entry is in.
func (d *beneath) above(name string) (*os.Root, error) {
	name = path.Dir(name)
	if d.parent != nil && d.parentName == name {
		return d.parent, nil
	}
	parent, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d.closeParent()
	d.parent, d.parentName = parent, name
	return parent, nil
}

func (d *beneath) closeParent() {
	if d.parent != nil {
		d.parent.Close()
	}
}

func (d *beneath) close() {
	d.closeParent()
	d.root.Close()
}

// made is a tree that is written. Where a file system takes two names for one, the
// second fails: nothing that is there is opened, and no link is made before all files
// are.
type made struct {
	beneath
	granted fs.FileMode // what is left of the bits that a new directory asks for; 0 until somebody needs it
}

func (m *made) dir(name string, mode fs.FileMode) error {
	err := m.root.Mkdir(name, mode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A parent of an earlier entry, whose mode is known only now.
	if info, err := m.root.Lstat(name); err != nil || !info.IsDir() {
		return errors.Join(taken(name), err)
	}
	if m.granted == 0 {
		if m.granted, err = m.grant(); err != nil {
			return err
		}
	}
	return m.root.Chmod(name, mode&m.granted)
}

// grant finds out what the umask, or the default of an access control list, leaves of
// a new directory. The process cannot ask for its umask without changing it.
func (m *made) grant() (fs.FileMode, error) {
	probe := ".berth-" + rand.Text()
	if err := m.root.Mkdir(probe, fs.ModePerm); err != nil {
		return 0, err
	}
	info, err := m.root.Lstat(probe)
	if err = errors.Join(err, m.root.Remove(probe)); err != nil {
		return 0, err
	}
	return info.Mode().Perm(), nil
}

// taken says that an entry's name leads to another one's.
func taken(name string) error {
	return unsafe(name, "is another entry of the archive to this file system")
}

func (m *made) dirs(name string) error { return m.root.MkdirAll(name, 0o755) }

func (m *made) file(name string, mode fs.FileMode, _ int64) (io.WriteCloser, error) {
	parent, err := m.above(name)
	if err != nil {
		return nil, err
	}
	f, err := parent.OpenFile(path.Base(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, taken(name)
	}
	return f, err
}

func (m *made) hardlink(name, old string) error {
	err := m.root.Link(old, name)
	if errors.Is(err, fs.ErrExist) {
		return taken(name)
	}
	return err
}

func (m *made) symlink(name, target string) error {
	err := m.root.Symlink(target, name)
	switch {
	case errors.Is(err, fs.ErrExist):
		return taken(name)
	case err != nil:
		return fmt.Errorf("cannot make link: %w", err)
	}
	return nil
}

func (m *made) finish(names) error { return nil }

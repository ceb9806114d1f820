package layout

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/berth-oci/berth/diag"
)

// dirTree is a directory. No name and no link in it leads out of it.
type dirTree struct{ *os.Root }

func (t *dirTree) file(name string) (extent, error) {
	info, err := t.Stat(name) // before opening: a pipe would block
	if err == nil && !info.Mode().IsRegular() {
		return extent{}, diag.Errorf(diag.BadArtifact, "%s is not a file", filepath.Join(t.Name(), name)).WithHint("the layout has to be written again")
	}
	var f *os.File
	if err == nil {
		f, err = t.Open(name)
	}
	if err != nil {
		return extent{}, t.fault(name, err)
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return extent{}, unreadable(f.Name(), err)
	}
	return extent{f, info.Size(), f}, nil
}

// fault explains why a file cannot be opened.
func (t *dirTree) fault(name string, err error) error {
	for part := name; part != "."; part = path.Dir(part) {
		if info, err := t.Lstat(part); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return unsafe(t.Name(), part, "is a link that leads out of the layout, or nowhere")
		}
	}
	if os.IsNotExist(err) {
		return fs.ErrNotExist
	}
	return unreadable(filepath.Join(t.Name(), name), err)
}

package layout

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
)

// dirTree is a directory. No name and no link in it leads out of it.
type dirTree struct{ *os.Root }

func (t *dirTree) file(name string) (extent, error) {
	f, info, err := regular.OpenIn(t.Root, name)
	if _, other := errors.AsType[*regular.KindError](err); other {
		return extent{}, diag.Errorf(diag.BadArtifact, "%s is not a file", filepath.Join(t.Name(), name)).WithHint("the layout has to be written again")
	}
	if err != nil {
		return extent{}, t.fault(name, err)
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

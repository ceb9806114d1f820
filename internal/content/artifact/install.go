package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/filelock"
)

// Staging is a fresh directory beside a target: content is written into Dir,
// then Commit puts it in the target's place in one step. Until then, and after
// any failure, the target is as it was. An empty target that cannot change places,
// as a mount point, holds the directory itself and is filled.
type Staging struct {
	Dir    string
	target string
	temp   string
	lock   *filelock.Lock // of temp; nil where directories cannot be locked
	within bool           // temp is in the target
	made   []string       // the target's parents that were not there, innermost first
	done   bool           // the target is in place, and needs its parents
}

// Stage makes a staging directory for target, whose parents it makes as well, and
// removes those that killed processes left. A target that is there and no directory
// fails with diag.TargetExists.
func Stage(target string) (*Staging, error) {
	target, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(target); err == nil && !info.IsDir() {
		return nil, diag.Errorf(diag.TargetExists, "%s exists and is not a directory", target).WithHint("choose another directory with -o")
	}
	// A target that is a link keeps being one: what it points to is replaced, or made.
	if target, err = atomicfile.Target(target); err != nil {
		return nil, fmt.Errorf("cannot make output directory: %w", err)
	}
	s := &Staging{target: target, made: missing(filepath.Dir(target))}
	err = os.MkdirAll(filepath.Dir(target), 0o755)
	if err == nil {
		err = s.place()
	}
	if err == nil {
		s.Dir = filepath.Join(s.temp, "new")
		err = os.Mkdir(s.Dir, 0o755)
	}
	if err != nil {
		s.Discard()
		return nil, fmt.Errorf("cannot make output directory: %w", err)
	}
	return s, nil
}

// place makes temp, beside the target where the two can change places.
func (s *Staging) place() error {
	var beside error
	if !isMountPoint(s.target) {
		beside = s.makeTemp(filepath.Dir(s.target))
		if !errors.Is(beside, fs.ErrPermission) && !errors.Is(beside, syscall.EROFS) {
			return beside
		}
	}
	s.sweep(s.target)
	entries, err := os.ReadDir(s.target)
	switch {
	case err == nil && len(entries) == 0:
		s.within = true
		return s.makeTemp(s.target)
	case beside != nil:
		return beside
	}
	return s.makeTemp(filepath.Dir(s.target)) // to compare it
}

// makeTemp makes temp in a directory, and locks it: who finds it locked leaves it.
func (s *Staging) makeTemp(dir string) error {
	s.sweep(dir)
	for {
		temp, err := os.MkdirTemp(dir, s.prefix()+"*")
		if err != nil {
			return err
		}
		lock, err := filelock.TryDir(temp)
		if lock == nil && err == nil || errors.Is(err, fs.ErrNotExist) {
			continue // it was taken for one that is left, before it was locked
		}
		s.temp, s.lock = temp, lock
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		return err
	}
}

// prefix begins the names of the staging directories of the target.
func (s *Staging) prefix() string {
	const most = 200 // bytes: with what follows it has to be a name
	base := filepath.Base(s.target)
	return ".berth-" + base[:min(len(base), most)] + "-"
}

// sweep removes from dir what processes left that staged for the target and were
// killed.
func (s *Staging) sweep(dir string) {
	list, _ := os.ReadDir(dir) // only to tidy up
	for _, e := range list {
		number, ours := strings.CutPrefix(e.Name(), s.prefix())
		if !ours || !e.IsDir() || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		name := filepath.Join(dir, e.Name())
		if lock, err := filelock.TryDir(name); lock != nil && err == nil {
			_ = os.RemoveAll(name)
			lock.Release()
		}
	}
}

// missing returns dir and its parents as far as they are not there.
func missing(dir string) (dirs []string) {
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dirs
		}
		dirs = append(dirs, dir)
		dir = filepath.Dir(dir)
	}
}

// Reset empties Dir, for a second attempt.
func (s *Staging) Reset() error {
	return errors.Join(os.RemoveAll(s.Dir), os.Mkdir(s.Dir, 0o755))
}

// Discard removes what Commit has not put in place, and the parents that Stage
// made for it unless somebody else uses them now. It may be called always.
func (s *Staging) Discard() {
	if s.temp != "" {
		os.RemoveAll(s.temp)
	}
	if s.lock != nil {
		s.lock.Release()
	}
	if s.done {
		return
	}
	for _, dir := range s.made {
		if os.Remove(dir) != nil { // holds something
			return
		}
	}
}

// Commit moves Dir to the target. A target that holds the same tree already is
// left alone, which Commit reports. One that holds anything else fails with
// diag.TargetExists unless force is set. Nothing is synced, as by tar and cp: what
// was pulled can be pulled again.
func (s *Staging) Commit(force bool) (unchanged bool, err error) {
	entries, err := os.ReadDir(s.target)
	if s.within {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == filepath.Base(s.temp) })
	}
	stays := s.within || holdsWorkingDir(s.target)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
	case err != nil:
		return false, fmt.Errorf("cannot read output directory: %w", err)
	default:
		if same, err := SameTree(s.Dir, s.target); same || err != nil {
			return same, err
		}
		if !force || stays {
			return false, diag.Errorf(diag.TargetExists, "%s holds something else", s.target).
				WithHint("--force replaces it, unless the working directory is in it; -o chooses another directory")
		}
	}
	put := func() error { return replace(s.Dir, s.target, filepath.Join(s.temp, "old")) }
	if stays {
		put = func() error { return fill(s.Dir, s.target) }
	}
	if err := put(); err != nil {
		return false, fmt.Errorf("cannot put output directory in place: %w", err)
	}
	s.done = true
	return false, nil
}

// holdsWorkingDir reports whether a directory is the one the process works in,
// or a parent of it: that must stay, or the user's shell is left in a directory
// without name.
func holdsWorkingDir(dir string) bool {
	target, err := os.Stat(dir)
	if err != nil {
		return false
	}
	at, err := os.Getwd()
	for err == nil {
		var info os.FileInfo
		if info, err = os.Stat(at); err == nil && os.SameFile(info, target) {
			return true
		}
		if at == filepath.Dir(at) {
			return false
		}
		at = filepath.Dir(at)
	}
	return false
}

// fill moves what is in dir into the empty directory target; after a failure
// target is empty again.
func fill(dir, target string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for i, e := range entries {
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(target, e.Name())); err != nil {
			for _, moved := range entries[:i] {
				err = errors.Join(err, os.RemoveAll(filepath.Join(target, moved.Name())))
			}
			return err
		}
	}
	return nil
}

// rename moves dir to target, and what was there to aside.
func rename(dir, target, aside string) error {
	err := os.Rename(target, aside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	had := err == nil
	if err := os.Rename(dir, target); err != nil {
		if had {
			err = errors.Join(err, os.Rename(aside, target))
		}
		return err
	}
	return nil
}

package eval

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/kcl/program"
)

// fileModule reads and writes files, if the caller of the program allows it.
// Paths start from the directory of the file that has the call, and nothing
// outside of that directory is reached, as in the reference runtime.
func fileModule() map[string]func(*call) Value {
	members := map[string]func(*call) Value{
		"abs":     fileAbs,
		"append":  fileAppend,
		"cp":      fileCopy,
		"current": func(c *call) Value { return String(c.currentFile()) },
		"delete":  inRoot("filepath", func(r *os.Root, path string) (Value, error) { return None{}, r.Remove(path) }),
		"exists":  fileExists,
		"glob":    fileGlob,
		"mkdir":   fileMkdir,
		"modpath": func(c *call) Value { return String(program.Root(c.currentDir())) },
		"mv":      fileMove,
		"read":    fileRead,
		"readbase64": inRoot("filepath", func(r *os.Root, path string) (Value, error) {
			data, err := regular.ReadIn(r, path, maxFile)
			return String(base64.StdEncoding.EncodeToString(data)), err
		}),
		"read_env": fileReadEnv,
		"size":     inRoot("filepath", fileSize),
		"workdir":  func(c *call) Value { return String(absolutePath(c.ev.opts.WorkDir)) },
		"write":    fileWrite,
	}
	for name, f := range members {
		members[name] = func(c *call) Value {
			if !c.allowed() {
				return bad{}
			}
			return f(c)
		}
	}
	return members
}

// allowed reports whether the program may use files, the environment and the
// network.
func (c *call) allowed() bool {
	if c.ev.opts.AllowFile {
		return true
	}
	c.failed = true
	c.ev.report(&diag.Diagnostic{
		Code: diag.FileRefused, Message: c.name + " reaches out of the program, which is not allowed", Span: c.at.Span(),
		Hint: "pass --allow-file to let the program use files and the environment",
	})
	return false
}

func absolutePath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// currentFile returns the path of the file that has the call. A program that is
// no file counts as one in the work directory.
func (c *call) currentFile() string {
	name := c.at.Source.Name
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		return absolutePath(name)
	}
	return filepath.Join(absolutePath(c.ev.opts.WorkDir), filepath.Base(name))
}

func (c *call) currentDir() string { return filepath.Dir(c.currentFile()) }

// root opens the directory that the program may use; the caller closes it.
func (c *call) root() (*os.Root, error) { return os.OpenRoot(c.currentDir()) }

// path returns an argument as a path in the directory of the program. One that
// leads out of it is a fault.
func (c *call) path(i int, name string) string {
	s := c.text(i, name)
	path := s
	if filepath.IsAbs(s) {
		rel, err := filepath.Rel(c.currentDir(), s)
		if err != nil {
			rel = ".."
		}
		path = rel
	}
	if slices.Contains(strings.Split(filepath.ToSlash(path), "/"), "..") && !c.failed {
		c.failed = true
		c.errorf("%s leads out of %s", quote(s, '"'), c.currentDir())
	}
	return filepath.Clean(path)
}

// inRoot makes a function of what a path in the directory of the program gives.
func inRoot(name string, f func(*os.Root, string) (Value, error)) func(*call) Value {
	return func(c *call) Value {
		path := c.path(0, name)
		return c.withRoot(func(r *os.Root) (Value, error) { return f(r, path) })
	}
}

// withRoot calls f with the directory of the program unless an argument was
// wrong, and reports its error.
func (c *call) withRoot(f func(*os.Root) (Value, error)) Value {
	if c.failed {
		return bad{}
	}
	r, err := c.root()
	if err != nil {
		return c.errorf("%v", err)
	}
	defer r.Close()
	v, err := f(r)
	if err != nil {
		return c.errorf("%v", err)
	}
	return v
}

// maxFile is the size up to which a file is read.
const maxFile = 16 * maxSize

// readFile reads a file outside of the module file: relative paths start from
// the work directory, and none is refused.
func (c *call) readFile(path string) ([]byte, bool) {
	if c.failed || !c.allowed() {
		return nil, false
	}
	data, err := regular.Read(c.inWorkDir(path), maxFile)
	if err != nil {
		c.errorf("%v", err)
		return nil, false
	}
	return data, true
}

// writeFile does the same to write one. It returns what the program gets.
func (c *call) writeFile(path, content string, result Value) Value {
	if c.failed || !c.allowed() {
		return bad{}
	}
	if err := os.WriteFile(c.inWorkDir(path), []byte(content), 0o666); err != nil {
		return c.errorf("%v", err)
	}
	return result
}

func (c *call) inWorkDir(path string) string {
	if path == "" || filepath.IsAbs(path) || c.ev.opts.WorkDir == "" {
		return path
	}
	return filepath.Join(c.ev.opts.WorkDir, path)
}

func fileRead(c *call) Value {
	path := c.path(0, "filepath")
	return c.withRoot(func(r *os.Root) (Value, error) {
		data, err := regular.ReadIn(r, path, maxFile)
		if err == nil && !utf8.Valid(data) {
			err = errors.New("the file is no UTF-8 text")
		}
		return c.newStr(string(data)), err
	})
}

func fileWrite(c *call) Value {
	path, content := c.path(0, "filepath"), c.text(1, "content")
	return c.withRoot(func(r *os.Root) (Value, error) { return None{}, r.WriteFile(path, []byte(content), 0o666) })
}

func fileAppend(c *call) Value {
	path, content := c.path(0, "filepath"), c.text(1, "content")
	return c.withRoot(func(r *os.Root) (Value, error) {
		f, err := r.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(content)
		return None{}, errors.Join(err, f.Close())
	})
}

func fileExists(c *call) Value {
	path := c.path(0, "filepath")
	return c.withRoot(func(r *os.Root) (Value, error) {
		_, err := r.Stat(path)
		return Bool(err == nil), nil
	})
}

func fileSize(r *os.Root, path string) (Value, error) {
	info, err := r.Stat(path)
	if err != nil {
		return nil, err
	}
	return Int(info.Size()), nil
}

// fileAbs returns a path with its links resolved.
func fileAbs(c *call) Value {
	path := c.path(0, "filepath")
	return c.withRoot(func(r *os.Root) (Value, error) {
		if _, err := r.Stat(path); err != nil {
			return nil, err
		}
		resolved, err := filepath.EvalSymlinks(filepath.Join(c.currentDir(), path))
		return String(resolved), err
	})
}

// fileMkdir makes a directory and those above. One that is there is no fault;
// a file in its place is, unless exists is set.
func fileMkdir(c *call) Value {
	path, exists := c.path(0, "directory"), c.flag(1, "exists")
	return c.withRoot(func(r *os.Root) (Value, error) {
		err := r.MkdirAll(path, 0o777)
		if info, statErr := r.Stat(path); err != nil && statErr == nil && (exists || info.IsDir()) {
			err = nil
		}
		return None{}, err
	})
}

func fileMove(c *call) Value {
	src, dest := c.path(0, "src"), c.path(1, "dest")
	return c.withRoot(func(r *os.Root) (Value, error) { return None{}, r.Rename(src, dest) })
}

// fileCopy copies a file, or a directory with the files and directories in it.
func fileCopy(c *call) Value {
	src, dest := c.path(0, "src"), c.path(1, "dest")
	return c.withRoot(func(r *os.Root) (Value, error) {
		if info, err := r.Stat(src); err != nil || !info.IsDir() {
			return None{}, errors.Join(err, copyFile(r, src, dest))
		}
		return None{}, fs.WalkDir(r.FS(), filepath.ToSlash(src), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(src, path)
			if err != nil {
				return err
			}
			switch target := filepath.Join(dest, rel); {
			case entry.IsDir():
				return r.MkdirAll(target, 0o777)
			case entry.Type().IsRegular():
				return copyFile(r, path, target)
			}
			return nil
		})
	})
}

func copyFile(r *os.Root, src, dest string) error {
	data, err := regular.ReadIn(r, src, maxFile)
	if err != nil {
		return err
	}
	info, err := r.Stat(src)
	if err != nil {
		return err
	}
	return r.WriteFile(dest, data, info.Mode().Perm())
}

func fileReadEnv(c *call) Value {
	if v, ok := os.LookupEnv(c.text(0, "key")); ok {
		return c.newStr(v)
	}
	return Undefined{}
}

// fileGlob returns the paths that match, in order and absolute. ** stands for
// any directories.
func fileGlob(c *call) Value {
	c.path(0, "pattern") // for the fault
	pattern := c.text(0, "pattern")
	return c.withRoot(func(r *os.Root) (Value, error) {
		prefix := c.currentDir() + "/"
		rest := strings.TrimPrefix(pattern, prefix)
		if inner, ok := strings.CutPrefix(rest, "./"); ok {
			prefix, rest = prefix+"./", inner
		}
		matches, err := globFS(r.FS(), rest)
		for i := range matches {
			matches[i] = prefix + matches[i]
		}
		return c.newStrings(matches), err
	})
}

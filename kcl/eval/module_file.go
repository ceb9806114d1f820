package eval

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
)

// fileModule reads and writes files, if the caller of the program allows it.
func fileModule() map[string]func(*call) Value {
	members := map[string]func(*call) Value{
		"abs":      fileAbs,
		"append":   func(c *call) Value { return c.appendFile(c.text(0, "filepath"), c.text(1, "content")) },
		"cp":       fileCopy,
		"current":  func(c *call) Value { return String(c.at.Source.Name) },
		"delete":   func(c *call) Value { return c.done(os.Remove(c.path(0, "filepath"))) },
		"exists":   func(c *call) Value { _, err := os.Stat(c.path(0, "filepath")); return Bool(err == nil) },
		"glob":     fileGlob,
		"mkdir":    fileMkdir,
		"modpath":  func(c *call) Value { return String(program.Root(c.workDir())) },
		"mv":       func(c *call) Value { return c.done(os.Rename(c.path(0, "src"), c.path(1, "dest"))) },
		"read":     fileRead,
		"read_env": fileReadEnv,
		"size":     fileSize,
		"workdir":  func(c *call) Value { return String(c.workDir()) },
		"write":    func(c *call) Value { return c.writeFile(c.text(0, "filepath"), c.text(1, "content"), None{}) },
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

func (c *call) workDir() string {
	dir, err := filepath.Abs(c.ev.opts.WorkDir)
	if err != nil {
		return c.ev.opts.WorkDir
	}
	return dir
}

// path returns an argument as a path. A relative one starts from the work
// directory. A wrong argument gives a path that does not exist.
func (c *call) path(i int, name string) string {
	s := c.text(i, name)
	if c.failed || strings.Contains(s, "\x00") {
		return "\x00"
	}
	return c.resolve(s)
}

func (c *call) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) || c.ev.opts.WorkDir == "" {
		return path
	}
	return filepath.Join(c.ev.opts.WorkDir, path)
}

// done reports the error of a file operation.
func (c *call) done(err error) Value {
	if err != nil && !c.failed {
		return c.errorf("%v", err)
	}
	return None{}
}

// maxFile is the size up to which a file is read.
const maxFile = 16 * maxSize

func (c *call) readFile(path string) ([]byte, bool) {
	if !c.allowed() {
		return nil, false
	}
	path = c.resolve(path)
	if info, err := os.Stat(path); err == nil && info.Size() > maxFile {
		c.errorf("%s is too large", path)
		return nil, false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		c.errorf("%v", err)
		return nil, false
	}
	return data, true
}

// writeFile writes a file and returns what the program gets.
func (c *call) writeFile(path, content string, result Value) Value {
	if c.failed || !c.allowed() {
		return bad{}
	}
	if err := os.WriteFile(c.resolve(path), []byte(content), 0o666); err != nil {
		return c.errorf("%v", err)
	}
	return result
}

func (c *call) appendFile(path, content string) Value {
	if c.failed {
		return bad{}
	}
	f, err := os.OpenFile(c.resolve(path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return c.errorf("%v", err)
	}
	_, err = f.WriteString(content)
	return c.done(errors.Join(err, f.Close()))
}

func fileRead(c *call) Value {
	data, ok := c.readFile(c.text(0, "filepath"))
	switch {
	case !ok:
		return bad{}
	case !utf8.Valid(data):
		return c.errorf("the file is no UTF-8 text")
	}
	return c.newStr(string(data))
}

func fileAbs(c *call) Value {
	path, err := filepath.EvalSymlinks(c.path(0, "filepath"))
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return c.done(err)
	}
	return String(path)
}

func fileSize(c *call) Value {
	info, err := os.Stat(c.path(0, "filepath"))
	if err != nil {
		return c.done(err)
	}
	return Int(info.Size())
}

// fileMkdir makes a directory and those above. One that is there is no fault;
// a file in its place is, unless exists is set.
func fileMkdir(c *call) Value {
	path := c.path(0, "directory")
	err := os.MkdirAll(path, 0o777)
	if info, statErr := os.Stat(path); err != nil && statErr == nil && !info.IsDir() && c.flag(1, "exists") {
		return None{}
	}
	return c.done(err)
}

func fileCopy(c *call) Value {
	src, dest := c.path(0, "src"), c.path(1, "dest")
	info, err := os.Stat(src)
	if err != nil || !info.IsDir() {
		return c.done(errors.Join(err, c.copyFile(src, dest)))
	}
	return c.done(filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(dest, rel); {
		case entry.IsDir():
			return os.MkdirAll(target, 0o777)
		case entry.Type().IsRegular():
			return c.copyFile(path, target)
		}
		return nil
	}))
}

func (c *call) copyFile(src, dest string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dest, data, info.Mode().Perm())
}

func fileReadEnv(c *call) Value {
	if v, ok := os.LookupEnv(c.text(0, "key")); ok {
		return c.newStr(v)
	}
	return Undefined{}
}

// fileGlob returns the paths that match, in order and as the pattern writes
// them: relative ones to the work directory. ** stands for any directories.
func fileGlob(c *call) Value {
	pattern := c.text(0, "pattern")
	if c.failed {
		return bad{}
	}
	root := os.DirFS(c.resolve("."))
	base := pattern
	if filepath.IsAbs(pattern) {
		root, base = os.DirFS("/"), strings.TrimPrefix(pattern, "/")
	}
	matches, err := globFS(root, strings.TrimPrefix(base, "./"))
	if err != nil {
		return c.errorf("%v", err)
	}
	for i := range matches {
		matches[i] = strings.TrimSuffix(pattern, base) + matches[i]
	}
	return c.newStrings(matches)
}

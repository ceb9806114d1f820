package program

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// ModFile is the name of the file that makes a directory a module.
const ModFile = "kcl.mod"

// module is a tree of packages.
type module struct {
	name         string // "" for the main one
	root         string // absolute; "" for one that is in no directory
	dependencies map[string]dependency
	read         bool
}

// dependency is an entry of [dependencies] in kcl.mod.
type dependency struct {
	path   string // of one that is a directory, absolute
	source string // of any other: how kcl.mod gives it
	module *module
}

// mainModule returns the module that the main package belongs to: the tree of
// the nearest kcl.mod above its first file, else the directory of that file.
func (l *loader) mainModule(files []*syntax.File) *module {
	dir := absolute(l.opts.WorkDir)
	for _, f := range files {
		if filepath.Ext(f.Source.Name) != "" { // a text that is no file has a name such as <stdin>
			dir = filepath.Dir(absolute(f.Source.Name))
			break
		}
	}
	return &module{root: Root(dir)}
}

// Root returns the nearest directory at or above dir that holds a kcl.mod,
// else dir itself.
func Root(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if info, err := os.Stat(filepath.Join(d, ModFile)); err == nil && info.Mode().IsRegular() {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// dependency returns the module of a dependency by its name, nil if there is
// none.
func (l *loader) dependency(m *module, name string) (*module, *diag.Diagnostic) {
	if path, ok := l.opts.Dependencies[name]; ok {
		return l.moduleAt(name, absolute(path))
	}
	if !m.read {
		m.read = true
		if err := m.readDependencies(); err != nil {
			return nil, err
		}
	}
	dep, ok := m.dependencies[name]
	if !ok {
		return nil, nil
	}
	if dep.path == "" {
		return nil, diag.Errorf(diag.ImportFailed, "module %s is not on this machine: kcl.mod takes it from %s", name, dep.source).
			WithHint("make it a path dependency in kcl.mod: %s = { path = \"DIR\" }", name)
	}
	return l.moduleAt(name, dep.path)
}

// moduleAt returns the module in a directory, the same one every time.
func (l *loader) moduleAt(name, root string) (*module, *diag.Diagnostic) {
	if _, err := os.Stat(filepath.Join(root, ModFile)); err != nil {
		return nil, diag.Errorf(diag.ImportFailed, "module %s: %s has no %s", name, display(root), ModFile).
			WithHint("a dependency is a directory with a %s", ModFile)
	}
	for _, p := range l.packages {
		if p.module.root == root {
			return p.module, nil
		}
	}
	return &module{name: name, root: root}, nil
}

// readDependencies reads the kcl.mod of a module.
func (m *module) readDependencies() *diag.Diagnostic {
	name := filepath.Join(m.root, ModFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return nil // no kcl.mod, no dependencies
	}
	var file struct {
		Dependencies map[string]any `toml:"dependencies"`
	}
	if err := toml.Unmarshal(data, &file); err != nil {
		return diag.Errorf(diag.ImportFailed, "%s: %w", display(name), err)
	}
	m.dependencies = map[string]dependency{}
	for key, value := range file.Dependencies {
		dep := dependency{}
		switch value := value.(type) {
		case string:
			dep.source = "version " + value
		case map[string]any:
			if path, ok := value["path"].(string); ok {
				dep.path = path
				if !filepath.IsAbs(path) {
					dep.path = filepath.Join(m.root, path)
				}
			}
			for _, kind := range []string{"oci", "git"} {
				if from, ok := value[kind].(string); ok {
					dep.source = from
				}
			}
		}
		// A name with a dash cannot be imported: an underscore stands for it.
		m.dependencies[strings.ReplaceAll(key, "-", "_")] = dep
	}
	return nil
}

// absolute returns a path from the root of the file system.
func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil { // no working directory: the path as it is
		return filepath.Clean(path)
	}
	return abs
}

// display returns a path as a user names it: from the working directory where
// it is below that.
func display(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}

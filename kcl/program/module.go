package program

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// module is a tree of packages.
type module struct {
	name         string // "" for the main one
	root         string // absolute; "" for one that is in no directory
	tree         *tree  // of the root
	bounds       *tree  // that the directories are in which its kcl.mod names
	dependencies map[string]dependency
	read         bool
}

// dependency is an entry of [dependencies] in kcl.mod.
type dependency struct {
	name     string   // as kcl.mod writes it
	path     string   // of one that is a directory, absolute
	source   string   // of any other: how kcl.mod gives it
	versions []string // of any other: what its directory may be called after
}

// mainModule returns the module that a file of the main package belongs to: the
// tree of the nearest kcl.mod above it, else its directory.
func (l *loader) mainModule(f *syntax.File) *module {
	dir := absolute(l.opts.WorkDir)
	if f != nil && filepath.Ext(f.Source.Name) != "" { // a text that is no file has a name such as <stdin>
		dir = filepath.Dir(absolute(f.Source.Name))
	}
	root := l.reader.root(dir)
	if l.modules[root] == nil {
		t := l.reader.tree(root)
		m := &module{root: root, tree: t, bounds: t}
		l.modules[root] = m
		if err := l.readDependencies(m); err != nil {
			l.faults = append(l.faults, err)
		}
	}
	return l.modules[root]
}

// Root returns the nearest directory at or above dir that holds a kcl.mod,
// else dir itself.
func Root(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if hasModFile(d) {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// hasModFile reports whether a directory is the root of a module. Whether its
// kcl.mod can be used is seen when it is read.
func hasModFile(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, ModFile))
	return err == nil && !info.IsDir()
}

// dependency returns the module of a dependency by its name, nil if there is
// none.
func (l *loader) dependency(m *module, name string) (*module, *diag.Diagnostic) {
	if path, ok := l.opts.Dependencies[name]; ok {
		path = absolute(path)
		if dir := l.opts.DependencyDir; dir != "" {
			return l.inner(name, path, l.reader.tree(l.reader.root(absolute(dir))), "the settings")
		}
		return l.own(name, path)
	}
	if err := l.readDependencies(m); err != nil {
		return nil, err
	}
	dep, ok := m.dependencies[name]
	if dep.path != "" {
		return l.inner(name, dep.path, m.bounds, ModFile)
	}
	if dir, home := l.stored(m, name, dep); home != nil {
		return l.inner(name, dir, home, "vendor")
	} else if dir != "" {
		return l.own(name, dir)
	}
	if ok {
		folder := strings.Join(append([]string{dep.name}, dep.versions...), "_")
		return nil, diag.Errorf(diag.ImportFailed, "module %s is not on this machine: kcl.mod takes it from %s", name, dep.source).
			WithHint("put it into %s, or make it a path dependency: %s = { path = \"DIR\" }", filepath.Join("vendor", folder), dep.name)
	}
	return nil, nil
}

// stored returns the directory of a module that was fetched before: in the
// directory vendor of the module that asks or of a main one, whose tree is home, or
// where packages are kept for all. It is called NAME_VERSION or NAME.
func (l *loader) stored(m *module, name string, dep dependency) (dir string, home *tree) {
	var folders []string
	for _, version := range dep.versions {
		folders = append(folders, dep.name+"_"+version, name+"_"+version)
	}
	if dep.name != "" {
		folders = append(folders, dep.name)
	}
	folders = append(folders, name)
	modules := []*module{m}
	for _, f := range l.program.Main.Files {
		if main := l.mainModule(f); !slices.Contains(modules, main) {
			modules = append(modules, main)
		}
	}
	for _, m := range modules {
		for _, folder := range folders {
			if m.root == "" {
				continue
			}
			if dir := filepath.Join(m.root, "vendor", folder); m.tree.exists(filepath.Join(dir, ModFile)) {
				return dir, m.tree
			}
		}
	}
	shared := packageHome()
	for _, folder := range folders {
		if dir := filepath.Join(shared, folder); shared != "" && hasModFile(dir) {
			return dir, nil
		}
	}
	return "", nil
}

// packageHome returns the directory where packages are kept for all modules, ""
// if there is none.
func packageHome() string {
	if home := os.Getenv("KCL_PKG_PATH"); home != "" {
		return absolute(home)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".kcl", "kpm")
}

// own returns the module in a directory that the user chose, the same one every
// time.
func (l *loader) own(name, root string) (*module, *diag.Diagnostic) {
	if !hasModFile(root) {
		return nil, noModule(name, root)
	}
	t := l.reader.tree(root)
	return l.module(name, t, t), nil
}

// inner returns the module in a directory that the program names, as by says, and
// that must be in a tree.
func (l *loader) inner(name, root string, bounds *tree, by string) (*module, *diag.Diagnostic) {
	if m := l.modules[root]; m != nil && m.bounds == bounds {
		return m, nil
	}
	t, err := bounds.sub(root)
	if out, ok := errors.AsType[*outside](err); ok {
		instead := "copy the module to " + display(filepath.Join(bounds.dir, "vendor", name))
		if by != "vendor" { // which comes after the others
			instead += " and remove its line from " + by
		}
		return nil, diag.Errorf(diag.FileRefused, "module %s, which %s names, leads out of %s, to %s", name, by, display(bounds.dir), display(out.target)).
			WithHint("pass --allow-file to let the program use files outside of its directory, or %s", instead)
	}
	if err == nil {
		t = l.reader.keep(t)
		_, err = t.stat(filepath.Join(root, ModFile))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noModule(name, root)
	case err != nil && !isOutside(err): // which reading it reports
		return nil, unread("module "+name, err)
	}
	return l.module(name, t, bounds), nil
}

func noModule(name, root string) *diag.Diagnostic {
	return diag.Errorf(diag.ImportFailed, "module %s: %s has no %s", name, display(root), ModFile).
		WithHint("a dependency is a directory with a %s", ModFile)
}

func (l *loader) module(name string, t, bounds *tree) *module {
	if l.modules[t.dir] == nil {
		l.modules[t.dir] = &module{name: name, root: t.dir, tree: t, bounds: bounds}
	}
	return l.modules[t.dir]
}

// readDependencies reads the kcl.mod of a module and what its kcl.mod.lock says
// of versions, once.
func (l *loader) readDependencies(m *module) *diag.Diagnostic {
	if m.read || m.root == "" {
		return nil
	}
	m.read = true
	if !hasModFile(m.root) {
		return nil
	}
	var file modFile
	if _, err := l.reader.readTOML(m.tree, filepath.Join(m.root, ModFile), &file); err != nil {
		return err
	}
	var locked lock
	if _, err := l.reader.readTOML(m.tree, filepath.Join(m.root, lockFile), &locked); err != nil {
		return err
	}
	m.dependencies = map[string]dependency{}
	for key, value := range file.Dependencies {
		dep := dependency{name: key}
		switch value := value.(type) {
		case string:
			dep.source, dep.versions = "version "+value, []string{value}
		case map[string]any:
			dep.describe(value, m.root)
		}
		if entry, ok := locked.Dependencies[key]; ok && entry.Version != "" {
			dep.versions = append([]string{entry.Version}, dep.versions...)
		}
		// A name with a dash cannot be imported: an underscore stands for it.
		m.dependencies[strings.ReplaceAll(key, "-", "_")] = dep
	}
	return nil
}

// describe reads the table of a dependency.
func (d *dependency) describe(table map[string]any, root string) {
	text := func(key string) string { s, _ := table[key].(string); return s }
	if path := text("path"); path != "" {
		d.path = filepath.Clean(path)
		if !filepath.IsAbs(path) {
			d.path = filepath.Join(root, path)
		}
	}
	for _, key := range []string{"oci", "git"} {
		if from := text(key); from != "" {
			d.source = from
		}
	}
	for _, key := range []string{"version", "tag", "branch", "commit"} {
		if version := text(key); version != "" {
			d.versions = append(d.versions, version)
		}
	}
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

package program

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// module is a tree of packages.
type module struct {
	name         string // "" for the main one
	root         string // absolute; "" for one that is in no directory
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
	root := Root(dir)
	if l.modules[root] == nil {
		m := &module{root: root}
		l.modules[root] = m
		if err := m.readDependencies(); err != nil {
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

func hasModFile(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ModFile))
	return err == nil && info.Mode().IsRegular()
}

// dependency returns the module of a dependency by its name, nil if there is
// none.
func (l *loader) dependency(m *module, name string) (*module, *diag.Diagnostic) {
	if path, ok := l.opts.Dependencies[name]; ok {
		return l.moduleAt(name, absolute(path))
	}
	if err := m.readDependencies(); err != nil {
		return nil, err
	}
	dep, ok := m.dependencies[name]
	if dep.path != "" {
		return l.moduleAt(name, dep.path)
	}
	if dir := l.stored(m, name, dep); dir != "" {
		return l.moduleAt(name, dir)
	}
	if ok {
		folder := strings.Join(append([]string{dep.name}, dep.versions...), "_")
		return nil, diag.Errorf(diag.ImportFailed, "module %s is not on this machine: kcl.mod takes it from %s", name, dep.source).
			WithHint("put it into %s, or make it a path dependency: %s = { path = \"DIR\" }", filepath.Join("vendor", folder), dep.name)
	}
	return nil, nil
}

// stored returns the directory of a module that was fetched before: in the
// directory vendor of the module that asks or of a main one, or where packages
// are kept for all. It is called NAME_VERSION or NAME.
func (l *loader) stored(m *module, name string, dep dependency) string {
	homes := []string{filepath.Join(m.root, "vendor")}
	for _, f := range l.program.Main.Files {
		homes = append(homes, filepath.Join(l.mainModule(f).root, "vendor"))
	}
	if home := packageHome(); home != "" {
		homes = append(homes, home)
	}
	var folders []string
	for _, version := range dep.versions {
		folders = append(folders, dep.name+"_"+version, name+"_"+version)
	}
	if dep.name != "" {
		folders = append(folders, dep.name)
	}
	folders = append(folders, name)
	for _, home := range homes {
		for _, folder := range folders {
			if dir := filepath.Join(home, folder); hasModFile(dir) {
				return dir
			}
		}
	}
	return ""
}

// packageHome returns the directory where packages are kept for all modules, ""
// if there is none.
func packageHome() string {
	if home := os.Getenv("KCL_PKG_PATH"); home != "" {
		return home
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".kcl", "kpm")
}

// moduleAt returns the module in a directory, the same one every time.
func (l *loader) moduleAt(name, root string) (*module, *diag.Diagnostic) {
	if !hasModFile(root) {
		return nil, diag.Errorf(diag.ImportFailed, "module %s: %s has no %s", name, display(root), ModFile).
			WithHint("a dependency is a directory with a %s", ModFile)
	}
	if l.modules[root] == nil {
		l.modules[root] = &module{name: name, root: root}
	}
	return l.modules[root], nil
}

// readDependencies reads the kcl.mod of a module and what its kcl.mod.lock says
// of versions, once.
func (m *module) readDependencies() *diag.Diagnostic {
	if m.read || m.root == "" {
		return nil
	}
	m.read = true
	var file modFile
	if _, err := readTOML(filepath.Join(m.root, ModFile), &file); err != nil {
		return err
	}
	var locked lock
	if _, err := readTOML(filepath.Join(m.root, lockFile), &locked); err != nil {
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

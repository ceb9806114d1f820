package program

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/builtin"
	"github.com/berth-oci/berth/kcl/syntax"
)

// MaxFile is the size of the largest file that is read, in bytes.
const MaxFile = 16 << 20

// loader is the state of one Load.
type loader struct {
	opts     Options
	program  *Program
	prelude  *Package
	packages map[string]*Package // by the file or directory they are in
	modules  map[string]*module  // by their roots
	stack    []*Package          // being linked, outermost first
	path     []*syntax.Import    // by which each of them imports the next
	faults   diag.List
}

// link finds the packages that p imports, depth first.
func (l *loader) link(p *Package) {
	p.state, p.Imports = loading, map[*syntax.Import]*Import{}
	l.stack = append(l.stack, p)
	for _, f := range p.Files {
		for _, stmt := range f.Body {
			if stmt, ok := stmt.(*syntax.Import); ok {
				l.path = append(l.path, stmt)
				p.Imports[stmt] = l.resolve(p, f, stmt)
				l.path = l.path[:len(l.path)-1]
			}
		}
	}
	l.stack = l.stack[:len(l.stack)-1]
	p.state = loaded
	l.program.Packages = append(l.program.Packages, p)
}

// resolve finds what an import statement of a file of p means.
func (l *loader) resolve(p *Package, f *syntax.File, stmt *syntax.Import) *Import {
	imp := &Import{Name: Name(stmt)}
	switch {
	case builtin.IsModule(stmt.Path):
		imp.System = stmt.Path
		return imp
	case l.prelude != nil && stmt.Path == l.opts.PreludeName:
		imp.Package = l.prelude
		return imp
	case strings.HasPrefix(stmt.Path, "kcl_plugin."):
		l.fail(stmt, "KCL plugins are not supported", "compute the value in KCL, or pass it with -D")
		return imp
	}
	m, rest, err := l.locate(p, f, stmt)
	if err != nil {
		l.faults = append(l.faults, err)
		return imp
	}
	target := filepath.Join(append([]string{m.root}, strings.Split(rest, ".")...)...)
	if imp.Package = l.packages[target]; imp.Package == nil {
		imp.Package = l.load(stmt, m, rest, target)
	} else if imp.Package.state == loading {
		l.circle(stmt, imp.Package)
	}
	return imp
}

// load parses and links the package at a path, or reports why it cannot.
func (l *loader) load(stmt *syntax.Import, m *module, rest, target string) *Package {
	names, err := Files(target)
	if err != nil {
		l.faults = append(l.faults, diag.Errorf(diag.ImportFailed, "cannot read package %s: %w", stmt.Path, err).At(stmt.Span()))
		return nil
	}
	if len(names) == 0 { // nothing can be used of it, and that is a fault where it is used
		d := diag.Errorf(diag.ImportFailed, "package %s has no .k file", stmt.Path).At(stmt.Span())
		d.Severity = diag.Warning
		l.faults = append(l.faults, d.WithHint("files whose names begin with _ or end in _test.k do not count"))
	}
	p := &Package{Path: join(m.name, rest), module: m}
	for _, name := range names {
		src, err := Read(name)
		if err != nil {
			l.faults = append(l.faults, err.At(stmt.Span()))
			continue
		}
		f, faults := syntax.Parse(src)
		p.Files, l.faults = append(p.Files, f), append(l.faults, faults...)
	}
	l.packages[target] = p
	if slices.ContainsFunc(names, l.isMain) {
		l.circle(stmt, l.program.Main)
		return p
	}
	l.link(p)
	return p
}

// moduleOf returns the module that a file belongs to. The files of the main
// package may be from several.
func (l *loader) moduleOf(p *Package, f *syntax.File) *module {
	if p == l.program.Main {
		return l.mainModule(f)
	}
	return p.module
}

// isMain reports whether a file belongs to the main package.
func (l *loader) isMain(name string) bool {
	return slices.ContainsFunc(l.program.Main.Files, func(f *syntax.File) bool { return absolute(f.Source.Name) == name })
}

// locate returns the module that an import path leads into and the path in it.
func (l *loader) locate(p *Package, f *syntax.File, stmt *syntax.Import) (*module, string, *diag.Diagnostic) {
	if strings.HasPrefix(stmt.Path, ".") {
		return l.moduleOf(p, f).relative(f, stmt)
	}
	m := l.moduleOf(p, f)
	inner := m.root != "" && exists(m.root, stmt.Path)
	name, rest, _ := strings.Cut(stmt.Path, ".")
	dep, err := l.dependency(m, name)
	if err != nil {
		return nil, "", err.At(stmt.Span())
	}
	switch {
	case inner && dep != nil:
		return nil, "", diag.Errorf(diag.ImportFailed, "%s is both a package of this module and one that kcl.mod depends on", name).
			At(stmt.Span()).WithHint("rename the directory, or the dependency")
	case inner:
		return m, stmt.Path, nil
	case dep != nil:
		return dep, rest, nil
	}
	d := diag.Errorf(diag.ImportFailed, "there is no package %s", stmt.Path).At(stmt.Span())
	if near := diag.Nearest(name, append(l.neighbours(m), sortedKeys(m.dependencies)...)); near != "" {
		d.Hint = "did you mean " + strings.TrimPrefix(near+strings.TrimPrefix(stmt.Path, name), ".") + "?"
	} else {
		d.Hint = "a package is a directory with .k files, or a .k file, below " + display(m.root) + "; or a dependency in its kcl.mod"
	}
	return nil, "", d
}

// relative resolves a path with leading dots: one means the directory of the
// importing file, each further one the directory above.
func (m *module) relative(f *syntax.File, stmt *syntax.Import) (*module, string, *diag.Diagnostic) {
	rest := strings.TrimLeft(stmt.Path, ".")
	dir := filepath.Dir(absolute(f.Source.Name))
	for range len(stmt.Path) - len(rest) - 1 {
		dir = filepath.Dir(dir)
	}
	below, err := filepath.Rel(m.root, dir)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return nil, "", diag.Errorf(diag.ImportFailed, "%s leads out of the module at %s", stmt.Path, display(m.root)).
			At(stmt.Span()).WithHint("use fewer dots, or make it a dependency in kcl.mod")
	}
	if !exists(dir, rest) {
		return nil, "", diag.Errorf(diag.ImportFailed, "there is no package %s in %s", rest, display(dir)).At(stmt.Span()).
			WithHint("a package is a directory with .k files, or a .k file")
	}
	if below = filepath.ToSlash(below); below != "." {
		rest = strings.ReplaceAll(below, "/", ".") + "." + rest
	}
	return m, rest, nil
}

// neighbours returns the packages right below the root of a module.
func (l *loader) neighbours(m *module) []string {
	names := slices.Clone(builtin.Modules())
	entries, _ := os.ReadDir(m.root) // none: no suggestion
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".k"); ok || e.IsDir() {
			names = append(names, name)
		}
	}
	return names
}

func (l *loader) fail(stmt *syntax.Import, message, hint string) {
	l.faults = append(l.faults, diag.Errorf(diag.ImportFailed, "%s", message).At(stmt.Span()).WithHint("%s", hint))
}

// exists reports whether a directory or a .k file is at a dotted path.
func exists(root, path string) bool {
	target := filepath.Join(append([]string{root}, strings.Split(path, ".")...)...)
	if _, err := os.Stat(target); err == nil {
		return true
	}
	_, err := os.Stat(target + ".k")
	return err == nil
}

// MainFiles returns the names of the files of a directory that is run, sorted:
// all .k files but those that end in _test.k.
func MainFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && strings.HasSuffix(name, ".k") && !strings.HasSuffix(name, "_test.k") {
			names = append(names, filepath.Join(dir, name))
		}
	}
	return names, err
}

// Files returns the names of the files of the package at a path, sorted; none
// if there is no such package. A path is a directory, or a file without its .k.
// Files whose names begin with _ or end in _test.k do not count.
func Files(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		if _, err := os.Stat(path + ".k"); err == nil {
			return []string{path + ".k"}, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() && strings.HasSuffix(name, ".k") && !strings.HasSuffix(name, "_test.k") && name[0] != '_' {
			names = append(names, filepath.Join(path, name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Read returns a file as a source.
func Read(name string) (*syntax.Source, *diag.Diagnostic) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > MaxFile {
		return nil, tooLarge(name, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read %s: %w", name, err)
	}
	return syntax.NewSource(display(name), string(data)), nil
}

func tooLarge(name string, size int64) *diag.Diagnostic {
	return diag.Errorf(diag.LimitExceeded, "%s has %d bytes; a file may have %d", name, size, MaxFile)
}

// join puts the name of a module before a path in it.
func join(module, path string) string {
	return strings.Trim(module+"."+path, ".")
}

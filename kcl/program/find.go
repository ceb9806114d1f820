package program

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/builtin"
	"github.com/berth-oci/berth/kcl/syntax"
)

// maxSuggestions is for how many imports that lead nowhere it is said what may be
// meant.
const maxSuggestions = 20

// deep is how far packages import each other before links are suspected of it.
const deep = 8

// loader is the state of one Load.
type loader struct {
	opts     Options
	reader   *Reader
	program  *Program
	prelude  *Package
	packages map[string]*Package // by the file or directory they are in
	listed   map[string]listing  // likewise, before they are read
	modules  map[string]*module  // by their roots
	stack    []*Package          // being linked, outermost first
	path     []*syntax.Import    // by which each of them imports the next
	imports  int                 // that were looked at
	missing  int                 // of those that lead nowhere
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
	if l.imports++; l.imports == maxImports+1 {
		l.faults = append(l.faults, diag.Errorf(diag.LimitExceeded, "the program has more than %d imports", maxImports).At(stmt.Span()))
	}
	if l.imports > maxImports || l.reader.full() {
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
	found := l.list(m.tree, target)
	names := found.names
	if found.err != nil {
		d := unread("package "+stmt.Path, found.err)
		if d.Code == diag.ConfigUnread {
			d.Code = diag.ImportFailed
		}
		l.faults = append(l.faults, d.At(stmt.Span()))
		return nil
	}
	if len(names) == 0 { // nothing can be used of it, and that is a fault where it is used
		d := diag.Errorf(diag.ImportFailed, "package %s has no .k file", stmt.Path).At(stmt.Span())
		d.Severity = diag.Warning
		l.faults = append(l.faults, d.WithHint("files whose names begin with _ or end in _test.k do not count"))
	}
	p := &Package{Path: join(m.name, rest), module: m}
	for _, name := range names {
		src, err := l.reader.load(m.tree, name)
		if err != nil {
			l.faults = append(l.faults, err.At(stmt.Span()))
		}
		if l.reader.full() {
			break
		}
		if err != nil {
			continue
		}
		f, faults := syntax.Parse(src)
		p.Files, l.faults = append(p.Files, f), append(l.faults, faults...)
	}
	l.packages[target] = p
	if len(l.stack) > deep && slices.ContainsFunc(l.stack, p.same) {
		l.faults = append(l.faults, diag.Errorf(diag.Cycle, "package %s imports itself through links", stmt.Path).At(stmt.Span()))
		return p
	}
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
		return l.relative(l.moduleOf(p, f), f, stmt)
	}
	m := l.moduleOf(p, f)
	inner := m.root != "" && l.exists(m, m.root, stmt.Path)
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
	if l.missing++; l.missing > maxSuggestions {
		return nil, "", d
	}
	if near := diag.Nearest(name, append(l.neighbours(m), sortedKeys(m.dependencies)...)); near != "" {
		d.Hint = "did you mean " + strings.TrimPrefix(near+strings.TrimPrefix(stmt.Path, name), ".") + "?"
	} else {
		d.Hint = "a package is a directory with .k files, or a .k file, below " + display(m.root) + "; or a dependency in its kcl.mod"
	}
	return nil, "", d
}

// relative resolves a path with leading dots: one means the directory of the
// importing file, each further one the directory above.
func (l *loader) relative(m *module, f *syntax.File, stmt *syntax.Import) (*module, string, *diag.Diagnostic) {
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
	if !l.exists(m, dir, rest) {
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
	if m.root == "" {
		return names
	}
	entries, _ := m.tree.list(m.root) // none: no suggestion
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

// exists reports whether a directory or a .k file of a module is at a dotted path
// below dir.
func (l *loader) exists(m *module, dir, path string) bool {
	target := filepath.Join(append([]string{dir}, strings.Split(path, ".")...)...)
	if l.packages[target] != nil {
		return true
	}
	found := l.list(m.tree, target)
	return found.ok || found.err != nil && m.tree.exists(target)
}

// list finds the files of the package at a path, once.
func (l *loader) list(t *tree, path string) listing {
	found, known := l.listed[path]
	if !known {
		found = t.files(path)
		l.listed[path] = found
	}
	return found
}

// Main returns the names of the files of a directory that the user names to be
// run, sorted: all .k files but those that end in _test.k, of which there is one.
func (r *Reader) Main(dir string) ([]string, *diag.Diagnostic) {
	return mainFiles(r.treeFor(dir), dir)
}

func mainFiles(t *tree, dir string) ([]string, *diag.Diagnostic) {
	entries, err := t.list(absolute(dir))
	if err != nil {
		return nil, unread(dir, err)
	}
	var names []string
	for _, e := range entries {
		if isSource(e) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, diag.Errorf(diag.ConfigUnread, "the directory %s holds no .k file", dir).
			WithHint("name the files of the program; those that end in _test.k do not count")
	}
	return names, nil
}

// Expand returns the files that a name stands for which settings in dir give: those
// of a directory, those that match a pattern, or the one of that name.
func (r *Reader) Expand(dir, name string) ([]string, *diag.Diagnostic) {
	t := r.treeFor(dir)
	info, err := t.stat(absolute(name))
	if err == nil && info.IsDir() {
		return mainFiles(t, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		var names []string
		paths, _ := t.glob(absolute(name)) // what is no pattern is a name
		for _, path := range paths {
			if rel, err := filepath.Rel(absolute(dir), path); err == nil {
				path = filepath.Join(dir, rel)
			}
			names = append(names, path)
		}
		if names != nil {
			return names, nil
		}
	}
	return []string{name}, nil
}

// Package returns the names of the files of the package in a directory, sorted.
// Files whose names begin with _ or end in _test.k do not count.
func (r *Reader) Package(dir string) ([]string, *diag.Diagnostic) {
	entries, err := r.treeFor(dir).list(absolute(dir))
	if err != nil {
		return nil, unread(dir, err)
	}
	return packageFiles(dir, entries), nil
}

// listing is the files of a package, sorted; ok is false if there is no package.
type listing struct {
	names []string
	ok    bool
	err   error
}

// files returns the files of the package at a path: a directory, or a file without
// its .k.
func (t *tree) files(path string) listing {
	entries, err := t.list(path)
	switch {
	case err == nil:
		return listing{names: packageFiles(path, entries), ok: true}
	case t.exists(path + ".k"):
		return listing{names: []string{path + ".k"}, ok: true}
	case errors.Is(err, fs.ErrNotExist):
		return listing{}
	}
	return listing{err: err}
}

func packageFiles(dir string, entries []fs.DirEntry) (names []string) {
	for _, e := range entries {
		if name := e.Name(); isSource(e) && name[0] != '_' {
			names = append(names, filepath.Join(dir, name))
		}
	}
	return names
}

// isSource reports whether an entry of a directory is KCL, and no test.
func isSource(e fs.DirEntry) bool {
	return !e.IsDir() && strings.HasSuffix(e.Name(), ".k") && !strings.HasSuffix(e.Name(), "_test.k")
}

// join puts the name of a module before a path in it.
func join(module, path string) string {
	return strings.Trim(module+"."+path, ".")
}

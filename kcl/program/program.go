// Package program finds and parses what a KCL program consists of: its main
// package and every package that it imports, from the same module or from one
// that kcl.mod depends on. It reports syntax errors, imports that lead nowhere
// and imports that go in a circle; it checks and evaluates nothing.
//
// A package is a directory with .k files, or a single file named without its
// .k. A module is the tree below the directory of a kcl.mod.
package program

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// MainPath is the path of the main package.
const MainPath = "__main__"

// Program is a parsed program. It is not changed once it is loaded.
type Program struct {
	Main *Package
	// Prelude is a package whose names the main package may use without
	// importing it; nil for none.
	Prelude *Package
	// Packages holds every package, imported ones before those that import
	// them where there is no circle; Main is the last.
	Packages []*Package

	texts map[string]diag.Source // of overrides and of files such as kcl.mod
}

// Package is the files that share one set of names.
type Package struct {
	Path  string // dotted, from the root of its module; another module's name comes first
	Files []*syntax.File
	// Imports says what each import statement of the files binds.
	Imports map[*syntax.Import]*Import
	// Unified holds the statements of the main package that give one instance
	// together: the last of them with the value that stands for all, the others
	// with nil.
	Unified map[syntax.Stmt]*syntax.SchemaExpr

	module *module // of the main package: nil, each file has its own
	state  state
}

// Import is what an import statement binds. Exactly one of System and Package
// is set; neither where the package could not be found, which was reported.
type Import struct {
	Name    string   // the name it binds in its file
	System  string   // a system module
	Package *Package // any other package
}

type state uint8

const (
	loading state = iota + 1
	loaded
)

// Options say where packages are to be found. The zero value loads a program
// that imports packages below its own root only.
type Options struct {
	// Prelude holds the files of a package whose names the main package may
	// use bare, or import as PreludeName.
	Prelude     []*syntax.File
	PreludeName string

	// Dependencies are modules by name, each the directory of its kcl.mod.
	// They come before those that the main module's kcl.mod names.
	Dependencies map[string]string

	// Overrides change configs of the main package before anything looks at it:
	// PATH=VALUE, PATH:VALUE (which joins configs), PATH+=VALUE or PATH-. Only
	// Load applies them.
	Overrides []string

	// DependencyDir is where the settings are that name Dependencies, which are
	// then in the tree of their module; "" where the user names them.
	DependencyDir string

	// Reader reads what the program imports, and may have read its main package;
	// nil for one that reads only in the trees of modules.
	Reader *Reader

	// WorkDir is the root of a main package that no kcl.mod is above and that
	// has no file; "" is the working directory.
	WorkDir string
}

// Load parses the sources as the main package and everything they import. The
// program is always usable as far as it could be read; every fault is in the
// list.
func Load(sources []*syntax.Source, opts Options) (*Program, diag.List) {
	var files []*syntax.File
	var faults diag.List
	for _, src := range sources {
		f, more := syntax.Parse(src)
		files, faults = append(files, f), append(faults, more...)
	}
	var texts []*syntax.Source
	for _, text := range opts.Overrides {
		o, src, more := parseOverride(text)
		if faults = append(faults, more...); src != nil {
			texts = append(texts, src)
		}
		if o == nil {
			continue
		}
		if d := o.apply(files); d != nil {
			faults = append(faults, d)
		}
	}
	p, more := Link(files, opts)
	for _, src := range texts {
		p.texts[src.Name] = src
	}
	return p, append(faults, more...).Sort()
}

// Link makes a program of parsed files, loading what they import.
func Link(files []*syntax.File, opts Options) (*Program, diag.List) {
	l := &loader{opts: opts, reader: opts.Reader, packages: map[string]*Package{}, listed: map[string]listing{}, modules: map[string]*module{}, program: &Program{Main: &Package{}}}
	if l.reader == nil {
		l.reader = &Reader{}
		defer l.reader.Close()
	}
	if len(opts.Prelude) > 0 {
		l.prelude = &Package{Path: opts.PreludeName, Files: opts.Prelude, module: &module{}}
		l.program.Prelude = l.prelude
		l.link(l.prelude)
	}
	main := &Package{Path: MainPath, Files: files, Unified: unified(files)}
	l.program.Main = main
	for _, f := range files {
		l.mainModule(f)
	}
	l.link(main)
	l.program.texts = maps.Clone(l.reader.Texts)
	if l.program.texts == nil {
		l.program.texts = map[string]diag.Source{}
	}
	return l.program, l.faults.Sort()
}

// Sources returns the text of every file, by name, for the frames of
// diagnostics.
func (p *Program) Sources() map[string]diag.Source {
	all := map[string]diag.Source{}
	maps.Copy(all, p.texts)
	for _, pkg := range p.Packages {
		for _, f := range pkg.Files {
			all[f.Source.Name] = f.Source
		}
	}
	return all
}

// Name returns the name that an import binds: its alias, else the last part of
// its path.
func Name(stmt *syntax.Import) string {
	if stmt.As != nil {
		return stmt.As.Text
	}
	return stmt.Path[strings.LastIndex(stmt.Path, ".")+1:]
}

// ImportsOf returns the imports of one file, in order.
func (p *Package) ImportsOf(f *syntax.File) []*Import {
	var list []*Import
	for _, stmt := range f.Body {
		if imp, ok := stmt.(*syntax.Import); ok && p.Imports[imp] != nil {
			list = append(list, p.Imports[imp])
		}
	}
	return list
}

// circle reports packages that import each other, from the one that was begun
// first to the statement that closes the circle, with the other statements.
func (l *loader) circle(stmt *syntax.Import, to *Package) {
	start := slices.Index(l.stack, to)
	var names []string
	for _, p := range l.stack[start:] {
		names = append(names, p.name())
	}
	names = append(names, to.name())
	d := diag.Errorf(diag.Cycle, "packages import each other: %s", strings.Join(names, " → ")).
		At(stmt.Span()).WithHint("move what both need into a package of its own")
	for i, step := range l.path[start : len(l.path)-1] {
		d.Related = append(d.Related, diag.Related{Span: step.Span(), Message: "imports " + names[i+1]})
	}
	l.faults = append(l.faults, d)
}

// same reports whether two packages are the same files, reached by different links.
func (p *Package) same(other *Package) bool {
	if len(p.Files) == 0 || len(p.Files) != len(other.Files) || other.Path == MainPath {
		return false
	}
	a, err := os.Stat(p.Files[0].Source.Name)
	b, err2 := os.Stat(other.Files[0].Source.Name)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// name returns the package as messages call it.
func (p *Package) name() string {
	if p.Path == MainPath {
		return "the main package"
	}
	return p.Path
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

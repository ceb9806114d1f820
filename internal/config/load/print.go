package load

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/internal/base/redact"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// KCL returns the config as a KCL program of its own: the instance with all
// values, preceded by the schemas that the config defines itself and by imports
// of those that other packages do. Imports are found where the config's are.
func (c *Config) KCL() string {
	p := &programPrinter{config: c, wanted: map[syntax.Stmt]bool{}, imports: map[string]string{}}
	value := eval.KCLNamed(c.Value(), p.schemaName)
	var b strings.Builder
	for _, line := range p.importLines() {
		b.WriteString(line + "\n")
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	for _, f := range c.program.Main.Files {
		for _, stmt := range f.Body {
			if p.wanted[stmt] {
				for line := range strings.Lines(strings.TrimRight(stmt.At().Text(), " \t\r\n")) {
					text := strings.TrimRight(line, "\r\n")
					b.WriteString(redact.LineOf(text, c.secrets()).Text + line[len(text):])
				}
				b.WriteString("\n\n")
			}
		}
	}
	b.WriteString(value + "\n")
	return b.String()
}

// programPrinter collects what the names in a printed value need.
type programPrinter struct {
	config  *Config
	wanted  map[syntax.Stmt]bool // statements of the main package
	imports map[string]string    // what to import, by the name it gets
}

// schemaName returns what a schema is called in the printed program.
func (p *programPrinter) schemaName(s *eval.Schema) string {
	pkg := p.packageOf(s.Source())
	switch pkg {
	case nil, p.config.program.Prelude:
		return s.Name
	case p.config.program.Main:
		p.want(s.Name)
		return s.Name
	}
	path := pkg.Path
	last := path[strings.LastIndexByte(path, '.')+1:]
	for name, n := last, 2; ; name, n = fmt.Sprintf("%s%d", last, n), n+1 {
		if old := p.imports[name]; old == "" || old == path {
			p.imports[name] = path
			return name + "." + s.Name
		}
	}
}

func (p *programPrinter) packageOf(src *syntax.Source) *program.Package {
	for _, pkg := range p.config.program.Packages {
		if slices.ContainsFunc(pkg.Files, func(f *syntax.File) bool { return f.Source == src }) {
			return pkg
		}
	}
	return nil
}

var word = lazyregexp.New(`[A-Za-z_][A-Za-z0-9_]*`)

// want adds the statements of the main package that define a name, and those
// that they need in turn. Every word of a statement counts, in strings too,
// which may interpolate: a definition too many does no harm. A registry is no
// definition: the program holds one.
func (p *programPrinter) want(name string) {
	for _, f := range p.config.program.Main.Files {
		for _, stmt := range f.Body {
			if p.wanted[stmt] || !slices.Contains(defines(stmt), name) || p.isRegistry(stmt) {
				continue
			}
			if imp, ok := stmt.(*syntax.Import); ok {
				p.imports[name] = imp.Path
				continue
			}
			p.wanted[stmt] = true
			for _, w := range word().FindAllString(stmt.At().Text(), -1) {
				if w != name {
					p.want(w)
				}
			}
		}
	}
}

// isRegistry reports whether the instance that is printed, or another one of a
// registry, is what a statement defines.
func (p *programPrinter) isRegistry(stmt syntax.Stmt) bool {
	var x syntax.Expr
	switch stmt := stmt.(type) {
	case *syntax.Unify:
		x = stmt.Value
	case *syntax.Assign:
		x = stmt.Value
	}
	s, ok := x.(*syntax.SchemaExpr)
	if !ok {
		return false
	}
	name := dotted(s.Schema)
	_, registries := definitions(p.config.program.Main.Files, p.config.program.Prelude.Files[0])
	_, builtin := definitions(p.config.program.Prelude.Files, p.config.program.Prelude.Files[0])
	return slices.Contains(append(registries, builtin...), name[strings.LastIndexByte(name, '.')+1:])
}

// defines returns the names that a top-level statement gives a meaning.
func defines(stmt syntax.Stmt) []string {
	var names []string
	switch stmt := stmt.(type) {
	case *syntax.Import:
		names = append(names, program.Name(stmt))
	case *syntax.Schema:
		names = append(names, stmt.Name.Text)
	case *syntax.TypeAlias:
		names = append(names, stmt.Name.Text)
	case *syntax.Unify:
		names = append(names, stmt.Target.Text)
	case *syntax.AugAssign:
		names = append(names, stmt.Target.Name.Text)
	case *syntax.Assign:
		for _, t := range stmt.Targets {
			names = append(names, t.Name.Text)
		}
	case *syntax.If:
		for _, inner := range slices.Concat(stmt.Then, stmt.Else) {
			names = append(names, defines(inner)...)
		}
	}
	return names
}

func (p *programPrinter) importLines() []string {
	var lines []string
	for name, path := range p.imports {
		line := "import " + path
		if path[strings.LastIndexByte(path, '.')+1:] != name {
			line += " as " + name
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(a, b) })
	return lines
}

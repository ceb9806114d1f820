// Package check finds what is wrong with a KCL program before it is evaluated:
// names that nothing defines, values of types that cannot be right, second
// values of what is immutable, and schemas that contradict themselves, in code
// that runs as well as in code that does not. It computes no value: package
// eval does, and finds what only values show.
//
// It accepts and rejects what the resolver of the reference runtime does, its
// order included: a name without declared type has type any until the
// statement that gives it a value was looked at. any goes with everything.
package check

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Program checks every package of a program, imported ones first. A fault is
// reported where package eval reports it too, so that of two with the same
// code and span one may be dropped. The program may have gaps where it could
// not be parsed or loaded.
func Program(p *program.Program) diag.List {
	c := &checker{
		packages: make(map[*program.Package]*pkg, len(p.Packages)),
		seen:     map[fault]bool{},
		members:  map[string]*typ{},
		keys:     map[string]*typ{},
	}
	for _, source := range p.Packages {
		var prelude *scope
		if source == p.Main && p.Prelude != nil {
			if c.prelude = c.packages[p.Prelude]; c.prelude != nil {
				prelude = c.prelude.scope
			}
		}
		c.check(source, prelude)
	}
	return c.faults.Sort()
}

// checker is the state of one run.
type checker struct {
	packages map[*program.Package]*pkg
	builtins map[string]*typ // those that were asked for
	members  map[string]*typ // of system modules, and methods: those that were asked for
	keys     map[string]*typ // the types of keys of configs

	prelude *pkg // nil for none
	pkg     *pkg
	scope   *scope
	level   int         // scopes between here and the package
	body    *schemaBody // the schema whose body is being checked

	// expected holds what the expression being checked is for, innermost last:
	// configs are held against it. nil means that nothing is known.
	expected []*typ
	// loops holds the variables of the comprehensions around. They are
	// forgotten when any scope ends.
	loops []string
	// partial holds instances that get more attributes than their own config
	// gives.
	partial map[*syntax.SchemaExpr]bool
	store   bool // a name is being assigned to
	depth   int

	faults      diag.List
	seen        map[fault]bool
	suggestions int
	compared    int // types with each other
}

// fault identifies a report: the same code at the same place says nothing new.
type fault struct {
	code diag.Code
	at   syntax.Range
	name string // of an attribute: there may be several faults at one place
}

// pkg is what is known of a package.
type pkg struct {
	source     *program.Package
	scope      *scope
	globals    map[string]syntax.Range // names that statements have given values so far
	lambdas    map[string]*function    // of names that are given a lambda, once
	schemas    []*schema
	redeclared []declaration   // the types of hidden names
	twice      map[string]bool // names with two values, of which nothing is known
	checked    bool
}

// check looks at one package.
func (c *checker) check(source *program.Package, prelude *scope) {
	p := &pkg{
		source: source, scope: &scope{parent: prelude},
		globals: map[string]syntax.Range{}, lambdas: map[string]*function{}, twice: map[string]bool{},
	}
	c.packages[source] = p
	c.pkg, c.scope, c.level = p, p.scope, 0
	c.imports()
	c.declareSchemas()
	c.declareGlobals()
	for _, s := range p.schemas {
		c.build(s)
	}
	c.cycles()
	c.declareLambdas()
	for _, f := range source.Files {
		c.stmts(f.Body)
	}
	p.checked = true
}

// imports binds the packages that the files import.
func (c *checker) imports() {
	bound := map[string]*syntax.Import{}
	for _, f := range c.pkg.source.Files {
		for _, stmt := range f.Body {
			stmt, ok := stmt.(*syntax.Import)
			if !ok {
				continue
			}
			name := program.Name(stmt)
			if before, ok := bound[name]; ok && !c.same(before, stmt) {
				c.report(diag.Immutable, stmt.Range, "%s is defined twice", name).
					WithHint("give one of them another name: import %s as …", stmt.Path)
				continue
			}
			bound[name] = stmt
			m := &module{}
			if imp := c.pkg.source.Imports[stmt]; imp != nil {
				m.pkg, m.system = imp.Package, imp.System
			}
			c.bind(name, &typ{kind: kindModule, module: m}, stmt.Range)
		}
	}
}

// same reports whether two import statements mean one package. Files of several
// modules may mean different ones by the same path.
func (c *checker) same(a, b *syntax.Import) bool {
	x, y := c.pkg.source.Imports[a], c.pkg.source.Imports[b]
	if x == nil || y == nil || x.Package == nil || y.Package == nil {
		return a.Path == b.Path
	}
	return x.Package == y.Package
}

// report adds an error, unless it is known, and returns it for a hint.
func (c *checker) report(code diag.Code, at syntax.Range, format string, args ...any) *diag.Diagnostic {
	return c.reportOnce(fault{code: code, at: at}, format, args...)
}

func (c *checker) reportOnce(f fault, format string, args ...any) *diag.Diagnostic {
	d := diag.Errorf(f.code, format, args...).At(f.at.Span())
	if !c.seen[f] {
		c.seen[f] = true
		c.faults = append(c.faults, d)
	}
	return d
}

// maxSuggestions is how many reports get a suggestion, fewer among very many
// names. To find one takes time that is worth it for a slip of the pen, not for
// a program of another kind.
const maxSuggestions = 200

// manyNames is how many names count for one suggestion.
const manyNames = 5000

// suggest adds the nearest of some names as a hint and reports whether there
// is one.
func (c *checker) suggest(d *diag.Diagnostic, name string, names []string) bool {
	if c.suggestions >= maxSuggestions {
		return false
	}
	c.suggestions += 1 + len(names)/manyNames
	near := diag.Nearest(name, names)
	if near == "" {
		return false
	}
	d.Hint = "did you mean " + near + "?"
	return true
}

// maxDepth bounds the recursion; what nests deeper is not looked at.
const maxDepth = 2000

// enter counts a level of recursion and reports whether there may be another.
func (c *checker) enter() bool {
	if c.depth >= maxDepth {
		return false
	}
	c.depth++
	return true
}

func (c *checker) leave() { c.depth-- }

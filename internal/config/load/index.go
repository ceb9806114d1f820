package load

import (
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// index finds parts of a program by their place and name.
type index struct {
	exprs    map[syntax.Range]syntax.Expr
	schemas  map[*syntax.Source][]*syntax.Schema
	packages map[*syntax.Source]*program.Package
	prelude  *program.Package
}

func newIndex(p *program.Program) *index {
	x := &index{
		exprs:    map[syntax.Range]syntax.Expr{},
		schemas:  map[*syntax.Source][]*syntax.Schema{},
		packages: map[*syntax.Source]*program.Package{},
		prelude:  p.Prelude,
	}
	for _, pkg := range p.Packages {
		for _, f := range pkg.Files {
			x.packages[f.Source] = pkg
			x.statements(f.Body)
		}
	}
	return x
}

func (x *index) statements(body []syntax.Stmt) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *syntax.Assign:
			x.add(stmt.Value)
		case *syntax.AugAssign:
			x.add(stmt.Value)
		case *syntax.Unify:
			x.add(stmt.Value)
		case *syntax.ExprStmt:
			x.add(stmt.X)
		case *syntax.If:
			x.statements(stmt.Then)
			x.statements(stmt.Else)
		case *syntax.Attr:
			if stmt.Value != nil {
				x.add(stmt.Value)
			}
		case *syntax.Schema:
			x.schemas[stmt.Source] = append(x.schemas[stmt.Source], stmt)
			x.statements(stmt.Body)
			if stmt.Index != nil && stmt.Index.Init != nil {
				x.add(stmt.Index.Init)
			}
		}
	}
}

// add indexes an expression and those inside it; the outermost one wins a place.
func (x *index) add(e syntax.Expr) {
	syntax.Walk(e, func(n syntax.Node) bool {
		if inner, ok := n.(syntax.Expr); ok {
			if _, ok := x.exprs[n.At()]; !ok {
				x.exprs[n.At()] = inner
			}
		}
		if l, ok := n.(*syntax.Lambda); ok {
			x.statements(l.Body)
		}
		return true
	})
}

// schemaAt returns the schema whose definition a place is in, or nil.
func (x *index) schemaAt(at syntax.Range) *syntax.Schema {
	for _, s := range x.schemas[at.Source] {
		if s.Start <= at.Start && at.End <= s.End {
			return s
		}
	}
	return nil
}

// definition returns the place of what a name means in a file: a value of its
// package or of the prelude, or of the package that it imports under the name.
func (x *index) definition(name, member string, src *syntax.Source) (syntax.Range, bool) {
	pkg := x.packages[src]
	if pkg == nil {
		return syntax.Range{}, false
	}
	for _, f := range pkg.Files {
		if f.Source != src {
			continue
		}
		for _, imp := range pkg.ImportsOf(f) {
			if imp.Name == name && imp.Package != nil {
				return valueOf(imp.Package, member)
			}
		}
	}
	if at, ok := valueOf(pkg, name); ok || x.prelude == nil {
		return at, ok
	}
	return valueOf(x.prelude, name)
}

// valueOf returns the place of the last value that a package gives a name.
func valueOf(pkg *program.Package, name string) (at syntax.Range, ok bool) {
	var find func([]syntax.Stmt)
	find = func(body []syntax.Stmt) {
		for _, stmt := range body {
			switch stmt := stmt.(type) {
			case *syntax.If:
				find(stmt.Then)
				find(stmt.Else)
			case *syntax.Unify:
				if stmt.Target.Text == name {
					at, ok = stmt.Value.At(), true
				}
			case *syntax.AugAssign:
				if stmt.Target.Name.Text == name {
					at, ok = stmt.Value.At(), true
				}
			case *syntax.Assign:
				for _, t := range stmt.Targets {
					if t.Name.Text == name {
						at, ok = stmt.Value.At(), true
					}
				}
			}
		}
	}
	for _, f := range pkg.Files {
		find(f.Body)
	}
	return at, ok
}

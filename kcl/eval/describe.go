package eval

import (
	"strings"

	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Attribute describes a declared attribute of a schema.
type Attribute struct {
	Name     string
	Optional bool
	Type     Type
	Default  syntax.Expr // nil without one
	Doc      string      // the comment above it
}

// Describe returns the schemas that a program defines, those of its prelude
// first, in order of definition, with the faults in their types.
func Describe(source *program.Program) ([]*Schema, error) {
	ev := &evaluator{lang: newLanguage(), imported: map[*program.Package]*pkg{}, complete: map[Value]bool{}, instances: instances{all: map[*Schema][]*Instance{}}}
	var packages []*pkg
	if source.Prelude != nil {
		ev.prelude = ev.load(source.Prelude, nil)
		ev.imported[source.Prelude] = ev.prelude
		packages = append(packages, ev.prelude)
	}
	packages = append(packages, ev.load(source.Main, ev.prelude))
	var list []*Schema
	for _, p := range packages {
		for _, s := range p.frame.order {
			if schema, ok := p.frame.read(s).(*Schema); ok {
				schema.resolve()
				list = append(list, schema)
			}
		}
	}
	return list, ev.faults.Err()
}

// Checks returns the checks of a schema in the order in which they run: those of
// its parents first, those of its mixins last.
func (s *Schema) Checks() []*syntax.Check {
	var list []*syntax.Check
	for _, level := range s.lineage() {
		list = append(list, level.def.Checks...)
		for _, m := range level.mixins {
			list = append(list, m.def.Checks...)
		}
	}
	return list
}

// Index returns the type of attributes that the schema does not declare: ok is
// false where it admits none.
func (s *Schema) Index() (t Type, ok bool) {
	sig := s.def.Index
	if sig == nil {
		return nil, false
	}
	return s.scope.ev.resolveType(sig.Value, s.scope), true
}

// Base returns the parent, or nil.
func (s *Schema) Base() *Schema { return s.base }

// Attributes returns the attributes, inherited ones first.
func (s *Schema) Attributes() []Attribute {
	var list []Attribute
	for _, a := range s.attrs() {
		list = append(list, Attribute{Name: a.name, Optional: a.optional, Type: a.typ, Default: a.decl.Value, Doc: commentAbove(a.decl.Range)})
	}
	return list
}

// commentAbove returns the comment lines right above a place.
func commentAbove(r syntax.Range) string {
	var lines []string
	for n := r.Span().Start.Line - 1; n > 0; n-- {
		text, ok := strings.CutPrefix(strings.TrimSpace(r.Source.Line(n)), "#")
		if !ok {
			break
		}
		lines = append([]string{strings.TrimSpace(text)}, lines...)
	}
	return strings.Join(lines, " ")
}

// TypeShape tells what a Type is made of, for generators of other schema
// languages. Exactly one of the fields but Union is set.
type TypeShape struct {
	Any     bool
	Basic   string  // bool, int, float or str
	Literal Value   // one value
	List    Type    // of elements
	Dict    Type    // of values
	Union   []Type  // alternatives
	Schema  *Schema // instances
}

// Shape returns what t is made of.
func Shape(t Type) TypeShape {
	switch t := t.(type) {
	case basicType:
		return TypeShape{Basic: string(t)}
	case literalType:
		return TypeShape{Literal: t.value}
	case listType:
		return TypeShape{List: t.elem}
	case dictType:
		return TypeShape{Dict: t.value}
	case unionType:
		return TypeShape{Union: t.types}
	case *schemaType:
		return TypeShape{Schema: t.schema}
	}
	return TypeShape{Any: true}
}

// ConstantValue returns the value of an expression that needs no name, such as
// a literal; ok is false for any other.
func ConstantValue(x syntax.Expr) (any, bool) {
	switch x := x.(type) {
	case *syntax.String:
		return x.Value, true
	case *syntax.Number:
		if x.IsFloat {
			return x.Float, true
		}
		return x.Int, x.Suffix == ""
	case *syntax.Constant:
		return Plain(constant(x.Kind))
	}
	return nil, false
}

package eval

import (
	"maps"
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Schema is a schema, mixin, protocol or rule.
type Schema struct {
	Name string
	Doc  string

	def    *syntax.Schema
	scope  *scope // of the package and file that define it
	base   *Schema
	mixins []*Schema

	resolved bool
	declared []*attr // own and inherited, in order; a redeclared one in its first place
	byName   map[string]*attr
}

// attr is an attribute that a schema declares.
type attr struct {
	name     string
	optional bool
	decl     *syntax.Attr
	typ      Type
	owner    *Schema
}

// Type returns "type".
func (*Schema) Type() string { return "type" }

// args are the arguments of a schema or call.
type args struct {
	positional []Value
	keywords   map[string]Value
}

// inherited returns the arguments that a parent's parameters take from those
// of its child: the positional ones by position, the others by name.
func (a *args) inherited(params []*syntax.Param) *args {
	if a == nil {
		return nil
	}
	out := &args{positional: a.positional[:min(len(a.positional), len(params))], keywords: map[string]Value{}}
	for _, p := range params {
		if v, ok := a.keywords[p.Name.Text]; ok {
			out.keywords[p.Name.Text] = v
		}
	}
	return out
}

// isA reports whether s is other or derives from it.
func (s *Schema) isA(other *Schema) bool {
	for ; s != nil; s = s.base {
		if s == other {
			return true
		}
	}
	return false
}

// lineage returns the schema and its parents, the root first.
func (s *Schema) lineage() []*Schema {
	var list []*Schema
	for ; s != nil; s = s.base {
		list = append(list, s)
	}
	slices.Reverse(list)
	return list
}

// resolve finds the parent and the mixins and collects the attributes.
func (s *Schema) resolve() {
	if s.resolved {
		return
	}
	s.resolved, s.byName = true, map[string]*attr{}
	ev := s.scope.ev
	if !ev.enter() {
		ev.locate(s.def.Name.Range)
		return
	}
	defer ev.leave()
	parent := s.def.Base
	if s.def.Kind == syntax.RULE { // a rule has the attributes of the protocol that it is for
		parent = s.def.For
	}
	if parent != nil {
		base, ok := s.scope.eval(parent).(*Schema)
		switch {
		case ok && base.isA(s):
			ev.errorf(diag.Cycle, parent.At(), "schema %s inherits from itself", s.Name)
		case ok:
			s.base = base // before the base looks for its own, which may be s
			base.resolve()
			if !ev.grow(entrySize*len(base.declared), s.def.Name.Range) {
				return
			}
			s.declared, s.byName = slices.Clone(base.declared), maps.Clone(base.byName)
		default:
			ev.errorf(diag.WrongType, parent.At(), "the parent of a schema must be a schema")
		}
	}
	for _, x := range s.def.Mixins {
		if m, ok := s.scope.eval(x).(*Schema); ok {
			m.resolve()
			s.mixins = append(s.mixins, m)
		} else {
			ev.errorf(diag.WrongType, x.At(), "a mixin must be a schema")
		}
	}
	for _, m := range append([]*Schema{s}, s.mixins...) {
		for _, stmt := range m.def.Body {
			if a, ok := stmt.(*syntax.Attr); ok {
				s.declare(&attr{name: a.Name.Text, optional: a.Optional, decl: a, owner: m})
			}
		}
	}
}

// declare adds an attribute. A schema may declare one of its parent again; a
// mixin does not change what the schema declares.
func (s *Schema) declare(a *attr) {
	old, again := s.byName[a.name]
	if again && a.owner != s {
		return
	}
	a.typ = s.scope.ev.resolveType(a.decl.Type, a.owner.scope)
	if again {
		s.declared[slices.Index(s.declared, old)] = a
	} else {
		s.declared = append(s.declared, a)
	}
	s.byName[a.name] = a
}

// attrs returns the attributes, inherited ones first.
func (s *Schema) attrs() []*attr {
	s.resolve()
	return s.declared
}

// attr returns the declaration of an attribute, or nil.
func (s *Schema) attr(name string) *attr {
	s.resolve()
	return s.byName[name]
}

func (s *Schema) names() []string {
	names := make([]string, 0, len(s.attrs()))
	for _, a := range s.attrs() {
		names = append(names, a.name)
	}
	return names
}

// FullName returns the name with the path of the package before it, which the
// main package does not have.
func (s *Schema) FullName() string {
	sc := s.scope
	for sc.pkg == nil && sc.parent != nil {
		sc = sc.parent
	}
	if sc.pkg == nil || sc.pkg.name == program.MainPath {
		return s.Name
	}
	return sc.pkg.name + "." + s.Name
}

// Source returns the source that defines the schema.
func (s *Schema) Source() *syntax.Source { return s.def.Source }

// Declares reports whether the schema, or a parent, declares the attribute.
func (s *Schema) Declares(name string) bool { return s.attr(name) != nil }

// Derives reports whether the schema is the named one or inherits from it.
func (s *Schema) Derives(name string) bool {
	for ; s != nil; s = s.base {
		if s.Name == name {
			return true
		}
	}
	return false
}

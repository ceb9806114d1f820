package eval

import (
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Type is a declared type.
type Type interface {
	// accepts reports whether v belongs to the type as it is. The members of
	// unions in each other are tried one by one, so every try counts as a step.
	accepts(ev *evaluator, v Value) bool
	// String returns the type as it is written.
	String() string
}

type (
	anyType     struct{}
	basicType   string // bool, int, float, str
	literalType struct{ value Value }
	listType    struct{ elem Type }
	dictType    struct{ key, value Type }
	unionType   struct{ types []Type }
	schemaType  struct{ schema *Schema }
	funcType    struct{}
)

func (anyType) accepts(*evaluator, Value) bool { return true }

func (t basicType) accepts(_ *evaluator, v Value) bool {
	switch v.(type) {
	case Int:
		return t == "int" || t == "float"
	case Quantity:
		return t == "number_multiplier"
	}
	return v.Type() == string(t)
}

func (t literalType) accepts(_ *evaluator, v Value) bool {
	return v.Type() == t.value.Type() && v == t.value
} // scalars only

func (t listType) accepts(ev *evaluator, v Value) bool {
	l, ok := v.(*List)
	if !ok || !ev.spend(len(l.Elems)) || !ev.enter() {
		return false
	}
	defer ev.leave()
	return !slices.ContainsFunc(l.Elems, func(e Value) bool { return !isMissing(e) && !t.elem.accepts(ev, e) })
}

func (t dictType) accepts(ev *evaluator, v Value) bool {
	d, ok := v.(*Dict)
	if !ok || !ev.spend(d.Len()) || !ev.enter() {
		return false
	}
	defer ev.leave()
	return !slices.ContainsFunc(d.entries, func(e *Entry) bool {
		return !t.key.accepts(ev, String(e.Key)) || !isMissing(e.Value) && !t.value.accepts(ev, e.Value)
	})
}

func (t unionType) accepts(ev *evaluator, v Value) bool {
	return ev.spend(1) && slices.ContainsFunc(t.types, func(t Type) bool { return t.accepts(ev, v) })
}

func (t schemaType) accepts(_ *evaluator, v Value) bool {
	inst, ok := v.(*Instance)
	return ok && inst.Schema.isA(t.schema)
}

func (funcType) accepts(_ *evaluator, v Value) bool {
	return v.Type() == "function" || v.Type() == "type"
}

func (anyType) String() string       { return "any" }
func (t basicType) String() string   { return string(t) }
func (t literalType) String() string { return KCL(t.value) }
func (t listType) String() string    { return typeText(t) }
func (t dictType) String() string    { return typeText(t) }
func (t unionType) String() string   { return typeText(t) }
func (t schemaType) String() string  { return t.schema.Name }
func (funcType) String() string      { return "function" }

// maxTypeText is how much of a type is written out: aliases of aliases make
// very long ones.
const maxTypeText = 1000

func typeText(t Type) string {
	var b strings.Builder
	writeType(&b, t)
	return b.String()
}

func writeType(b *strings.Builder, t Type) {
	if b.Len() > maxTypeText {
		b.WriteString("…")
		return
	}
	switch t := t.(type) {
	case listType:
		b.WriteByte('[')
		writeType(b, t.elem)
		b.WriteByte(']')
	case dictType:
		b.WriteByte('{')
		writeType(b, t.key)
		b.WriteByte(':')
		writeType(b, t.value)
		b.WriteByte('}')
	case unionType:
		for i, u := range t.types {
			if i > 0 {
				b.WriteString(" | ")
			}
			writeType(b, u)
			if b.Len() > maxTypeText {
				return
			}
		}
	default:
		b.WriteString(t.String())
	}
}

// resolveType finds out what a type expression means in a scope.
func (ev *evaluator) resolveType(t syntax.Type, s *scope) Type {
	switch t := t.(type) {
	case *syntax.NamedType:
		return ev.namedType(t, s)
	case *syntax.LiteralType:
		return literalType{s.eval(t.Value)}
	case *syntax.ListType:
		return listType{ev.resolveType(t.Elem, s)}
	case *syntax.DictType:
		return dictType{ev.resolveType(t.Key, s), ev.resolveType(t.Value, s)}
	case *syntax.UnionType:
		u := unionType{}
		for _, part := range t.Types {
			u.types = append(u.types, ev.resolveType(part, s))
		}
		return u
	case *syntax.FuncType:
		return funcType{}
	}
	return anyType{}
}

func (ev *evaluator) namedType(t *syntax.NamedType, s *scope) Type {
	name := t.Path[0].Text
	if len(t.Path) == 1 {
		switch name {
		case "any":
			return anyType{}
		case "bool", "int", "float", "str":
			return basicType(name)
		}
	}
	v, ok := s.typeName(name)
	if !ok && len(t.Path) == 1 {
		ev.unknownName(name, s, t.Range)
		return anyType{}
	}
	if !ok {
		ev.unknownName(name, s, t.Path[0].Range)
		return anyType{}
	}
	for _, part := range t.Path[1:] {
		if v == nil {
			return anyType{}
		}
		if v = ev.selectAttr(v, part.Text, false, part.Range); isBad(v) {
			return anyType{}
		}
	}
	switch v := v.(type) {
	case *Schema:
		return &schemaType{v}
	case typeAlias:
		return v.typ
	case *Builtin:
		if v.name == "number_multiplier" {
			return basicType("number_multiplier")
		}
	}
	return anyType{} // what is no type is found by package check, where it is a fault
}

// typeName finds the value of a name in a type: names of packages only.
func (s *scope) typeName(name string) (Value, bool) {
	for sc := s; sc != nil; sc = sc.parent {
		if sc.frame != nil && sc.frame.inst == nil {
			if slot, ok := sc.frame.slots[name]; ok {
				if !slot.isType() {
					return nil, true // not read: it may be what is being computed
				}
				return sc.frame.read(slot), true
			}
		}
		if m, ok := sc.imports[name]; ok {
			return m, true
		}
	}
	return nil, false
}

// isType reports whether a statement declares the name as a schema or type.
func (s *slot) isType() bool {
	return slices.ContainsFunc(s.setters, func(set *setter) bool {
		switch set.stmt.(type) {
		case *syntax.Schema, *syntax.TypeAlias:
			return true
		}
		return false
	})
}

// typeAlias is the value of a type alias.
type typeAlias struct{ typ Type }

func (typeAlias) Type() string { return "type" }

// conform makes v a value of type t, which turns dicts into instances of
// schemas, or reports that it is none.
func (ev *evaluator) conform(v Value, t Type, at syntax.Range, name string) Value {
	if isMissing(v) || isBad(v) {
		return v
	}
	if c, ok := ev.coerce(v, t, at); ok {
		return c
	}
	if ev.deepMismatch(v, t, at, name) {
		return bad{}
	}
	d := diag.Errorf(diag.WrongType, "%s must be %s, not %s", name, t, describe(v)).At(at.Span())
	if s, ok := v.(String); ok {
		if near := ev.near(string(s), func() []string { return literals(t) }); near != "" {
			d.Hint = "did you mean " + quote(near, '"') + "?"
		}
	}
	if st, ok := t.(*schemaType); ok {
		d.Hint = "write a block of " + st.schema.Name
	}
	ev.report(d)
	return bad{}
}

// literals returns the strings that a union of literals admits.
func literals(t Type) []string {
	switch t := t.(type) {
	case literalType:
		if s, ok := t.value.(String); ok {
			return []string{string(s)}
		}
	case unionType:
		var all []string
		for _, u := range t.types {
			all = append(all, literals(u)...)
		}
		return all
	}
	return nil
}

// deepMismatch reports the elements of a list or dict that do not belong to
// its type, each at its place, and whether it found any.
func (ev *evaluator) deepMismatch(v Value, t Type, at syntax.Range, name string) bool {
	found := false
	switch t := t.(type) {
	case listType:
		if l, ok := v.(*List); ok {
			for i, elem := range l.Elems {
				found = isBad(ev.conform(elem, t.elem, l.place(i, at), "each element of "+name)) || found
			}
		}
	case dictType:
		if d, ok := v.(*Dict); ok {
			for _, e := range d.entries {
				found = isBad(ev.conform(e.Value, t.value, e.Place, e.Key)) || found
			}
		}
	}
	return found
}

// coerce returns v as a value of t. It reports nothing but faults inside the
// configs of schemas.
func (ev *evaluator) coerce(v Value, t Type, at syntax.Range) (Value, bool) {
	switch t := t.(type) {
	case *schemaType:
		switch v := v.(type) {
		case *Dict:
			return ev.instantiate(t.schema, nil, v, at), true
		case *Instance:
			return v, v.Schema.isA(t.schema)
		}
		return v, false
	case listType:
		return ev.coerceList(v, t, at)
	case dictType:
		return ev.coerceDict(v, t)
	case unionType:
		return ev.coerceUnion(v, t, at)
	}
	return v, t.accepts(ev, v)
}

func (ev *evaluator) coerceList(v Value, t listType, at syntax.Range) (Value, bool) {
	l, ok := v.(*List)
	if !ok {
		return v, false
	}
	if !ev.spend(len(l.Elems)) || !ev.enter() {
		return bad{}, true
	}
	defer ev.leave()
	out := &List{Elems: make([]Value, len(l.Elems)), Places: l.Places}
	for i, elem := range l.Elems {
		if out.Elems[i] = elem; isMissing(elem) || isBad(elem) {
			continue
		}
		if out.Elems[i], ok = ev.coerce(elem, t.elem, l.place(i, at)); !ok {
			return v, false
		}
	}
	return out, true
}

func (ev *evaluator) coerceDict(v Value, t dictType) (Value, bool) {
	d, ok := v.(*Dict)
	if !ok {
		_, isInstance := v.(*Instance)
		return v, isInstance && t.accepts(ev, &Dict{})
	}
	if !ev.spend(d.Len()) || !ev.enter() {
		return bad{}, true
	}
	defer ev.leave()
	out := &Dict{}
	for _, e := range d.entries {
		copied := *e
		if !isMissing(e.Value) && !isBad(e.Value) {
			if copied.Value, ok = ev.coerce(e.Value, t.value, e.Place); !ok {
				return v, false
			}
		}
		if !t.key.accepts(ev, String(e.Key)) {
			return v, false
		}
		out.set(&copied)
	}
	return out, true
}

// coerceUnion picks the first member that takes v as it is, else the first
// that it can be made into; of several schemas, one that has all its keys.
func (ev *evaluator) coerceUnion(v Value, t unionType, at syntax.Range) (Value, bool) {
	if !ev.spend(1) {
		return bad{}, true
	}
	if t.accepts(ev, v) {
		return v, true
	}
	var schemas []*schemaType
	for _, u := range t.types {
		if s, ok := u.(*schemaType); ok {
			schemas = append(schemas, s)
			continue
		}
		if c, ok := ev.coerce(v, u, at); ok {
			return c, true
		}
	}
	d, ok := v.(*Dict)
	if !ok || len(schemas) == 0 {
		return v, false
	}
	for _, s := range schemas {
		if !slices.ContainsFunc(d.entries, func(e *Entry) bool { return s.schema.attr(e.Key) == nil }) {
			return ev.coerce(v, s, at)
		}
	}
	return ev.coerce(v, schemas[0], at)
}

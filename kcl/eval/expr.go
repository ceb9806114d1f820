package eval

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// eval returns the value of an expression, or bad after it reported why there
// is none.
func (s *scope) eval(x syntax.Expr) Value {
	if !s.ev.enter() {
		s.ev.locate(x.At())
		return bad{}
	}
	defer s.ev.leave()
	switch x := x.(type) {
	case *syntax.Ident:
		if v, ok := s.lookup(x.Name); ok {
			return v
		}
		if s.unset(x.Name) {
			return Undefined{}
		}
		return s.ev.unknownName(x.Name, s, x.Range)
	case *syntax.String:
		return String(x.Value)
	case *syntax.Interpolation:
		return s.interpolate(x)
	case *syntax.Number:
		return literal(x)
	case *syntax.Constant:
		return constant(x.Kind)
	case *syntax.Paren:
		return s.eval(x.X)
	case *syntax.Selector:
		return s.ev.selectAttr(s.eval(x.X), x.Name.Text, x.Optional, x.Name.Range)
	case *syntax.Index:
		return s.ev.index(s.eval(x.X), s.eval(x.I), x.Optional, x.Range)
	case *syntax.Slice:
		return s.slice(x)
	case *syntax.Call:
		return s.call(x)
	case *syntax.Unary:
		return s.ev.unary(x.Op, s.eval(x.X), x.Range)
	case *syntax.Binary:
		return s.binary(x)
	case *syntax.Compare:
		return s.compare(x)
	case *syntax.Cast:
		return s.ev.conform(s.eval(x.X), s.ev.resolveType(x.Type, s), x.X.At(), "the value")
	case *syntax.Cond:
		return s.cond(x)
	case *syntax.List:
		l := &List{}
		s.elems(x.Elems, l)
		return l
	case *syntax.ListComp:
		l := &List{}
		s.comprehend(x.Fors, func(s *scope) { s.comprehended(x.Elem, l) })
		return l
	case *syntax.DictComp:
		return s.dictComp(x)
	case *syntax.Config:
		return s.config(x)
	case *syntax.SchemaExpr:
		return s.schemaExpr(x)
	case *syntax.Lambda:
		return &Func{def: x, scope: s}
	case *syntax.Quantifier:
		return s.quantify(x)
	}
	return bad{} // a gap in the tree, reported by the parser
}

func (s *scope) cond(x *syntax.Cond) Value {
	switch cond := s.eval(x.If); {
	case isBad(cond):
		return cond
	case truth(cond):
		return s.eval(x.Then)
	}
	return s.eval(x.Else)
}

func literal(n *syntax.Number) Value {
	switch {
	case n.IsFloat:
		return Float(n.Float)
	case n.Suffix != "":
		return Quantity{n.Int, n.Suffix}
	}
	return Int(n.Int)
}

func constant(k syntax.Kind) Value {
	switch k {
	case syntax.TRUE:
		return Bool(true)
	case syntax.FALSE:
		return Bool(false)
	case syntax.NONE:
		return None{}
	}
	return Undefined{}
}

func (s *scope) interpolate(x *syntax.Interpolation) Value {
	var b strings.Builder
	for _, part := range x.Parts {
		if part.X == nil {
			b.WriteString(part.Text)
			continue
		}
		v := s.eval(part.X)
		switch {
		case isBad(v):
			return v
		case part.Format == "json":
			b.WriteString(s.ev.jsonText(v, x.Range))
		case part.Format == "yaml":
			b.WriteString(s.ev.yamlText(v, x.Range))
		default:
			b.WriteString(text(v))
		}
		if tooLong(&b) {
			break
		}
	}
	return s.ev.str(b.String(), x.Range)
}

// selectAttr returns x.name, or with optional x?.name: None where x is None or
// otherwise counts as false.
func (ev *evaluator) selectAttr(x Value, name string, optional bool, at syntax.Range) Value {
	if optional && !isBad(x) && !truth(x) {
		return None{}
	}
	switch x := x.(type) {
	case bad:
		return x
	case *Dict:
		if e := x.Get(name); e != nil {
			return e.Value
		}
		return Undefined{}
	case *Instance:
		if e := x.Attrs.Get(name); e != nil {
			return e.Value
		}
		return ev.noMember(x.Schema.Name, name, x.Schema, at)
	case *Module:
		if v, ok := x.member(name); ok {
			return v
		}
		d := diag.Errorf(diag.UnknownName, "package %s has no %s", x.name, name).At(at.Span())
		if near := ev.near(name, x.names); near != "" {
			d.Hint = "did you mean " + near + "?"
		}
		ev.report(d)
		return bad{}
	case String:
		if m, ok := ev.lang.methods[name]; ok {
			return &Builtin{name: name, call: func(c *call) Value {
				c.args = append([]Value{x}, c.args...)
				return m(c)
			}}
		}
		return ev.errorf(diag.UnknownName, at, "a str has no method %s", name)
	case *Schema:
		if name == "instances" {
			return ev.instances.method(x)
		}
	}
	return ev.errorf(diag.WrongType, at, "%s has no attribute %s", describe(x), name)
}

func (ev *evaluator) noMember(of, name string, s *Schema, at syntax.Range) Value {
	d := diag.Errorf(diag.UnknownAttr, "%s has no attribute %s", of, name).At(at.Span())
	if near := ev.near(name, s.names); near != "" {
		d.Hint = "did you mean " + near + "?"
	}
	ev.report(d)
	return bad{}
}

func (ev *evaluator) index(x, i Value, optional bool, at syntax.Range) Value {
	if isBad(x, i) {
		return bad{}
	}
	switch x := x.(type) {
	case *List:
		if n, ok := i.(Int); ok {
			if v, ok := elementAt(x.Elems, n); ok {
				return v
			}
			return ev.errorf(diag.EvalFailed, at, "list index out of range: %d", n)
		}
	case String:
		if n, ok := i.(Int); ok {
			if !ev.spend(len(x) / readSize) {
				return bad{}
			}
			if r, ok := elementAt([]rune(string(x)), n); ok {
				return String(r)
			}
			return ev.errorf(diag.EvalFailed, at, "string index out of range: %d", n)
		}
	case *Dict, *Instance:
		if name, ok := i.(String); ok {
			if inst, ok := x.(*Instance); ok && inst.Attrs.Get(string(name)) == nil {
				return Undefined{}
			}
			return ev.selectAttr(x, string(name), optional, at)
		}
		if isMissing(i) {
			return Undefined{}
		}
	case None, Undefined:
		if optional {
			return None{}
		}
	}
	return ev.errorf(diag.WrongType, at, "%s cannot be indexed with %s", describe(x), describe(i))
}

func elementAt[T any](elems []T, i Int) (v T, ok bool) {
	if i < 0 {
		i += Int(len(elems))
	}
	if i < 0 || i >= Int(len(elems)) {
		return v, false
	}
	return elems[i], true
}

func (s *scope) slice(x *syntax.Slice) Value {
	v := s.eval(x.X)
	var bounds [3]*Int
	for i, b := range []syntax.Expr{x.Lo, x.Hi, x.Step} {
		if b == nil {
			continue
		}
		switch n := s.eval(b).(type) {
		case Int:
			bounds[i] = &n
		case None, Undefined:
		case bad:
			return n
		default:
			return s.ev.errorf(diag.WrongType, b.At(), "a slice needs int bounds, not %s", describe(n))
		}
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		return s.ev.errorf(diag.EvalFailed, x.Step.At(), "the step of a slice cannot be 0")
	}
	switch v := v.(type) {
	case *List:
		l := &List{Elems: sliced(v.Elems, bounds)}
		if !s.ev.grow(len(l.Elems), x.Range) {
			return bad{}
		}
		return l
	case String:
		if !s.ev.spend(len(v) / readSize) {
			return bad{}
		}
		return s.ev.str(string(sliced([]rune(string(v)), bounds)), x.Range)
	case bad:
		return v
	case None, Undefined:
		if x.Optional {
			return None{}
		}
	}
	return s.ev.errorf(diag.WrongType, x.Range, "%s cannot be sliced", describe(v))
}

// sliced works as Python's slices do.
func sliced[T any](elems []T, bounds [3]*Int) []T {
	n := Int(len(elems))
	step := Int(1)
	if bounds[2] != nil {
		step = *bounds[2]
	}
	lo, hi := Int(0), n
	least, most := Int(0), n
	if step < 0 {
		lo, hi = n-1, -1
		least, most = -1, n-1
	}
	clamp := func(b *Int, def Int) Int {
		if b == nil {
			return def
		}
		v := *b
		if v < 0 {
			v += n
		}
		return min(max(v, least), most)
	}
	lo, hi = clamp(bounds[0], lo), clamp(bounds[1], hi)
	var out []T
	for i := lo; step > 0 && i < hi || step < 0 && i > hi; i += step {
		out = append(out, elems[i])
	}
	return out
}

func (s *scope) binary(x *syntax.Binary) Value {
	a := s.eval(x.X)
	switch x.Op {
	case syntax.AND:
		if isBad(a) || !truth(a) {
			return a
		}
		return s.eval(x.Y)
	case syntax.OR:
		if isBad(a) || truth(a) {
			return a
		}
		return s.eval(x.Y)
	}
	return s.ev.binary(x.Op, a, s.eval(x.Y), x.Range)
}

func (s *scope) compare(x *syntax.Compare) Value {
	a := s.eval(x.Operands[0])
	for i, op := range x.Ops {
		b := s.eval(x.Operands[i+1])
		v := s.ev.compare(op, a, b, x.Range)
		if isBad(v) || !truth(v) {
			return v
		}
		a = b
	}
	return Bool(true)
}

func (s *scope) schemaExpr(x *syntax.SchemaExpr) Value {
	s.ev.configs++
	defer func() { s.ev.configs-- }()
	v := s.eval(x.Schema)
	if alias, ok := v.(typeAlias); ok {
		switch t := alias.typ.(type) {
		case *schemaType:
			v = t.schema
		case dictType:
			return s.ev.conform(s.config(x.Config), t, x.Range, "the value")
		}
	}
	switch v := v.(type) {
	case *Schema:
		return s.ev.instantiate(v, s.args(x.Args, x.Keywords), s.config(x.Config), x.Range)
	case *Instance:
		return s.ev.union(v, s.config(x.Config), unionOperator, x.Range)
	case *Dict:
		return s.ev.union(v, s.config(x.Config), unionOperator, x.Range)
	case bad:
		s.config(x.Config) // for the faults inside
		return v
	}
	return s.ev.errorf(diag.WrongType, x.Schema.At(), "%s is not a schema", describe(v))
}

func (s *scope) args(positional []syntax.Expr, keywords []syntax.Keyword) *args {
	a := &args{}
	for _, x := range positional {
		a.positional = append(a.positional, s.eval(x))
	}
	for _, k := range keywords {
		if a.keywords == nil {
			a.keywords = map[string]Value{}
		}
		a.keywords[k.Name.Text] = s.eval(k.Value)
	}
	return a
}

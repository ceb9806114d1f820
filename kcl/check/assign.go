package check

import (
	"fmt"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// place says where a value of a wrong type is to be shown.
type place struct {
	name  string       // what must have the type
	value syntax.Expr  // the value; may be nil
	line  syntax.Range // what the value is for, on the line that is at fault
}

// onLine returns where x is, if that begins on the line of another place, and
// that place otherwise.
func onLine(x syntax.Node, line syntax.Range) syntax.Range {
	at := x.At()
	if at.Source == nil || line.Source == nil || at.Source != line.Source {
		return line
	}
	lo, hi := min(at.Start, line.Start), max(at.Start, line.Start)
	for i := lo; i < hi; i++ {
		if line.Source.Text[i] == '\n' {
			return line
		}
	}
	return at
}

// must checks an expression whose value must have a type.
func (c *checker) must(x syntax.Expr, want *typ, name string) *typ {
	before := len(c.faults)
	t := c.expr(x)
	c.assign(t, want, place{name, x, x.At()}, before)
	return t
}

// assign reports a value of type t where one of type want must be. before is
// the number of faults before the value was checked: when there are more now,
// its type is not worth a word.
func (c *checker) assign(t, want *typ, p place, before int) {
	if len(c.faults) > before {
		return
	}
	if c.fits(t, want, p) || len(c.faults) > before {
		return
	}
	c.mismatch(t, want, p)
}

// mismatch reports a value of a wrong type, at the element of it that is
// wrong where that is on the same line.
func (c *checker) mismatch(t, want *typ, p place) {
	at := p.line
	if p.value != nil {
		at = onLine(p.value, p.line)
	}
	if list, ok := unwrap(p.value).(*syntax.List); ok && want.kind == kindList {
		for _, elem := range list.Elems {
			part := constantType(elem)
			if part == nil || assignable(part, want.elem) {
				continue
			}
			if inside := onLine(elem, p.line); inside == elem.At() {
				c.mismatch(part, want.elem, place{"each element of " + p.name, elem, inside})
				return
			}
			d := c.wrong(t, want, p.name, at)
			d.Related = append(d.Related, diag.Related{Span: elem.At().Span(), Message: "this element is " + describe(part)})
			return
		}
	}
	c.wrong(t, want, p.name, at)
}

// wrong words the report of a value of a wrong type.
func (c *checker) wrong(t, want *typ, name string, at syntax.Range) *diag.Diagnostic {
	got := describe(t)
	if kinds := want.kind; kinds == t.kind || kinds == kindUnion && t.kind != kindStrLit {
		got = exact(t)
	}
	d := c.report(diag.WrongType, at, "%s must be %s, not %s", name, want, got)
	switch {
	case t.kind == kindStrLit && c.suggest(d, t.text, literals(want)):
		d.Hint = fmt.Sprintf("did you mean %q?", diag.Nearest(t.text, literals(want)))
	case want.kind == kindSchema && !t.isConfig():
		d.Hint = "write a block of " + want.schema.name
	}
	return d
}

// exact describes a type where its kind alone would say nothing.
func exact(t *typ) string {
	if t.kind == kindList || t.kind == kindDict || t.kind == kindUnion {
		return widen(t).String()
	}
	return describe(t)
}

// literals returns the strings that a type admits, when it admits single ones.
func literals(t *typ) []string {
	var all []string
	t.all(func(u *typ) bool {
		if u.kind == kindStrLit {
			all = append(all, u.text)
		}
		return true
	})
	return all
}

// constantType returns the type of a literal, or of a list of literals, nil for
// any other expression.
func constantType(x syntax.Expr) *typ {
	switch x := unwrap(x).(type) {
	case *syntax.Number:
		return numberType(x)
	case *syntax.String:
		return strLit(x.Value)
	case *syntax.Constant:
		return constType(x.Kind)
	case *syntax.List:
		types := make([]*typ, len(x.Elems))
		for i, elem := range x.Elems {
			if types[i] = constantType(elem); types[i] == nil {
				return nil
			}
		}
		return listOf(join(types...))
	}
	return nil
}

func unwrap(x syntax.Expr) syntax.Expr {
	for {
		p, ok := x.(*syntax.Paren)
		if !ok {
			return x
		}
		x = p.X
	}
}

// maxCompared bounds the comparisons of one run: unions in each other are tried
// member by member. What is wrong beyond shows when the program is evaluated.
const maxCompared = 1 << 22

// fits reports whether a value of type t may be given to what has type want.
// What is wrong inside a dict that becomes an instance is reported here.
func (c *checker) fits(t, want *typ, p place) bool {
	if c.compared++; c.compared > maxCompared || !c.enter() {
		return true
	}
	defer c.leave()
	switch {
	case t == want && t.kind != kindModule:
		return true
	case t.kind == kindList && want.kind == kindList:
		return c.fits(t.elem, want.elem, p)
	case t.kind == kindDict && want.kind == kindDict:
		return c.fits(t.key, want.key, p) && c.fits(t.elem, want.elem, p)
	case t.kind == kindDict && want.kind == kindSchema:
		c.dictFitsSchema(t, want.schema, p)
		return true
	case t.kind == kindUnion && t.all((*typ).isLiteral):
		return assignable(t, want)
	case t.kind == kindUnion:
		for _, u := range t.union.types {
			if !c.fits(u, want, p) {
				return false
			}
		}
		return true
	case want.kind == kindUnion && !t.isLiteral():
		for _, u := range want.union.types {
			if c.fits(t, u, p) {
				return true
			}
		}
		return false
	}
	return assignable(t, want)
}

// dictFitsSchema checks the entries of a dict that becomes an instance, as far
// as they are known: all of them against an index signature, else an only one.
func (c *checker) dictFitsSchema(t *typ, s *schema, p place) {
	before := len(c.faults)
	if s.vague() {
		return
	}
	if s.index == nil {
		if t.key.kind == kindStrLit {
			if f, a := t.entries.get(t.key.text), s.attrs[t.key.text]; f != nil && a != nil {
				c.assign(f.typ, a.typ, place{name: f.name, line: p.line}, before)
			}
		}
		return
	}
	if len(t.entries.all()) == 0 {
		c.assign(t.elem, s.index.value, place{"each entry of " + p.name, p.value, p.line}, before)
		return
	}
	for _, f := range t.entries.all() {
		want, at := s.index.value, f.at
		if s.index.open {
			if a := s.attrs[f.name]; a != nil {
				want, at = a.typ, p.line
			}
		}
		c.assign(f.typ, want, place{name: f.name, line: at}, len(c.faults))
	}
}

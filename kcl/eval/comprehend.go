package eval

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// elems evaluates the elements of a list into l.
func (s *scope) elems(list []syntax.Expr, l *List) {
	for _, x := range list {
		switch x := x.(type) {
		case *syntax.Star:
			switch v := s.eval(x.X).(type) {
			case *List:
				if !s.ev.grow(len(v.Elems), x.Range) {
					return
				}
				for i, elem := range v.Elems {
					l.Elems, l.Places = append(l.Elems, elem), append(l.Places, v.place(i, x.Range))
				}
			case *Dict:
				for _, e := range v.entries {
					l.Elems, l.Places = append(l.Elems, String(e.Key)), append(l.Places, x.Range)
				}
			case *Instance:
				for _, e := range v.Attrs.entries {
					l.Elems, l.Places = append(l.Elems, String(e.Key)), append(l.Places, x.Range)
				}
			case None, Undefined, bad:
			default:
				s.ev.errorf(diag.WrongType, x.Range, "only a list or dict can be unpacked with *, not %s", describe(v))
			}
		case *syntax.IfElem:
			switch cond := s.eval(x.Cond); {
			case isBad(cond):
			case truth(cond):
				s.elems(x.Then, l)
			default:
				s.elems(x.Else, l)
			}
		default:
			l.Elems, l.Places = append(l.Elems, s.eval(x)), append(l.Places, x.At())
		}
		if !s.ev.grow(1, x.At()) {
			return
		}
	}
}

// comprehended adds the element of one round of a comprehension to l. An
// if-entry is a list of its own there, or None.
func (s *scope) comprehended(x syntax.Expr, l *List) {
	entry, ok := x.(*syntax.IfElem)
	if !ok {
		s.elems([]syntax.Expr{x}, l)
		return
	}
	inner := &List{}
	s.elems([]syntax.Expr{entry}, inner)
	var v Value = inner
	if len(inner.Elems) == 0 && len(entry.Else) == 0 {
		v = None{}
	}
	l.Elems, l.Places = append(l.Elems, v), append(l.Places, x.At())
	s.ev.grow(1, x.At())
}

// comprehend runs body for every combination of the clauses.
func (s *scope) comprehend(fors []*syntax.For, body func(*scope)) {
	if len(fors) == 0 {
		body(s)
		return
	}
	f := fors[0]
	s.each(s.eval(f.Over), f.Over.At(), f.Vars, func(s *scope, _, _ Value) bool {
		for _, cond := range f.Ifs {
			if v := s.eval(cond); isBad(v) || !truth(v) {
				return true
			}
		}
		s.comprehend(fors[1:], body)
		return !s.ev.stopped
	})
}

// each binds the variables to every element of a collection in turn, until
// body says false; body gets the index or key, and the element or value, too.
// One variable takes an element of a list, a key of a dict or a character; two
// take index and element, or key and value.
func (s *scope) each(over Value, at syntax.Range, vars []*syntax.Name, body func(s *scope, first, second Value) bool) {
	step := func(first, second Value) bool {
		child := s.child()
		child.loop = true
		if len(vars) == 2 {
			child.set(vars[0].Text, first)
			child.set(vars[1].Text, second)
		} else if _, ok := first.(String); ok {
			child.set(vars[0].Text, first)
		} else {
			child.set(vars[0].Text, second)
		}
		return body(child, first, second)
	}
	switch v := over.(type) {
	case *List:
		for i, elem := range v.Elems {
			if !step(Int(i), elem) {
				return
			}
		}
	case String:
		i := 0
		for _, r := range string(v) {
			if !step(Int(i), String(r)) {
				return
			}
			i++
		}
	case *Dict:
		eachEntry(v, step)
	case *Instance:
		eachEntry(v.Attrs, step)
	case bad:
	default:
		s.ev.errorf(diag.WrongType, at, "%s is not a list, dict or string to go over", describe(v))
	}
}

func eachEntry(d *Dict, step func(first, second Value) bool) {
	for _, e := range d.entries {
		if !step(String(e.Key), e.Value) {
			return
		}
	}
}

func (s *scope) dictComp(x *syntax.DictComp) Value {
	d := &Dict{}
	s.comprehend(x.Fors, func(s *scope) {
		key, ok := s.eval(x.Entry.Key).(String)
		if !ok {
			s.ev.errorf(diag.WrongType, x.Entry.Key.At(), "a key must be a string")
			return
		}
		e := &Entry{Key: string(key), Value: s.eval(x.Entry.Value), Op: x.Entry.Op, KeyPlace: x.Entry.Key.At(), Place: x.Entry.Value.At()}
		s.ev.merge(d, e, unionConfig, x.Range)
		s.ev.grow(entrySize, x.Range)
	})
	return d
}

// quantify evaluates `all`, `any`, `map` and `filter`.
func (s *scope) quantify(x *syntax.Quantifier) Value {
	over := s.eval(x.Over)
	list, dict := &List{}, &Dict{}
	result, dropped := x.Op == syntax.ALL, false
	s.each(over, x.Over.At(), x.Vars, func(s *scope, first, second Value) bool {
		var v Value = Bool(true)
		if x.If == nil || truth(s.eval(x.If)) {
			v = s.eval(x.Body)
		} else if x.Op != syntax.FILTER {
			return true
		}
		if isBad(v) {
			result = false
			return true
		}
		switch x.Op {
		case syntax.ALL:
			result = truth(v)
			return result
		case syntax.ANY:
			result = truth(v)
			return !result
		case syntax.MAP:
			list.Elems = append(list.Elems, v)
		case syntax.FILTER:
			if !truth(v) {
				dropped = true
				return true
			}
			if key, ok := first.(String); ok {
				dict.set(&Entry{Key: string(key), Value: second, Op: syntax.ASSIGN})
			} else {
				list.Elems = append(list.Elems, second)
			}
		}
		return s.ev.grow(entrySize, x.Range)
	})
	switch x.Op {
	case syntax.ALL, syntax.ANY:
		return Bool(result)
	case syntax.FILTER:
		return s.ev.filtered(x, over, list, dict, dropped)
	}
	return list
}

// filtered returns what a filter has kept of a collection. Of a str or an
// instance nothing can be dropped.
func (ev *evaluator) filtered(x *syntax.Quantifier, over Value, list *List, dict *Dict, dropped bool) Value {
	switch over.(type) {
	case *List:
		return list
	case *Dict:
		return dict
	}
	if dropped {
		return ev.errorf(diag.WrongType, x.Over.At(), "filter drops from a list or dict only, not from %s", describe(over))
	}
	return over
}

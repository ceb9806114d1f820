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
	s.each(f.Over, f.Vars, func(s *scope) bool {
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
// body says false. One variable takes an element of a list, a key of a dict or
// a character; two take index and element, or key and value.
func (s *scope) each(over syntax.Expr, vars []*syntax.Name, body func(*scope) bool) {
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
		return body(child)
	}
	switch v := s.eval(over).(type) {
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
		s.ev.errorf(diag.WrongType, over.At(), "%s is not a list, dict or string to go over", describe(v))
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

func (s *scope) quantify(x *syntax.Quantifier) Value {
	list, dict := &List{}, &Dict{}
	result := x.Op == syntax.ALL
	_, overDict := s.eval(x.Over).(*Dict)
	s.each(x.Over, x.Vars, func(s *scope) bool {
		holds := true
		if x.If != nil {
			holds = truth(s.eval(x.If))
		}
		var v Value = Bool(true)
		if holds {
			v = s.eval(x.Body)
		} else if x.Op != syntax.FILTER {
			return true
		}
		if isBad(v) {
			result = false
			return true
		}
		element := s.vars[x.Vars[len(x.Vars)-1].Text]
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
				return true
			}
			if overDict {
				key := s.vars[x.Vars[0].Text].(String)
				dict.set(&Entry{Key: string(key), Value: s.ev.entryValue(x, s, string(key), element), Op: syntax.ASSIGN})
			} else {
				list.Elems = append(list.Elems, element)
			}
		}
		return s.ev.grow(entrySize, x.Range)
	})
	switch {
	case x.Op == syntax.ALL || x.Op == syntax.ANY:
		return Bool(result)
	case overDict && x.Op == syntax.FILTER:
		return dict
	}
	return list
}

// entryValue returns the value that belongs to a key that filter keeps.
func (ev *evaluator) entryValue(x *syntax.Quantifier, s *scope, key string, element Value) Value {
	if len(x.Vars) == 2 {
		return element
	}
	if d, ok := s.parent.eval(x.Over).(*Dict); ok {
		if e := d.Get(key); e != nil {
			return e.Value
		}
	}
	return Undefined{}
}

package check

import "strings"

// maxSteps bounds the work of one comparison of types. One that takes more is
// taken to hold: what is wrong will show when the program is evaluated.
const maxSteps = 1 << 16

// subsumes compares types; it counts its steps.
type subsumes struct {
	steps int
}

// assignable reports whether a value of type t may be given to what has type
// want. any goes with everything.
func assignable(t, want *typ) bool {
	return t.kind != kindModule && (&subsumes{}).holds(t, want, true)
}

// narrows reports whether a declaration of type t may stand where one of type
// wide was: then any is no part of anything but any.
func narrows(t, wide *typ) bool { return (&subsumes{}).holds(t, wide, false) }

// holds reports whether every value of type t is one of type w. A str may turn
// out to be any literal. leftAny says whether an unknown t goes with every w.
func (s *subsumes) holds(t, w *typ, leftAny bool) bool {
	if s.steps++; s.steps > maxSteps || t == w {
		return true
	}
	switch {
	case w.kind == kindAny || t.kind == kindNone || leftAny && t.kind == kindAny:
		return true
	case t.kind == kindUnion:
		for _, u := range t.union.types {
			if !s.holds(u, w, false) {
				return false
			}
		}
		return true
	case w.kind == kindUnion:
		return s.holdsOne(t, w)
	case t.kind == kindSchema:
		return w.kind == kindSchema && t.schema.isA(w.schema)
	case t.isInt() && w.isFloat():
		return true
	case t.kind == kindMultiplier && w.kind == kindMultiplier:
		return w.text == "" || t.text == w.text
	case t.isLiteral():
		return t.literalIs(w)
	case t.kind == kindStr && w.kind == kindStrLit:
		return true
	case t.kind == kindList && w.kind == kindList:
		return s.holds(t.elem, w.elem, leftAny)
	case t.kind == kindDict && w.kind == kindDict:
		return s.holds(t.key, w.key, leftAny) && s.holds(t.elem, w.elem, leftAny)
	case t.kind == kindFunc && w.kind == kindFunc:
		return s.holdsFunc(t.fn, w.fn, leftAny)
	}
	return false
}

// holdsOne looks for the member of a union that t is. The members of a long
// union are found by value.
func (s *subsumes) holdsOne(t, w *typ) bool {
	types := w.union.types
	if len(types) > shortList {
		if w.union.known == nil {
			w.union.classify()
		}
		if t.isLiteral() && w.union.known[t.lit()] {
			return true
		}
		if t.kind != kindStr {
			types = w.union.rest
		}
	}
	for _, u := range types {
		if s.holds(t, u, false) {
			return true
		}
	}
	return false
}

// classify sorts the members of a union into literals and others. A float
// literal is both, as ints go with it too.
func (u *union) classify() {
	u.known = make(map[lit]bool, len(u.types))
	for _, t := range u.types {
		if t.isLiteral() {
			u.known[t.lit()] = true
		}
		if !t.isLiteral() || t.kind == kindFloatLit {
			u.rest = append(u.rest, t)
		}
	}
}

// literalIs reports whether a literal is a value of type w.
func (t *typ) literalIs(w *typ) bool {
	switch {
	case w.isLiteral():
		return t.lit() == w.lit()
	case w.kind == kindFloat && t.kind != kindStrLit:
		return true
	case w.isBasic():
		// The reference looks for the name of the type in str(text), so that it
		// finds fault with "print" for an int only when it evaluates.
		return widen(t) == w || t.kind == kindStrLit && strings.Contains(t.text, w.String())
	}
	return false
}

func (s *subsumes) holdsFunc(f, g *function, leftAny bool) bool {
	if len(f.params) != len(g.params) {
		return false
	}
	for i := range f.params {
		if !s.holds(g.params[i].typ, f.params[i].typ, leftAny) {
			return false
		}
	}
	return s.holds(f.result, g.result, leftAny)
}

// widen returns the type that a variable has whose first value is of type t:
// 1 makes an int variable, and None says nothing.
func widen(t *typ) *typ {
	switch t.kind {
	case kindNone:
		return anyType
	case kindBoolLit:
		return boolType
	case kindIntLit:
		return intType
	case kindFloatLit:
		return floatType
	case kindStrLit:
		return strType
	case kindList, kindDict, kindUnion:
		if t.wide == nil {
			t.wide = t.widened()
		}
		return t.wide
	}
	return t
}

func (t *typ) widened() *typ {
	switch t.kind {
	case kindList:
		if elem := widen(t.elem); elem != t.elem {
			return listOf(elem)
		}
		return t
	case kindDict:
		key, elem := widen(t.key), widen(t.elem)
		if key == t.key && elem == t.elem {
			return t
		}
		return &typ{kind: kindDict, key: key, elem: elem, entries: t.entries}
	}
	types := make([]*typ, len(t.union.types))
	for i, u := range t.union.types {
		types[i] = widen(u)
	}
	return join(types...)
}

// operand is the type that operators look at: members of a union are widened.
func operand(t *typ) *typ {
	if t.kind == kindUnion {
		return widen(t)
	}
	return t
}

// maxMembers is how many members of a union that are no literals are told
// apart; of one with more nothing is known.
const maxMembers = 32

// join returns the least type that holds all the types: those that another of
// them includes are left out.
func join(types ...*typ) *typ {
	if len(types) == 1 {
		return types[0]
	}
	set := make([]*typ, 0, len(types))
	var seen map[lit]bool
	if len(types) > shortList {
		seen = make(map[lit]bool, len(types))
	}
	others, floats := 0, false
	add := func(t *typ) {
		switch {
		case t.isLiteral() && seen != nil:
			if seen[t.lit()] {
				return
			}
			seen[t.lit()] = true
		default:
			for _, u := range set {
				if u == t || t.isLiteral() && u.lit() == t.lit() {
					return
				}
			}
		}
		floats = floats || t.kind == kindFloatLit
		if !t.isLiteral() {
			others++
		}
		if others > maxMembers {
			return
		}
		set = append(set, t)
	}
	for _, t := range types {
		if t.kind != kindUnion {
			add(t)
			continue
		}
		if seen == nil && len(t.union.types) > shortList {
			seen = make(map[lit]bool, len(t.union.types))
			for _, u := range set {
				seen[u.lit()] = seen[u.lit()] || u.isLiteral()
			}
		}
		for _, u := range t.union.types {
			add(u)
		}
	}
	if others > maxMembers {
		return anyType
	}
	return unionOf(reduce(set, others > 0, floats))
}

func unionOf(set []*typ) *typ {
	switch len(set) {
	case 0:
		return anyType
	case 1:
		return set[0]
	}
	return &typ{kind: kindUnion, union: &union{types: set}}
}

// reduce leaves out of a set what another member includes. Literals are all
// different, so of two only an int is ever included in a float. Where each of
// two includes the other, the later stays.
func reduce(set []*typ, others, floats bool) []*typ {
	if !others && !floats {
		return set
	}
	var composite []int // the places of those that are no literals
	for i, t := range set {
		if !t.isLiteral() {
			composite = append(composite, i)
		}
	}
	gone := make([]bool, len(set))
	relation := &subsumes{}
	for i, t := range set {
		if gone[i] = gone[i] || floats && t.kind == kindIntLit; gone[i] {
			continue
		}
		for n := range len(set) - i - 1 {
			j := i + 1 + n
			if t.isLiteral() {
				if n >= len(composite) {
					break
				}
				j = composite[n]
			}
			if j <= i || gone[j] {
				continue
			}
			if relation.holds(t, set[j], false) {
				gone[i] = true
				break
			}
			gone[j] = relation.holds(set[j], t, false)
		}
	}
	left := set[:0]
	for i, t := range set {
		if !gone[i] {
			left = append(left, t)
		}
	}
	return left
}

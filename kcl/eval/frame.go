package eval

import (
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// scope is a chain of names: local variables, then the frame of a schema
// instance, then the frame of a package and the imports of a file.
type scope struct {
	parent  *scope
	vars    map[string]Value
	frame   *frame
	imports map[string]*Module
	pkg     *pkg           // of the outermost scope of a package
	loop    bool           // vars are the variables of a comprehension or quantifier
	lambda  *syntax.Lambda // vars are those of a call of it

	ev *evaluator
}

func (s *scope) child() *scope { return &scope{parent: s, ev: s.ev} }

// set binds a local variable.
func (s *scope) set(name string, v Value) {
	if s.vars == nil {
		s.vars = make(map[string]Value, 4)
	}
	s.vars[name] = v
}

// loopVar returns the value of a name that is a variable of a comprehension or
// quantifier around, in the same lambda.
func (s *scope) loopVar(name string) (Value, bool) {
	for sc := s; sc != nil && sc.frame == nil && sc.lambda == nil; sc = sc.parent {
		if v, ok := sc.vars[name]; ok && sc.loop {
			return v, true
		}
	}
	return nil, false
}

// lookup finds a name, innermost scope first.
func (s *scope) lookup(name string) (Value, bool) {
	for sc := s; sc != nil; sc = sc.parent {
		if v, ok := sc.vars[name]; ok {
			return v, true
		}
		if sc.frame != nil {
			if slot, ok := sc.frame.slots[name]; ok {
				return sc.frame.read(slot), true
			}
		}
		if m, ok := sc.imports[name]; ok {
			return m, true
		}
	}
	if b, ok := s.ev.lang.builtins[name]; ok {
		return b, true
	}
	return nil, false
}

// unset reports whether a name is one that a lambda around sets somewhere, but
// has not set on the way here: its value is Undefined.
func (s *scope) unset(name string) bool {
	for sc := s; sc != nil; sc = sc.parent {
		if sc.lambda != nil && sets(sc.lambda.Body, name) {
			return true
		}
	}
	return false
}

// sets reports whether statements set a name, under whichever conditions.
func sets(list []syntax.Stmt, name string) bool {
	for _, stmt := range list {
		found := false
		switch stmt := stmt.(type) {
		case *syntax.If:
			found = sets(stmt.Then, name) || sets(stmt.Else, name)
		case *syntax.Assign:
			found = slices.ContainsFunc(stmt.Targets, func(t *syntax.Target) bool { return t.Name.Text == name })
		case *syntax.AugAssign:
			found = stmt.Target.Name.Text == name
		case *syntax.Unify:
			found = stmt.Target.Text == name
		}
		if found {
			return true
		}
	}
	return false
}

// names returns every name in reach, for suggestions.
func (s *scope) names() []string {
	var names []string
	for sc := s; sc != nil; sc = sc.parent {
		for name := range sc.vars {
			names = append(names, name)
		}
		if sc.frame != nil {
			for name := range sc.frame.slots {
				names = append(names, name)
			}
		}
		for name := range sc.imports {
			names = append(names, name)
		}
	}
	for name := range s.ev.lang.builtins {
		names = append(names, name)
	}
	return names
}

// frame holds the names of a package or of a schema instance. A name may be
// set by several statements; they make a chain, and its value is what the last
// one leaves. Values are computed when they are first asked for, so a
// statement sees values that later statements or a config give. That a name may
// be set again is for package check to say.
type frame struct {
	ev    *evaluator
	slots map[string]*slot
	order []*slot
	conds map[*syntax.If]Value // conditions that were evaluated
	inst  *Instance            // nil for a package
}

// slot is one name of a frame.
type slot struct {
	name    string
	setters []*setter
	done    int // setters applied so far: value is what they leave
	active  bool
	value   Value
	place   syntax.Range
	given   bool
	attr    *attr // of a schema: the declaration, if any
}

// setter is one statement that sets a name.
type setter struct {
	slot   *slot
	guards []guard
	scope  *scope
	stmt   syntax.Stmt
	pos    int // order among the statements of the frame
	apply  func(prev Value) (Value, syntax.Range)
}

// guard is a condition under which a setter applies.
type guard struct {
	stmt *syntax.If
	want bool
}

// mutable reports whether the name may be set again: a hidden one.
func (s *slot) mutable() bool { return s.name[0] == '_' }

func (f *frame) slot(name string) *slot {
	if s, ok := f.slots[name]; ok {
		return s
	}
	s := &slot{name: name, value: Undefined{}}
	f.slots[name] = s
	f.order = append(f.order, s)
	return s
}

// read returns the value that a reference to the slot sees: the final one, or
// where that is being computed, what the setters before it leave.
func (f *frame) read(s *slot) Value {
	if s.active {
		return s.value // Undefined where nothing is set before
	}
	f.advance(s, len(s.setters))
	return s.value
}

// advance applies the setters of a slot up to n.
func (f *frame) advance(s *slot, n int) {
	if s.active || s.done >= n {
		return
	}
	if !f.ev.enter() {
		s.value, s.done = bad{}, len(s.setters)
		return
	}
	defer f.ev.leave()
	s.active = true
	for ; s.done < n; s.done++ {
		set := s.setters[s.done]
		if f.applies(set) {
			if v, at := set.apply(s.value); v != nil {
				s.value = v
				if at.Source != nil {
					s.place = at
				}
			}
		}
	}
	s.active = false
}

// applies evaluates the conditions of a setter, each once for the frame.
func (f *frame) applies(set *setter) bool {
	for _, g := range set.guards {
		v, ok := f.conds[g.stmt]
		if !ok {
			f.conds[g.stmt] = Undefined{} // a condition that needs itself does not hold
			v = set.scope.eval(g.stmt.Cond)
			f.conds[g.stmt] = v
		}
		if isBad(v) || truth(v) != g.want {
			return false
		}
	}
	return true
}

// collect makes setters of the statements of a body. other gets the statements
// that set nothing.
func (f *frame) collect(body []syntax.Stmt, sc *scope, guards []guard, other func(syntax.Stmt, []guard)) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *syntax.If:
			f.collect(stmt.Then, sc, with(guards, guard{stmt, true}), other)
			f.collect(stmt.Else, sc, with(guards, guard{stmt, false}), other)
		case *syntax.Assign:
			for _, target := range stmt.Targets {
				f.add(target.Name.Text, stmt, sc, guards, func(prev Value) (Value, syntax.Range) {
					return sc.assign(target, stmt, prev), stmt.Value.At()
				})
			}
		case *syntax.AugAssign:
			f.add(stmt.Target.Name.Text, stmt, sc, guards, func(prev Value) (Value, syntax.Range) {
				return sc.augment(stmt, prev), stmt.Value.At()
			})
		case *syntax.Unify:
			f.add(stmt.Target.Text, stmt, sc, guards, func(prev Value) (Value, syntax.Range) {
				return sc.unifyStmt(stmt, prev), stmt.Value.At()
			})
		default:
			other(stmt, guards)
		}
	}
}

func with(guards []guard, g guard) []guard { return append(guards[:len(guards):len(guards)], g) }

func (f *frame) add(name string, stmt syntax.Stmt, sc *scope, guards []guard, apply func(Value) (Value, syntax.Range)) *setter {
	s := f.slot(name)
	set := &setter{slot: s, guards: guards, scope: sc, stmt: stmt, pos: f.ev.position(), apply: apply}
	s.setters = append(s.setters, set)
	return set
}

// assign evaluates an assignment to a target whose value is prev.
func (s *scope) assign(target *syntax.Target, stmt *syntax.Assign, prev Value) Value {
	v := s.eval(stmt.Value)
	if stmt.Type != nil {
		v = s.ev.conform(v, s.ev.resolveType(stmt.Type, s), stmt.Value.At(), target.Name.Text)
	}
	return s.store(target.Path, prev, v, stmt.At())
}

// store returns prev with the value at path replaced by v.
func (s *scope) store(path []syntax.TargetStep, prev, v Value, at syntax.Range) Value {
	if len(path) == 0 || isBad(prev, v) {
		return v
	}
	step := path[0]
	key := Value(nil)
	if step.Name != nil {
		key = String(step.Name.Text)
	} else {
		key = s.eval(step.Index)
	}
	switch prev := prev.(type) {
	case *List:
		i, ok := key.(Int)
		n := int(i)
		if n < 0 {
			n += len(prev.Elems)
		}
		if !ok || n < 0 || n >= len(prev.Elems) {
			return s.ev.errorf(diag.EvalFailed, at, "list index out of range: %s", text(key))
		}
		elems := append([]Value(nil), prev.Elems...)
		elems[n] = s.store(path[1:], elems[n], v, at)
		return &List{Elems: elems, Places: prev.Places}
	case *Dict:
		name, ok := key.(String)
		if !ok {
			return s.ev.errorf(diag.WrongType, at, "a key must be a string, not %s", key.Type())
		}
		d := prev.clone()
		old := Value(Undefined{})
		if e := d.Get(string(name)); e != nil {
			old = e.Value
		}
		d.set(&Entry{Key: string(name), Value: s.store(path[1:], old, v, at), Op: syntax.ASSIGN, Place: at})
		return d
	case *Instance:
		name, _ := key.(String)
		config := prev.Config.clone()
		old := Value(Undefined{})
		if e := prev.Attrs.Get(string(name)); e != nil {
			old = e.Value
		}
		config.set(&Entry{Key: string(name), Value: s.store(path[1:], old, v, at), Op: syntax.ASSIGN, KeyPlace: at, Place: at})
		return s.ev.instantiate(prev.Schema, prev.args, config, prev.Place)
	}
	return s.ev.errorf(diag.WrongType, at, "cannot set a part of %s", describe(prev))
}

func (s *scope) augment(stmt *syntax.AugAssign, prev Value) Value {
	v := s.eval(stmt.Value)
	if len(stmt.Target.Path) == 0 {
		if _, ok := prev.(Undefined); ok && stmt.Op != syntax.OR_BIT {
			return s.ev.errorf(diag.UnknownName, stmt.Target.Range, "name %s has no value yet", stmt.Target.Name.Text)
		}
		return s.ev.binary(stmt.Op, prev, v, stmt.At())
	}
	old := prev
	for _, step := range stmt.Target.Path {
		if step.Name != nil {
			old = s.ev.selectAttr(old, step.Name.Text, false, step.Name.Range)
		} else {
			old = s.ev.index(old, s.eval(step.Index), false, stmt.At())
		}
	}
	return s.store(stmt.Target.Path, prev, s.ev.binary(stmt.Op, old, v, stmt.At()), stmt.At())
}

func (s *scope) unifyStmt(stmt *syntax.Unify, prev Value) Value {
	v := s.eval(stmt.Value)
	if isMissing(prev) || isBad(prev, v) {
		return v
	}
	return s.ev.union(prev, v, unionOperator, stmt.Value.At())
}

package eval

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// checks runs the checks of all levels: once, or with a named index signature
// once for every attribute that it admits, whose key its name stands for.
func (ev *evaluator) checks(f *frame, levels []*level, extra []string) {
	own := f.inst.Schema.def.Index
	if own == nil || own.Name == nil {
		for _, l := range levels {
			l.check(f, l.scope)
		}
		return
	}
	for _, key := range extra {
		for _, l := range levels {
			s := l.scope.child()
			s.set(own.Name.Text, String(key))
			l.check(f, s)
		}
	}
}

// check evaluates the checks of the level in a scope.
func (l *level) check(f *frame, s *scope) {
	for _, c := range l.schema.def.Checks {
		l.checkOne(f, s, c)
	}
}

// checkOne evaluates one check and reports it when it does not hold.
func (l *level) checkOne(f *frame, s *scope, c *syntax.Check) {
	ev := f.ev
	if c.Guard != nil {
		if g := s.eval(c.Guard); isBad(g) || !truth(g) {
			return
		}
	}
	used := attrsIn(c.Cond, f)
	for _, name := range used { // what is missing is reported as missing
		if e := f.inst.Attrs.Get(name); e != nil {
			if a := f.inst.Schema.attr(name); isBad(e.Value) || a != nil && !a.optional && isMissing(e.Value) {
				return
			}
		}
	}
	v := s.eval(c.Cond)
	message := ""
	if c.Message != nil {
		message = text(s.eval(c.Message))
	}
	if isBad(v) || truth(v) {
		return
	}
	if message == "" {
		message = "check failed: " + c.Cond.At().Text()
	}
	d := diag.Errorf(diag.CheckFailed, "%s", message)
	at := f.inst.Place
	if about := f.about(c.Cond, used); about != nil {
		at = about.Place
		if f.inst.blamed[at] && isScalar(about.Value) { // one fault for a value is enough
			return
		}
		f.inst.blame(at)
	}
	d.Span = at.Span()
	d.Related = []diag.Related{{Span: c.Cond.At().Span(), Message: "the check of " + l.schema.Name}}
	ev.report(d)
}

// about returns the value that a check is about: the one attribute, or part of
// an attribute, that it uses, as far as the config gives it; nil where that is
// the whole instance.
func (f *frame) about(cond syntax.Expr, used []string) *Entry {
	if len(used) != 1 {
		return nil
	}
	attr := f.inst.Attrs.Get(used[0])
	if attr == nil || !attr.Given {
		return nil
	}
	var path []string
	apart := false // parts that are not one inside the other: what they share it is
	syntax.Walk(cond, func(n syntax.Node) bool {
		x, _ := n.(syntax.Expr)
		steps, ok := selected(x, used[0])
		switch common := sharedPrefix(path, steps); {
		case !ok:
		case common == len(path) && !apart: // the same part, or a part of it
			path = steps
		case common < len(steps) && common < len(path):
			path, apart = path[:common], true
		}
		return !ok
	})
	return givenPart(attr, path)
}

// sharedPrefix returns how many steps two paths have in common.
func sharedPrefix(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// selected returns the names that an expression selects of an attribute, one
// after the other.
func selected(x syntax.Expr, attr string) ([]string, bool) {
	switch x := x.(type) {
	case *syntax.Ident:
		return nil, x.Name == attr
	case *syntax.Selector:
		steps, ok := selected(x.X, attr)
		return append(steps, x.Name.Text), ok
	}
	return nil, false
}

// givenPart follows names into a value, as far as the config gives it.
func givenPart(e *Entry, steps []string) *Entry {
	for _, name := range steps {
		var part *Entry
		switch v := e.Value.(type) {
		case *Instance:
			if part = v.Attrs.Get(name); part != nil && !part.Given {
				part = nil
			}
		case *Dict:
			part = v.Get(name)
		}
		if part == nil || part.Place.Source == nil {
			break
		}
		e = part
	}
	return e
}

// required reports every required attribute without a value in v, nested
// instances included.
func (ev *evaluator) required(v Value) {
	switch v.(type) {
	case *List, *Dict, *Instance:
		if ev.complete[v] {
			return
		}
		ev.complete[v] = true
		if !ev.enter() {
			return
		}
		defer ev.leave()
	}
	switch v := v.(type) {
	case *List:
		for _, elem := range v.Elems {
			ev.required(elem)
		}
	case *Dict:
		for _, e := range v.entries {
			ev.required(e.Value)
		}
	case *Instance:
		for _, e := range v.Attrs.entries {
			a := v.Schema.attr(e.Key)
			switch {
			case a != nil && !a.optional && isMissing(e.Value):
				d := diag.Errorf(diag.MissingAttr, "attribute %s of %s is required", a.name, v.Schema.Name).At(v.Place.Span())
				d.Hint = "add " + a.name + ": " + a.typ.String()
				if e.Given {
					d.Span = e.Place.Span()
					d.Message += " and cannot be " + describe(e.Value)
				}
				ev.report(d)
			default:
				ev.required(e.Value)
			}
		}
	}
}

// attrsIn returns the attributes of an instance that an expression uses, each
// once, in order.
func attrsIn(x syntax.Expr, f *frame) []string {
	var names []string
	seen := map[string]bool{}
	syntax.Walk(x, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && !seen[id.Name] {
			if _, ok := f.slots[id.Name]; ok {
				seen[id.Name] = true
				names = append(names, id.Name)
			}
		}
		return true
	})
	return names
}

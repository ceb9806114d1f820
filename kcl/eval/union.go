package eval

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// unionMode says how values meet.
type unionMode int

const (
	unionConfig   unionMode = iota // entries of one config: what both give must agree
	unionDefault                   // a config over a default: the config wins
	unionOperator                  // a | b: what both give must agree
)

// agree reports whether two values for one key must not contradict each other.
func (m unionMode) agree() bool { return m != unionDefault }

// resolve reports whether an instance that gets new values is made anew, which
// computes its other attributes again and runs its checks. Entries of one
// config are only put together; that is done where the config is used.
func (m unionMode) resolve() bool { return m != unionConfig }

// union merges b into a: dicts and instances by key, each entry by its own
// operator, lists by index. Of other values b wins; merge has seen to it that
// they agree where they must.
func (ev *evaluator) union(a, b Value, mode unionMode, at syntax.Range) Value {
	if !ev.enter() {
		ev.locate(at)
		return bad{}
	}
	defer ev.leave()
	switch {
	case isBad(a, b):
		return bad{}
	case isMissing(a):
		return b
	case isMissing(b):
		return a
	}
	switch x := a.(type) {
	case *Dict:
		switch y := b.(type) {
		case *Dict:
			return ev.unionDicts(x, y, mode, at)
		case *Instance:
			return ev.unionInstance(y, ev.unionDicts(x, y.Attrs, mode, at), []*Dict{y.Config, x}, y.args, mode, y.Place)
		case *List:
			return ev.conflict(a, b, at)
		}
	case *Instance:
		switch y := b.(type) {
		case *Dict:
			return ev.unionInstance(x, ev.unionDicts(x.Attrs, y, mode, at), []*Dict{x.Config, y}, x.args, mode, at)
		case *Instance:
			return ev.unionInstance(x, ev.unionDicts(x.Attrs, y.Attrs, mode, at), []*Dict{x.Config, y.Config}, y.args, mode, y.Place)
		case *List:
			return ev.conflict(a, b, at)
		}
	case *List:
		switch y := b.(type) {
		case *List:
			return ev.unionLists(x, y, mode, at)
		case *Dict, *Instance:
			return ev.conflict(a, b, at)
		}
	}
	return b
}

// unionInstance makes an instance of the schema of like with the merged
// attributes. Those that one of the configs gives are its new config.
func (ev *evaluator) unionInstance(like *Instance, attrs *Dict, configs []*Dict, a *args, mode unionMode, at syntax.Range) Value {
	config := &Dict{}
	for _, given := range configs {
		for _, e := range given.entries {
			if merged := attrs.Get(e.Key); merged != nil {
				entry := *merged
				entry.Op, entry.insert = syntax.ASSIGN, nil
				config.set(&entry)
			}
		}
	}
	if mode.resolve() {
		return ev.instantiate(like.Schema, a, config, at)
	}
	return &Instance{Schema: like.Schema, Attrs: attrs, Config: config, Place: at, args: a}
}

func (ev *evaluator) conflict(a, b Value, at syntax.Range) Value {
	return ev.errorf(diag.Conflict, at, "conflicting values: %s here, %s before; = overrides where : unifies", describe(b), describe(a))
}

func (ev *evaluator) unionDicts(a, b *Dict, mode unionMode, at syntax.Range) *Dict {
	d := a.clone()
	if !ev.grow(entrySize*(a.Len()+b.Len()), at) {
		return d
	}
	for _, e := range b.entries {
		ev.merge(d, e, mode, at)
	}
	return d
}

func (ev *evaluator) unionLists(a, b *List, mode unionMode, at syntax.Range) Value {
	if !ev.grow(len(a.Elems)+len(b.Elems), at) {
		return bad{}
	}
	l := &List{Elems: append([]Value(nil), a.Elems...), Places: a.Places}
	for i, v := range b.Elems {
		if i < len(l.Elems) {
			l.Elems[i] = ev.union(l.Elems[i], v, mode, b.place(i, at))
		} else {
			l.Elems = append(l.Elems, v)
		}
	}
	return l
}

// subsumes reports whether b, given for the same key as a, does not contradict
// it. Dicts and instances never do as such: their entries are looked at when
// they are merged.
func (ev *evaluator) subsumes(a, b Value) bool {
	if isMissing(a) || isMissing(b) || isBad(a, b) {
		return true
	}
	switch x := a.(type) {
	case *Dict, *Instance:
		switch b.(type) {
		case *Dict, *Instance:
			return true
		}
		return false
	case *List:
		y, ok := b.(*List)
		if !ok || len(x.Elems) != len(y.Elems) || !ev.spend(len(x.Elems)) || !ev.enter() {
			return false
		}
		defer ev.leave()
		for i := range x.Elems {
			if !ev.subsumes(x.Elems[i], y.Elems[i]) {
				return false
			}
		}
		return true
	}
	return ev.equal(a, b)
}

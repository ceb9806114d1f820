// Package eval gives KCL programs their values. It evaluates the trees of
// package syntax lazily, so that a default sees what a config overrides, and
// goes on after a fault: an expression without a value becomes a value that
// silences whatever depends on it, and every independent fault is reported.
//
// It reads no file but those of imported packages and runs nothing.
package eval

import (
	"maps"
	"slices"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// Value is a KCL value: one of the types below.
type Value interface {
	// Type returns the name of the value's type, as typeof gives it.
	Type() string
}

type (
	// Undefined is the value of an attribute that has none. It is not output.
	Undefined struct{}
	// None is KCL's null.
	None struct{}
	// Bool is True or False.
	Bool bool
	// Int is a 64-bit integer.
	Int int64
	// Float is a 64-bit floating-point number.
	Float float64
	// String is a text.
	String string

	// Quantity is a number with a unit, as in 4Ki.
	Quantity struct {
		Number int64
		Suffix string
	}

	// List is a list. Places, where known, runs beside Elems.
	List struct {
		Elems  []Value
		Places []syntax.Range
	}

	// Func is a lambda with the scope it closes over.
	Func struct {
		def   *syntax.Lambda
		scope *scope
	}

	// Builtin is a function of the language or of a system module, or a method
	// bound to its value.
	Builtin struct {
		name string
		call func(*call) Value
	}

	// Module is an imported package.
	Module struct {
		name    string
		members map[string]Value // of a system module
		pkg     *pkg             // of any other
	}

	// bad stands for a value that a reported fault prevented.
	bad struct{}
)

func (Undefined) Type() string  { return "UndefinedType" }
func (None) Type() string       { return "None" }
func (Bool) Type() string       { return "bool" }
func (Int) Type() string        { return "int" }
func (Float) Type() string      { return "float" }
func (String) Type() string     { return "str" }
func (q Quantity) Type() string { return "number_multiplier(" + q.String() + ")" }
func (*List) Type() string      { return "list" }
func (*Dict) Type() string      { return "dict" }
func (*Func) Type() string      { return "function" }
func (*Builtin) Type() string   { return "function" }
func (*Module) Type() string    { return "module" }
func (bad) Type() string        { return "any" }

// Dict is an ordered dictionary with string keys.
type Dict struct {
	entries []*Entry
	index   map[string]int
}

// Entry is one key of a Dict with its value. As part of a config, Op says how
// it joins with what is there already.
type Entry struct {
	Key   string
	Value Value
	Op    syntax.Kind // ASSIGN overrides, COLON unifies, ADD_ASSIGN inserts

	KeyPlace syntax.Range // the key
	Place    syntax.Range // the value
	Given    bool         // of an instance: the config gave the value

	// Overrides are the places of values that this one replaced when configs
	// were merged, in order.
	Overrides []syntax.Range

	insert *int // a[i]: the place in a list; nil for the whole value
}

// Entries returns the entries in order. The slice must not be changed.
func (d *Dict) Entries() []*Entry { return d.entries }

// Len returns the number of entries.
func (d *Dict) Len() int { return len(d.entries) }

// Get returns the entry of a key, or nil.
func (d *Dict) Get(key string) *Entry {
	if d == nil {
		return nil
	}
	if d.index == nil {
		for _, e := range d.entries {
			if e.Key == key {
				return e
			}
		}
		return nil
	}
	if i, ok := d.index[key]; ok {
		return d.entries[i]
	}
	return nil
}

// smallDict is the size up to which a Dict is searched and not indexed.
const smallDict = 8

// set adds an entry or replaces the one of the same key, in its place.
func (d *Dict) set(e *Entry) {
	if d.index == nil && len(d.entries) >= smallDict {
		d.index = make(map[string]int, 2*len(d.entries))
		for i, e := range d.entries {
			d.index[e.Key] = i
		}
	}
	if d.index == nil {
		if i := slices.IndexFunc(d.entries, func(o *Entry) bool { return o.Key == e.Key }); i >= 0 {
			d.entries[i] = e
			return
		}
	} else if i, ok := d.index[e.Key]; ok {
		d.entries[i] = e
		return
	} else {
		d.index[e.Key] = len(d.entries)
	}
	d.entries = append(d.entries, e)
}

func (d *Dict) clone() *Dict {
	return &Dict{entries: slices.Clone(d.entries), index: maps.Clone(d.index)}
}

func listOf(elems ...Value) *List { return &List{Elems: elems} }

// place returns where element i was written, or fallback.
func (l *List) place(i int, fallback syntax.Range) syntax.Range {
	if i < len(l.Places) {
		return l.Places[i]
	}
	return fallback
}

func isBad(values ...Value) bool {
	for _, v := range values {
		if _, ok := v.(bad); ok {
			return true
		}
	}
	return false
}

// isScalar reports whether v has no parts.
func isScalar(v Value) bool {
	switch v.(type) {
	case *List, *Dict, *Instance:
		return false
	}
	return true
}

// isMissing reports whether v is Undefined or None.
func isMissing(v Value) bool {
	switch v.(type) {
	case Undefined, None, nil:
		return true
	}
	return false
}

// truth returns what v means as a condition.
func truth(v Value) bool {
	switch v := v.(type) {
	case Bool:
		return bool(v)
	case Int:
		return v != 0
	case Float:
		return v != 0
	case String:
		return v != ""
	case *List:
		return len(v.Elems) > 0
	case *Dict:
		return v.Len() > 0
	case *Instance:
		return len(v.Schema.attrs()) > 0 || v.Attrs.Len() > 0
	case Undefined, None, bad:
		return false
	}
	return true
}

// equal compares by value. Numbers of both kinds compare with each other;
// bools do not equal numbers. Every element counts as a step: a small program
// can make values that are huge when they are written out.
func (ev *evaluator) equal(a, b Value) bool {
	switch a := a.(type) {
	case Int:
		switch b := b.(type) {
		case Int:
			return a == b
		case Float:
			return Float(a) == b
		}
		return false
	case Float:
		switch b := b.(type) {
		case Int:
			return a == Float(b)
		case Float:
			return a == b
		}
		return false
	case String:
		b, ok := b.(String)
		if ok && len(a) == len(b) {
			ev.spend(len(a) / (16 * readSize))
		}
		return ok && a == b
	case *List:
		b, ok := b.(*List)
		return ok && (a == b || ev.equalLists(a, b))
	case *Dict:
		b, ok := b.(*Dict)
		return ok && (a == b || ev.equalDicts(a, b))
	case *Instance:
		b, ok := b.(*Instance)
		return ok && (a == b || a.Schema == b.Schema && ev.equalDicts(a.Attrs, b.Attrs))
	}
	return a == b
}

func (ev *evaluator) equalLists(a, b *List) bool {
	if len(a.Elems) != len(b.Elems) || !ev.spend(len(a.Elems)) || !ev.enter() {
		return false
	}
	defer ev.leave()
	for i := range a.Elems {
		if !ev.equal(a.Elems[i], b.Elems[i]) {
			return false
		}
	}
	return true
}

func (ev *evaluator) equalDicts(a, b *Dict) bool {
	if a.Len() != b.Len() || !ev.spend(a.Len()) || !ev.enter() {
		return false
	}
	defer ev.leave()
	for _, e := range a.entries {
		if o := b.Get(e.Key); o == nil || !ev.equal(e.Value, o.Value) {
			return false
		}
	}
	return true
}

// describe returns the type of v and, if short, its value, for messages.
func describe(v Value) string {
	switch v := v.(type) {
	case String:
		if len(v) <= 40 && !strings.Contains(string(v), "\n") {
			return "str " + quote(string(v), '"')
		}
	case Int, Float, Bool:
		return v.Type() + " " + text(v)
	case None:
		return "None"
	case Undefined:
		return "Undefined"
	}
	return v.Type()
}

package eval

import (
	"slices"

	"github.com/berth-oci/berth/diag"
)

// The functions of a program read their arguments with the methods below. An
// argument of a wrong type is reported, and the zero value is returned so that
// the function need not look: the call then has no value. None and Undefined
// stand for an argument that is not given, as in the reference runtime.

// function makes f callable. A call whose arguments are wrong has no value,
// whatever f returns.
func function(name string, f func(*call) Value) *Builtin {
	return &Builtin{name: name, call: checked(f)}
}

func checked(f func(*call) Value) func(*call) Value {
	return func(c *call) Value {
		if v := f(c); !c.failed {
			return v
		}
		return bad{}
	}
}

func functions(m map[string]func(*call) Value) map[string]Value {
	out := make(map[string]Value, len(m))
	for name, f := range m {
		out[name] = function(name, f)
	}
	return out
}

// given returns an argument, and whether it is there and neither None nor
// Undefined.
func (c *call) given(i int, name string) (Value, bool) {
	v := c.arg(i, name)
	return v, !isMissing(v)
}

// read counts the steps that it takes to read a text, or times that much.
func (c *call) read(s string, times int) {
	c.spend(len(s) / readSize * times)
}

func (c *call) spend(n int) {
	if !c.ev.spend(n) {
		c.ev.locate(c.at)
		c.failed = true
	}
}

// value returns an argument that must be there, whatever it is.
func (c *call) value(i int, name string) Value {
	v := c.arg(i, name)
	if v == nil {
		c.failed = true
		c.errorf("missing argument %s", name)
		return Undefined{}
	}
	return v
}

// text returns an argument that must be a str, "" for None and Undefined.
func (c *call) text(i int, name string) string {
	v := c.value(i, name)
	if isMissing(v) {
		return ""
	}
	s, ok := v.(String)
	if !ok {
		c.mismatch(v, name, "a str")
	}
	c.read(string(s), 1)
	return string(s)
}

// str returns an argument that must be a str.
func (c *call) str(i int, name string) string {
	v := c.value(i, name)
	s, ok := v.(String)
	if !ok {
		c.mismatch(v, name, "a str")
	}
	c.read(string(s), 1)
	return string(s)
}

// textOr returns a str argument, def where it is not given.
func (c *call) textOr(i int, name, def string) string {
	if _, ok := c.given(i, name); !ok {
		return def
	}
	return c.text(i, name)
}

// int returns an argument that must be an int.
func (c *call) int(i int, name string) Int {
	v := c.value(i, name)
	n, ok := v.(Int)
	if !ok {
		c.mismatch(v, name, "an int")
	}
	return n
}

// intOr returns an int argument, def where it is not given.
func (c *call) intOr(i int, name string, def Int) Int {
	if _, ok := c.given(i, name); !ok {
		return def
	}
	return c.int(i, name)
}

// flag returns what an argument means as a condition.
func (c *call) flag(i int, name string) bool {
	v, ok := c.given(i, name)
	return ok && truth(v)
}

// list returns an argument that must be a list.
func (c *call) list(i int, name string) []Value {
	v := c.value(i, name)
	l, ok := v.(*List)
	if !ok {
		c.mismatch(v, name, "a list")
		return nil
	}
	c.spend(len(l.Elems))
	return l.Elems
}

// iterable returns the elements of an argument: of a list, the keys of a dict
// or the characters of a str.
func (c *call) iterable(i int, name string) []Value {
	v := c.value(i, name)
	list, ok := elems(v)
	if !ok {
		c.mismatch(v, name, "a list, dict or str")
	}
	c.spend(len(list))
	return list
}

// mismatch reports an argument of a wrong type. What was reported before, as
// for a missing argument, is enough.
func (c *call) mismatch(v Value, name, want string) {
	if !c.failed && !isBad(v) {
		c.ev.errorf(diag.WrongType, c.at, "%s: expected %s as %s, not %s", c.name, want, name, describe(v))
	}
	c.failed = true
}

// elems returns the elements of a list, the keys of a dict or the characters
// of a str.
func elems(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case *List:
		return v.Elems, true
	case *Dict:
		keys := make([]Value, 0, v.Len())
		for _, e := range v.entries {
			keys = append(keys, String(e.Key))
		}
		return keys, true
	case *Instance:
		return elems(v.Attrs)
	case String:
		var chars []Value
		for _, r := range string(v) {
			chars = append(chars, String(r))
		}
		return chars, true
	}
	return nil, false
}

// newList returns a list of values that are new to the program.
func (c *call) newList(values []Value) Value {
	if !c.ev.grow(len(values), c.at) {
		return bad{}
	}
	return listOf(values...)
}

// newStrings does the same for strs, whose text is new too.
func (c *call) newStrings(parts []string) Value {
	values := make([]Value, len(parts))
	size := 0
	for i, p := range parts {
		values[i] = String(p)
		size += len(p)
	}
	if !c.ev.grow(size/16, c.at) {
		return bad{}
	}
	return c.newList(values)
}

// newStr returns a str that is new to the program.
func (c *call) newStr(s string) Value { return c.ev.str(s, c.at) }

// newDict returns a dict of the given entries.
func newDict(entries ...*Entry) *Dict {
	d := &Dict{entries: slices.Grow([]*Entry(nil), len(entries))}
	for _, e := range entries {
		d.set(e)
	}
	return d
}

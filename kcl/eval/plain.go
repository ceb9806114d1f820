package eval

import (
	"math"
	"slices"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// Object is a plain dict with ordered keys.
type Object struct {
	Keys   []string
	Values map[string]any
}

// set gives a key its value. A key that is there keeps its place.
func (o *Object) set(key string, v any) {
	if _, ok := o.Values[key]; !ok {
		o.Keys = append(o.Keys, key)
	}
	o.Values[key] = v
}

// MarshalJSON writes the keys in order.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	WriteJSON(&b, o)
	return []byte(b.String()), nil
}

// encoding is how values become plain.
type encoding struct {
	sortKeys     bool
	hidePrivate  bool // leave out the keys that start with _
	leaveOutNone bool
	indent       int // of JSON, 0 for one line
}

// Plain returns v as nil, bool, int64, float64, string, []any or *Object, and
// false when it is nothing that is output: Undefined, functions, types. Hidden
// names and values that are not output are left out of collections.
func Plain(v Value) (any, bool) { return encoding{hidePrivate: true}.plain(v) }

func (enc encoding) plain(v Value) (any, bool) {
	switch v := v.(type) {
	case None:
		return nil, true
	case Bool:
		return bool(v), true
	case Int:
		return int64(v), true
	case Float:
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) {
			return nil, true
		}
		return float64(v), true
	case String:
		return string(v), true
	case Quantity:
		return v.Value(), true
	case *List:
		list := make([]any, 0, len(v.Elems))
		for _, e := range v.Elems {
			if p, ok := enc.plain(e); ok && (p != nil || !enc.leaveOutNone || !isMissing(e)) {
				list = append(list, p)
			}
		}
		return list, true
	case *Dict:
		return enc.dict(v), true
	case *Instance:
		return enc.dict(v.Attrs), true
	}
	return nil, false
}

func (enc encoding) dict(d *Dict) *Object {
	o := &Object{Values: make(map[string]any, d.Len())}
	for _, e := range d.entries {
		if enc.hidePrivate && strings.HasPrefix(e.Key, "_") || enc.leaveOutNone && isMissing(e.Value) {
			continue
		}
		if p, ok := enc.plain(e.Value); ok {
			o.set(e.Key, p)
		}
	}
	if enc.sortKeys {
		slices.Sort(o.Keys)
	}
	return o
}

// encode makes v plain for a text form of it. Values may share parts, so a
// small program can have a value whose text has no end: that is reported.
func (ev *evaluator) encode(v Value, enc encoding, at syntax.Range) any {
	count := 0
	if !ev.bounded(v, &count, "encodes", at) || !ev.spend(count) {
		return nil
	}
	p, ok := enc.plain(v)
	if !ok && v.Type() == "function" {
		return int64(0)
	}
	return p
}

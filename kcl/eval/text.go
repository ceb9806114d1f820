package eval

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// text returns v as str() and interpolation show it.
func text(v Value) string {
	switch v := v.(type) {
	case String:
		return string(v)
	case *List: // top-level elements are not quoted, as the runtime has it
		parts := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			parts[i] = text(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return repr(v, '\'')
}

// repr returns v as it is written, with strings in the given quotes.
func repr(v Value, q byte) string {
	switch v := v.(type) {
	case nil, Undefined:
		return "Undefined"
	case None:
		return "None"
	case Bool:
		if v {
			return "True"
		}
		return "False"
	case Int:
		return strconv.FormatInt(int64(v), 10)
	case Float:
		return floatText(float64(v))
	case String:
		return quote(string(v), q)
	case Quantity:
		return v.String()
	case *List:
		parts := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			parts[i] = repr(e, q)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Dict:
		return dictText(v, q)
	case *Instance:
		return dictText(v.Attrs, q)
	case *Schema:
		return v.Name
	}
	return v.Type()
}

func dictText(d *Dict, q byte) string {
	parts := make([]string, 0, d.Len())
	for _, e := range d.entries {
		parts = append(parts, quote(e.Key, q)+": "+repr(e.Value, q))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func quote(s string, q byte) string {
	r := strings.NewReplacer("\\", "\\\\", string(q), "\\"+string(q), "\n", "\\n", "\t", "\\t", "\r", "\\r")
	return string(q) + r.Replace(s) + string(q)
}

// floatText writes a float without exponent and with a fraction.
func floatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "NaN"
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// String returns the number with its unit.
func (q Quantity) String() string { return strconv.FormatInt(q.Number, 10) + q.Suffix }

// units holds what each suffix multiplies by.
var units = map[string]float64{
	"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
}

// Value returns the number times its unit.
func (q Quantity) Value() float64 { return float64(q.Number) * units[q.Suffix] }

// Object is a plain dict with ordered keys.
type Object struct {
	Keys   []string
	Values map[string]any
}

// MarshalJSON writes the keys in order.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, key := range o.Keys {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		v, err := plainJSON(o.Values[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// plainJSON encodes a plain value; floats keep their fraction, so that they
// are read back as floats.
func plainJSON(v any) ([]byte, error) {
	switch v := v.(type) {
	case float64:
		return []byte(jsonFloat(v)), nil
	case []any:
		out := []byte{'['}
		for i, e := range v {
			if i > 0 {
				out = append(out, ',')
			}
			elem, err := plainJSON(e)
			if err != nil {
				return nil, err
			}
			out = append(out, elem...)
		}
		return append(out, ']'), nil
	}
	return json.Marshal(v)
}

func jsonFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// Plain returns v as nil, bool, int64, float64, string, []any or *Object, and
// false when it is nothing that is output: Undefined, functions, types. Hidden
// names and values that are not output are left out of collections.
func Plain(v Value) (any, bool) {
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
			if p, ok := Plain(e); ok {
				list = append(list, p)
			}
		}
		return list, true
	case *Dict:
		return plainDict(v), true
	case *Instance:
		return plainDict(v.Attrs), true
	}
	return nil, false
}

func plainDict(d *Dict) *Object {
	o := &Object{Values: make(map[string]any, d.Len())}
	for _, e := range d.entries {
		if strings.HasPrefix(e.Key, "_") {
			continue
		}
		if p, ok := Plain(e.Value); ok {
			o.Keys = append(o.Keys, e.Key)
			o.Values[e.Key] = p
		}
	}
	return o
}

// jsonText writes v as json.encode does: with a space after : and ,.
func jsonText(v Value) string {
	p, _ := Plain(v)
	var b strings.Builder
	writeJSON(&b, p)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case *Object:
		b.WriteByte('{')
		for i, key := range v.Keys {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSON(b, key)
			b.WriteString(": ")
			writeJSON(b, v.Values[key])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	case float64:
		b.WriteString(jsonFloat(v))
	default:
		var t strings.Builder
		enc := json.NewEncoder(&t)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err == nil {
			b.WriteString(strings.TrimSuffix(t.String(), "\n"))
		}
	}
}

// yamlText writes v as a YAML document.
func yamlText(v Value) string {
	p, _ := Plain(v)
	var b strings.Builder
	WriteYAML(&b, p)
	return b.String()
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

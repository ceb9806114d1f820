package eval

import (
	"math"
	"strconv"
	"strings"
)

// text returns v as str() and interpolation show it. A text that is larger
// than a program may make is cut off behind that size, and what nests deeper
// than evaluations may is left out.
func text(v Value) string {
	if s, ok := v.(String); ok {
		return string(s)
	}
	var b strings.Builder
	writeText(&b, v, maxDepth)
	return b.String()
}

// tooLong reports whether b holds more text than a program may make.
func tooLong(b *strings.Builder) bool { return b.Len()/16 > maxSize }

func writeText(b *strings.Builder, v Value, depth int) {
	if depth == 0 {
		return
	}
	switch v := v.(type) {
	case nil, Undefined:
		b.WriteString("Undefined")
	case None:
		b.WriteString("None")
	case Bool:
		b.WriteString(map[Bool]string{true: "True", false: "False"}[v])
	case Int:
		b.WriteString(strconv.FormatInt(int64(v), 10))
	case Float:
		b.WriteString(floatText(float64(v)))
	case String:
		b.WriteString(string(v))
	case Quantity:
		b.WriteString(v.String())
	case *List: // the elements are not quoted
		b.WriteByte('[')
		for i, e := range v.Elems {
			if i > 0 {
				b.WriteString(", ")
			}
			if tooLong(b) {
				return
			}
			writeText(b, e, depth-1)
		}
		b.WriteByte(']')
	case *Dict:
		writeDictText(b, v, depth)
	case *Instance:
		writeDictText(b, v.Attrs, depth)
	default:
		b.WriteString("function")
	}
}

func writeDictText(b *strings.Builder, d *Dict, depth int) {
	b.WriteByte('{')
	for i, e := range d.entries {
		if i > 0 {
			b.WriteString(", ")
		}
		if tooLong(b) {
			return
		}
		b.WriteString(dictQuote(e.Key) + ": ")
		if s, ok := e.Value.(String); ok {
			b.WriteString(dictQuote(string(s)))
		} else {
			writeText(b, e.Value, depth-1)
		}
	}
	b.WriteByte('}')
}

// dictQuote quotes a str in the text of a dict, with the quotes that it does
// not contain. Nothing else is escaped.
func dictQuote(s string) string {
	switch {
	case !strings.Contains(s, `"`):
		return "'" + s + "'"
	case !strings.Contains(s, "'"):
		return `"` + s + `"`
	}
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}

// quote writes a str as a literal of the language.
func quote(s string, q byte) string {
	r := strings.NewReplacer("\\", "\\\\", string(q), "\\"+string(q), "\n", "\\n", "\t", "\\t", "\r", "\\r")
	return string(q) + r.Replace(s) + string(q)
}

// floatText writes a float without exponent and with a fraction.
func floatText(f float64) string {
	s := strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+")
	if math.IsInf(f, 0) {
		s = strings.ToLower(s)
	}
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

package eval

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/kcl/syntax"
)

// KCL writes a value as a KCL expression that evaluates to the same value where
// the names of its schemas are known.
func KCL(v Value) string { return KCLNamed(v, func(s *Schema) string { return s.Name }) }

// KCLNamed is KCL with a choice of what each schema is called.
func KCLNamed(v Value, name func(*Schema) string) string {
	p := &printer{schemaName: name}
	p.value(v, "\n")
	return p.String()
}

// printer writes values in the way of `kcl fmt`. The line break that it passes
// down ends with the indentation of the line that a value begins on.
type printer struct {
	strings.Builder
	schemaName func(*Schema) string
}

const indent = "    "

func (p *printer) value(v Value, br string) {
	switch v := v.(type) {
	case *Instance:
		p.WriteString(p.schemaName(v.Schema))
		p.arguments(v.args, br)
		p.WriteString(" ")
		p.entries(v.Attrs, v.Schema, br)
	case *Dict:
		p.entries(v, nil, br)
	case *List:
		p.list(v, br)
	case Float:
		p.WriteString(floatLiteral(float64(v)))
	case String:
		p.WriteString(stringLiteral(string(v)))
	default:
		p.WriteString(text(v))
	}
}

// arguments writes the arguments of a schema with parameters.
func (p *printer) arguments(a *args, br string) {
	if a == nil || len(a.positional)+len(a.keywords) == 0 {
		return
	}
	sep := "("
	for _, v := range a.positional {
		p.WriteString(sep)
		p.value(v, br)
		sep = ", "
	}
	for _, name := range slices.Sorted(maps.Keys(a.keywords)) {
		p.WriteString(sep + name + "=")
		p.value(a.keywords[name], br)
		sep = ", "
	}
	p.WriteString(")")
}

// list writes plain values on one line, and blocks one below the other.
func (p *printer) list(l *List, br string) {
	blocks := false
	for _, e := range l.Elems {
		switch e.(type) {
		case *Instance, *Dict, *List:
			blocks = true
		}
	}
	p.WriteString("[")
	for i, e := range l.Elems {
		switch {
		case blocks:
			p.WriteString(br + indent)
		case i > 0:
			p.WriteString(", ")
		}
		p.value(e, br+indent)
		// Without the comma a line that begins with - or { would continue this one.
		if blocks && i < len(l.Elems)-1 {
			p.WriteString(",")
		}
	}
	if blocks {
		p.WriteString(br)
	}
	p.WriteString("]")
}

// entries writes the entries of a dict, or the attributes of an instance of s.
func (p *printer) entries(d *Dict, s *Schema, br string) {
	p.WriteString("{")
	written := false
	for _, e := range d.entries {
		if !printed(e, s) {
			continue
		}
		p.WriteString(br + indent + keyLiteral(e.Key) + " = ")
		p.value(e.Value, br+indent)
		written = true
	}
	if written {
		p.WriteString(br)
	}
	p.WriteString("}")
}

// printed reports whether an entry has to be written for the value to be the
// same: what has no value is left out, unless a default would take its place.
func printed(e *Entry, s *Schema) bool {
	if _, ok := e.Value.(Undefined); ok && s != nil && e.Given {
		a := s.attr(e.Key)
		return a != nil && a.decl.Value != nil
	}
	if s != nil && strings.HasPrefix(e.Key, "_") { // hidden: not output, but other values may follow from it
		return e.Given
	}
	_, ok := Plain(e.Value)
	return ok
}

var identifier = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// keyLiteral writes a key of a dict or an attribute.
func keyLiteral(key string) string {
	switch {
	case !identifier().MatchString(key):
		return stringLiteral(key)
	case syntax.IsReserved(key):
		return "$" + key
	}
	return key
}

// stringLiteral writes a string on one line.
func stringLiteral(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '$' && strings.HasPrefix(s[i:], "${"): // no interpolation
			b.WriteString(`\$`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f || r == '\ufeff':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// floatLiteral writes a float so that it is read as one. Those that have no
// literal are null in every output, and so None here.
func floatLiteral(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "None"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return floatText(f)
}

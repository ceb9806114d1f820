package eval

import (
	"regexp"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// KCL writes a value as a KCL expression that evaluates to the same value.
func KCL(v Value) string {
	var b strings.Builder
	writeKCL(&b, v, "")
	return b.String()
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func writeKCL(b *strings.Builder, v Value, indent string) {
	switch v := v.(type) {
	case *Instance:
		b.WriteString(v.Schema.Name + " ")
		writeKCLEntries(b, v.Attrs, indent)
	case *Dict:
		writeKCLEntries(b, v, indent)
	case *List:
		if len(v.Elems) == 0 {
			b.WriteString("[]")
			return
		}
		b.WriteString("[\n")
		for _, e := range v.Elems {
			b.WriteString(indent + "    ")
			writeKCL(b, e, indent+"    ")
			b.WriteString("\n")
		}
		b.WriteString(indent + "]")
	case Undefined, None, Bool, Int, Float, Quantity:
		writeText(b, v)
	case String:
		b.WriteString(strings.ReplaceAll(quote(string(v), '"'), "${", "\\${"))
	default:
		b.WriteString(v.Type())
	}
}

func writeKCLEntries(b *strings.Builder, d *Dict, indent string) {
	b.WriteString("{")
	written := false
	for _, e := range d.entries {
		if _, ok := Plain(e.Value); !ok {
			continue
		}
		key := e.Key
		if !identifier.MatchString(key) {
			key = quote(key, '"')
		} else if syntax.IsReserved(key) {
			key = "$" + key
		}
		b.WriteString("\n" + indent + "    " + key + " = ")
		writeKCL(b, e.Value, indent+"    ")
		written = true
	}
	if written {
		b.WriteString("\n" + indent)
	}
	b.WriteString("}")
}

package syntax

import (
	"fmt"
	"strings"
)

// quoted writes a string literal that is not interpolated.
func quoted(s string) string { return `"` + escaped(s, '"') + `"` }

// escaped writes the inside of a literal between marks. A "${" in it becomes
// one that does not begin an interpolation.
func escaped(s string, mark byte) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' || c == mark:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c == '$' && i+1 < len(s) && s[i+1] == '{':
			b.WriteString(`\x24`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// docEscapes writes a line of a documentation string.
func docEscapes(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	s = strings.ReplaceAll(s, `"`, `\"`)
	s = strings.ReplaceAll(s, "\r", `\r`)
	return strings.ReplaceAll(s, "${", `\x24{`)
}

// interpolation writes a string with expressions in it. These have neither
// quotes of its own kind nor braces in them.
func (p *printer) interpolation(x *Interpolation) {
	p.text(`"`)
	for i, part := range x.Parts {
		if part.X == nil {
			text := escaped(part.Text, '"')
			if strings.HasSuffix(text, `\`) && i+1 < len(x.Parts) { // not to escape what follows
				text = strings.TrimSuffix(text, `\\`) + `\x5c`
			}
			p.text(text)
			continue
		}
		p.text("${")
		inner := &printer{inString: true}
		inner.expr(part.X)
		p.text(inner.out.String())
		if part.Format != "" {
			p.text(": #", part.Format)
		}
		p.text("}")
	}
	p.text(`"`)
}

// quotedInside writes a string literal inside an interpolation. Neither quotes
// nor braces may be in it.
func quotedInside(s string) string {
	s = escaped(s, '\'')
	return "'" + strings.NewReplacer(`\'`, `\x27`, `"`, `\x22`, "}", `\x7d`).Replace(s) + "'"
}

// isIdentifier reports whether a text can be written as a name.
func isIdentifier(s string) bool {
	for i, r := range s {
		if i == 0 && !isNameStart(r) || !isNamePart(r) {
			return false
		}
	}
	return s != ""
}

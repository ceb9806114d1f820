package syntax

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Multipliers of the unit suffixes of numbers.
var unitSuffixes = []string{"Ki", "Mi", "Gi", "Ti", "Pi", "n", "u", "m", "k", "K", "M", "G", "T", "P"}

// number converts a number token.
func (p *parser) number(t token) Expr {
	text := p.src.Text[t.start:t.end]
	n := &Number{Range: Range{p.src, t.start, t.end}}
	bad := func() Expr {
		p.fail(n.Range, "", "%q is not a number", text)
		return nil
	}
	lower := strings.ToLower(text)
	digits := strings.ReplaceAll(text, "_", "")
	if strings.HasPrefix(text, ".") || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") {
		return bad()
	}
	if len(lower) > 1 && lower[0] == '0' && strings.ContainsRune("xob", rune(lower[1])) {
		return p.integer(n, digits[2:], map[byte]int{'x': 16, 'o': 8, 'b': 2}[lower[1]], bad)
	}
	for _, suffix := range unitSuffixes {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			n.Suffix, digits = suffix, rest
			break
		}
	}
	if strings.ContainsAny(digits, ".eE") {
		if n.Suffix != "" {
			return bad()
		}
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil && !strings.Contains(err.Error(), "range") {
			return bad()
		}
		n.IsFloat, n.Float = true, f
		return n
	}
	if len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0") != "" {
		p.fail(n.Range, "write 0o"+strings.TrimLeft(digits, "0")+" for an octal number", "a number cannot begin with 0")
	}
	return p.integer(n, digits, 10, bad)
}

// integer reads digits; like the runtime it keeps the low 64 bits.
func (p *parser) integer(n *Number, digits string, base int, bad func() Expr) Expr {
	if v, err := strconv.ParseInt(digits, base, 64); err == nil {
		n.Int = v
		return n
	}
	var b big.Int
	if _, ok := b.SetString(digits, base); !ok || len(digits) > 64 {
		return bad()
	}
	low := new(big.Int).And(&b, new(big.Int).SetUint64(1<<64-1))
	n.Int = int64(low.Uint64())
	return n
}

// stringLit decodes a string token.
func (p *parser) stringLit(t token) Expr {
	r := Range{p.src, t.start, t.end}
	text := r.Text()
	raw := text[0] == 'r' || text[0] == 'R'
	begin := t.start
	if raw {
		begin++
	}
	quote := p.src.Text[begin : begin+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(p.src.Text[begin:], triple) && t.end-begin >= 6 {
		quote = triple
	}
	end := t.end - len(quote)
	begin += len(quote)
	if end < begin || p.src.Text[end:t.end] != quote { // unterminated, as the scanner said
		return &String{Range: r, Value: p.src.Text[min(begin, t.end):t.end]}
	}
	parts := []Part{{Text: p.src.Text[begin:end]}}
	if !raw {
		d := &decoder{p: p, pos: begin, end: end}
		parts = d.decode()
	}
	if len(quote) == 3 {
		dedent(parts)
	}
	switch {
	case len(parts) == 0:
		return &String{Range: r}
	case len(parts) == 1 && parts[0].X == nil:
		return &String{Range: r, Value: parts[0].Text}
	}
	return &Interpolation{Range: r, Parts: parts}
}

// decoder turns the inside of a string into its parts.
type decoder struct {
	p        *parser
	pos, end int
	text     strings.Builder
	parts    []Part
}

func (d *decoder) decode() []Part {
	src := d.p.src.Text
	for d.pos < d.end {
		switch {
		case src[d.pos] == '\\' && d.pos+1 < d.end:
			d.escape()
		case src[d.pos] == '$' && d.pos+1 < d.end && src[d.pos+1] == '{':
			d.flush()
			d.interpolate()
		default:
			d.text.WriteByte(src[d.pos])
			d.pos++
		}
	}
	d.flush()
	return d.parts
}

func (d *decoder) flush() {
	if d.text.Len() > 0 {
		d.parts = append(d.parts, Part{Text: d.text.String()})
		d.text.Reset()
	}
}

var simpleEscapes = map[byte]byte{
	'\\': '\\', '\'': '\'', '"': '"', 'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '$': '$',
}

// escape decodes the escape at d.pos. Unknown ones stay as they are.
func (d *decoder) escape() {
	src, start := d.p.src.Text, d.pos
	c := src[d.pos+1]
	d.pos += 2
	if b, ok := simpleEscapes[c]; ok {
		d.text.WriteByte(b)
		return
	}
	number := func(digits, base int) {
		n := d.pos
		for n < d.end && n < d.pos+digits && isBaseDigit(src[n], base) {
			n++
		}
		v, err := strconv.ParseUint(src[d.pos:n], base, 32)
		if err != nil || base == 16 && n-d.pos != digits || !utf8.ValidRune(rune(v)) {
			d.p.fail(Range{d.p.src, start, max(n, d.pos)}, "", "invalid escape in string")
		}
		d.text.WriteRune(rune(v))
		d.pos = n
	}
	switch {
	case c == '\n':
	case c == 'x':
		number(2, 16)
	case c == 'u':
		number(4, 16)
	case c == 'U':
		number(8, 16)
	case '0' <= c && c <= '7':
		d.pos--
		number(3, 8)
	default:
		d.text.WriteByte('\\')
		d.text.WriteByte(c)
	}
}

func isBaseDigit(c byte, base int) bool {
	if base == 8 {
		return '0' <= c && c <= '7'
	}
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// interpolate reads `${expr}` or `${expr: #format}` at d.pos.
func (d *decoder) interpolate() {
	start, begin := d.pos, d.pos+2
	end := closingBrace(d.p.src.Text[begin:d.end])
	if end < 0 {
		d.p.fail(Range{d.p.src, start, d.end}, "close it with }", "invalid interpolation: \"${\" is never closed")
	}
	end += begin
	d.pos = end + 1
	part := Part{}
	exprEnd := end
	if i := strings.LastIndex(d.p.src.Text[begin:end], "#"); i >= 0 {
		head := strings.TrimRight(d.p.src.Text[begin:begin+i], " \t")
		if strings.HasSuffix(head, ":") {
			part.Format = strings.TrimSpace(d.p.src.Text[begin+i+1 : end])
			exprEnd = begin + len(head) - 1
			if part.Format != "json" && part.Format != "yaml" {
				d.p.fail(Range{d.p.src, begin + i, end}, "", "unknown format %q; there are #json and #yaml", part.Format)
			}
		}
	}
	part.X = d.p.sub(begin, exprEnd)
	d.parts = append(d.parts, part)
}

// closingBrace finds the brace that closes an interpolation.
func closingBrace(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// sub parses the expression in a part of the source.
func (p *parser) sub(begin, end int) Expr {
	defer p.enter()()
	s := &scanner{src: p.src, text: p.src.Text[:end], pos: begin, errorf: p.errorAt}
	inner := &parser{src: p.src, tokens: s.scan(), state: p.state}
	inner.callDepth, inner.noConfig = 1, false
	defer func() { p.faults = append(p.faults, inner.faults...) }()
	if inner.tok().kind == EOF {
		p.fail(Range{p.src, begin, end}, "", "an interpolation needs an expression")
	}
	x := inner.expr()
	if inner.tok().kind != EOF {
		t := inner.tok()
		p.fail(Range{p.src, t.start, t.end}, "", "unexpected %q in an interpolation", p.src.Text[t.start:t.end])
	}
	return x
}

// dedent drops the line break that a triple-quoted string begins with and the
// indentation that its lines share. Empty lines have none.
func dedent(parts []Part) {
	indent := -1
	eachLine(parts, func(line string) string {
		if n := len(line) - len(strings.TrimLeft(line, " \t")); line != "" && (indent < 0 || n < indent) {
			indent = n
		}
		return line
	})
	eachLine(parts, func(line string) string {
		return line[min(max(indent, 0), len(line)-len(strings.TrimLeft(line, " \t"))):]
	})
	if len(parts) > 0 {
		parts[0].Text = strings.TrimPrefix(parts[0].Text, "\n")
	}
}

// eachLine replaces each line of the text in parts. What follows an
// interpolated value is not the start of a line.
func eachLine(parts []Part, replace func(line string) string) {
	for i := range parts {
		if parts[i].X != nil {
			continue
		}
		lines := strings.Split(parts[i].Text, "\n")
		for j, line := range lines {
			if j > 0 || i == 0 {
				lines[j] = replace(line)
			}
		}
		parts[i].Text = strings.Join(lines, "\n")
	}
}

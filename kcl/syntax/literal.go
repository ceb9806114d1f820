package syntax

import "strings"

// stringLit decodes a string token, the parts of an interpolated one included.
func (p *parser) stringLit(t token) Expr {
	r := p.at(t)
	raw, begin := p.inside(t)
	if t.n == 0 || isRaw(r) || !strings.Contains(raw, "${") {
		return &String{Range: r, Value: p.stringValue(t)}
	}
	in := &interpolation{p: p}
	for off := 0; off < len(raw); {
		i := strings.Index(raw[off:], "${")
		if i < 0 {
			in.add(raw[off:], begin+off, Part{})
			break
		}
		lo := off + i
		j := strings.IndexByte(raw[lo:], '}')
		if j < 0 {
			p.fail(Range{p.src, begin + lo, begin + lo + 2}, `close it with }, or write \${`, `invalid interpolation: "${" is never closed`)
		}
		hi := lo + j + 1
		if i > 0 && raw[lo-1] == '\\' {
			in.add(raw[off:hi], begin+off, Part{Format: `\$`})
		} else {
			in.add(raw[off:lo], begin+off, Part{})
			in.add(raw[lo:hi], begin+lo, p.interpolated(begin+lo+2, begin+hi-1))
		}
		off = hi
	}
	parts := in.finish(t.n == 3)
	if len(parts) == 1 && parts[0].X == nil {
		return &String{Range: r, Value: parts[0].Text}
	}
	return &Interpolation{Range: r, Parts: parts}
}

// inside is the text between the quotes of a string token, and where it begins.
func (p *parser) inside(t token) (text string, begin int) {
	begin, end := int(t.start+t.n), int(t.end-t.n)
	if isRaw(p.at(t)) {
		begin++
	}
	if t.n == 0 { // unterminated, as the scanner said
		begin = end
	}
	text = p.src.Text[begin:end]
	return text, begin
}

func isRaw(r Range) bool {
	c := r.Source.Text[r.Start]
	return c == 'r' || c == 'R'
}

// plainValue decodes a string token without regard to ${...} and indentation.
func (p *parser) plainValue(t token) string {
	raw, begin := p.inside(t)
	if isRaw(p.at(t)) {
		return strings.ReplaceAll(raw, "\r\n", "\n")
	}
	return p.unescape(raw, begin)
}

// stringValue decodes a string token without regard to ${...}.
func (p *parser) stringValue(t token) string {
	text := p.plainValue(t)
	if t.n == 3 {
		text = dedentPart(text, 0, len(text), sharedIndent(text))
	}
	return text
}

// interpolation collects the parts of a string. The indentation of a
// triple-quoted one is that of its text with the ${...} in it.
type interpolation struct {
	p     *parser
	text  strings.Builder
	parts []Part
	ends  []int // of each part in text
}

// add appends a part, which raw, at an offset of the source, decodes to. The
// Format of a text is what stands for a $ in it.
func (in *interpolation) add(raw string, at int, part Part) {
	if raw == "" {
		return
	}
	in.text.WriteString(in.p.unescape(raw, at))
	in.parts = append(in.parts, part)
	in.ends = append(in.ends, in.text.Len())
}

func (in *interpolation) finish(dedent bool) []Part {
	full := in.text.String()
	shared := 0
	if dedent {
		shared = sharedIndent(full)
	}
	var parts []Part
	begin := 0
	for i, part := range in.parts {
		from, to := begin, in.ends[i]
		begin = to
		if part.X != nil {
			parts = append(parts, part)
			continue
		}
		text := full[from:to]
		if dedent {
			text = dedentPart(full, from, to, shared)
		}
		if part.Format != "" {
			text = strings.ReplaceAll(text, part.Format, "$")
		}
		if n := len(parts); n > 0 && parts[n-1].X == nil {
			parts[n-1].Text += text
		} else if text != "" || len(in.parts) == 1 {
			parts = append(parts, Part{Text: text})
		}
	}
	return parts
}

// interpolated reads `expr` or `expr: #format` in a part of the source.
func (p *parser) interpolated(begin, end int) Part {
	p.enter()
	s := &scanner{text: p.src.Text[:end], pos: begin, errorf: p.errorAt, comments: true}
	tokens, pos, last := p.tokens, p.pos, p.end
	defer func() { p.tokens, p.pos, p.end = tokens, pos, last }()
	p.tokens, p.pos = s.scan(), 0
	if begin == end {
		p.fail(Range{p.src, begin - 2, end + 1}, "", "an interpolation needs an expression")
	}
	part := Part{X: p.expr()}
	if p.accept(COLON) {
		if p.kind() != COMMENT {
			p.unexpected("expected the format #json or #yaml after the colon")
		}
		format := p.at(p.advance())
		part.Format = strings.TrimSpace(strings.TrimPrefix(format.Text(), "#"))
		if part.Format != "json" && part.Format != "yaml" {
			p.fail(format, "", "unknown format %q; there are #json and #yaml", part.Format)
		}
	}
	p.newlines()
	if p.kind() != EOF {
		p.unexpected("expected } after the expression of the interpolation")
	}
	p.leave()
	return part
}

// sharedIndent is how many spaces and tabs begin every line of text that has
// anything else, and the last line, which the closing quotes are on.
func sharedIndent(text string) int {
	shared := -1
	for more := true; more; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		if strings.TrimSpace(line) == "" && (more || line == "") {
			continue
		}
		if n := len(line) - len(strings.TrimLeft(line, " \t")); shared < 0 || n < shared {
			shared = n
		}
	}
	return max(shared, 0)
}

// dedentPart returns a part of a text without the indentation that its lines
// share, and without the line break that the text begins with.
func dedentPart(text string, from, to, shared int) string {
	if from == 0 && to > 0 && text[0] == '\n' {
		from = 1
	}
	if shared == 0 {
		return text[from:to]
	}
	var b strings.Builder
	for pos := from; pos < to; {
		if pos == 0 || text[pos-1] == '\n' {
			for n := 0; n < shared && pos < to && (text[pos] == ' ' || text[pos] == '\t'); n++ {
				pos++
			}
		}
		end := to
		if i := strings.IndexByte(text[pos:to], '\n'); i >= 0 {
			end = pos + i + 1
		}
		b.WriteString(text[pos:end])
		pos = end
	}
	return b.String()
}

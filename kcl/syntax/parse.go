package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
)

// maxDepth bounds the nesting of expressions and blocks, so that a hostile
// text cannot exhaust the stack.
const maxDepth = 200

// Parse reads the text of a file. The tree is always usable: where the text is
// wrong it has gaps, and each error is in the list, in order of appearance.
func Parse(src *Source) (*File, diag.List) {
	p := &parser{src: src}
	if i := badByte(src.Text); i >= 0 {
		p.errorAt(i, i+1, "save the file as UTF-8", "the text is not UTF-8")
	}
	s := &scanner{src: src, text: src.Text, errorf: p.errorAt}
	p.tokens = s.scan()
	f := &File{Source: src}
	if t := p.tok(); t.kind == STRING && p.peek(1).first && isLong(src.Text[t.start:t.end]) {
		p.recoverAt(func() {
			if doc, ok := p.expr().(*String); ok {
				f.Doc = doc.Value
			}
		}, func(t token) bool { return t.first })
	}
	f.Body = p.stmts(-1)
	return f, p.faults.Sort()
}

// badByte returns where a text ceases to be UTF-8, -1 if it does not.
func badByte(text string) int {
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}

// isLong reports whether a string literal has three quotes: only such a one
// documents a file; another that stands alone is output.
func isLong(literal string) bool {
	literal = strings.TrimLeft(literal, "rR")
	return strings.HasPrefix(literal, `"""`) || strings.HasPrefix(literal, "'''")
}

// parser is a recursive descent parser. Lines and indentation are read off the
// tokens: a statement ends where a line begins, a block where a line is
// indented less.
type parser struct {
	src    *Source
	tokens []token
	pos    int
	faults diag.List
	state
}

// state is what holds inside a construct, and is put back after an error in it.
type state struct {
	depth     int
	callDepth int  // inside the parentheses of a call, lines do not end expressions
	lambdas   int  // inside the braces of a lambda, which end statements
	noConfig  bool // X {…} is not a schema expression here
}

// bailout unwinds to the nearest statement or entry after an error.
type bailout struct{}

func (p *parser) tok() token { return p.tokens[p.pos] }

func (p *parser) peek(n int) token { return p.tokens[min(p.pos+n, len(p.tokens)-1)] }

func (p *parser) advance() token {
	t := p.tok()
	if t.kind != EOF {
		p.pos++
	}
	return t
}

// is reports whether the next token is of kind k and on this line.
func (p *parser) is(k Kind) bool {
	t := p.tok()
	return t.kind == k && (!t.first || p.callDepth > 0)
}

func (p *parser) accept(k Kind) bool {
	if p.is(k) {
		p.advance()
		return true
	}
	return false
}

func (p *parser) expect(k Kind, where string) token {
	if !p.is(k) {
		p.unexpected("expected %q %s", k.String(), where)
	}
	return p.advance()
}

// span is the range from start to the end of the last token.
func (p *parser) span(start int) Range {
	end := start
	if p.pos > 0 {
		end = max(start, p.tokens[p.pos-1].end)
	}
	return Range{p.src, start, end}
}

// maxFaults is how many syntax errors of a file are reported.
const maxFaults = 100

func (p *parser) errorAt(start, end int, hint, format string, args ...any) {
	if len(p.faults) >= maxFaults {
		return
	}
	d := diag.Errorf(diag.Syntax, format, args...).At(Range{p.src, start, end}.Span())
	d.Hint = hint
	p.faults = append(p.faults, d)
}

// fail reports an error at a range and gives up the statement or entry.
func (p *parser) fail(r Range, hint, format string, args ...any) {
	p.errorAt(r.Start, r.End, hint, format, args...)
	panic(bailout{})
}

// unexpected reports that the next token is not what the message asks for.
func (p *parser) unexpected(format string, args ...any) {
	t := p.tok()
	if t.kind == INVALID { // reported by the scanner
		panic(bailout{})
	}
	what := fmt.Sprintf("%q", p.src.Text[t.start:t.end])
	r := Range{p.src, t.start, t.end}
	switch {
	case t.kind == EOF:
		what = "the end of the file"
	case t.first && p.callDepth == 0:
		// The fault is where the line above stops.
		what = "the end of the line"
		r.Start = p.tokens[max(p.pos-1, 0)].end
		r.End = r.Start + 1
	}
	p.fail(r, "", "%s, found %s", fmt.Sprintf(format, args...), what)
}

func (p *parser) enter() func() {
	p.depth++
	if p.depth > maxDepth {
		t := p.tok()
		p.fail(Range{p.src, t.start, t.end}, "", "nested too deeply (limit %d)", maxDepth)
	}
	return func() { p.depth-- }
}

// recoverAt runs parse and, when it bails out, skips tokens until stop says so.
func (p *parser) recoverAt(parse func(), stop func(token) bool) {
	start, saved := p.pos, p.state
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, ok := r.(bailout); !ok {
			panic(r)
		}
		p.state = saved
		for p.tok().kind != EOF && (p.pos == start || !stop(p.tok())) {
			p.advance()
		}
	}()
	parse()
}

// stmts reads the statements of a block: the lines indented by the same width,
// more than parent. The block of the file has parent -1.
func (p *parser) stmts(parent int) []Stmt {
	var list []Stmt
	column := p.tok().column
	if parent < 0 {
		column = 0
	}
	for {
		t := p.tok()
		if t.kind == EOF || t.column <= parent || t.kind == RBRACE && p.lambdas > 0 {
			return list
		}
		if t.column != column {
			p.errorAt(t.start, t.end, "indent the lines of a block alike", "unexpected indentation")
			column = max(t.column, parent+1)
		}
		p.recoverAt(func() {
			for {
				if s := p.stmt(column); s != nil {
					list = append(list, s)
				}
				if t := p.tok(); t.first || t.kind == RBRACE && p.lambdas > 0 {
					return
				}
				p.unexpected("expected the end of the line")
			}
		}, func(t token) bool { return t.first && t.column <= column })
	}
}

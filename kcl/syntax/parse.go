package syntax

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
)

// Bounds on what is read, so that a hostile text cannot exhaust the stack.
const (
	maxDepth  = 200                // expressions and blocks inside each other
	maxChain  = 10_000             // operators, selectors or elif branches in a row
	maxTokens = 5_000_000          // words, numbers, strings and signs of a file
	maxFaults = 100                // syntax errors that are reported for a file
	maxBytes  = math.MaxInt32 - 16 // size of a file
)

// Parse reads the text of a file. The tree is always usable: where the text is
// wrong it has gaps, and each error is in the list, in order of appearance.
func Parse(src *Source) (*File, diag.List) {
	f := &File{Source: src}
	p, ok := newParser(src)
	if !ok {
		return f, p.faults
	}
	p.each(func() bool {
		f.Doc = p.doc()
		return false
	}, p.nextLine)
	p.each(func() bool {
		p.newlines()
		switch p.kind() {
		case EOF:
			return false
		case DEDENT:
			p.stray()
		default:
			f.Body = append(f.Body, p.stmt())
		}
		return true
	}, p.nextLine)
	return f, p.faults.Sort()
}

// ParseExpr reads a text that is one expression. It is a Bad one where the text
// is wrong, and the list says how.
func ParseExpr(src *Source) (Expr, diag.List) {
	p, ok := newParser(src)
	var x Expr = &Bad{Range{src, 0, len(src.Text)}}
	if ok {
		p.attempt(func() bool {
			y := p.expr()
			p.newlines()
			if p.kind() != EOF {
				p.unexpected("expected the end of the expression")
			}
			x = y
			return false
		}, func(int) {})
	}
	return x, p.faults.Sort()
}

// newParser scans a source, unless it is too large.
func newParser(src *Source) (*parser, bool) {
	p := &parser{src: src}
	if len(src.Text) > maxBytes {
		p.tooMuch(Range{p.src, 0, 0}, "the file is too large (limit %d bytes)", maxBytes)
		return p, false
	}
	p.encoding()
	s := &scanner{text: src.Text, errorf: p.errorAt, tokens: make([]token, 0, len(src.Text)/3+4)}
	p.tokens = s.scan()
	// Not p.tokens[maxTokens]: go 1.26 cannot compile that for arm64.
	if n := min(len(p.tokens), maxTokens); n < len(p.tokens) {
		p.tooMuch(p.at(p.tokens[n]), "too many parts in one file (limit %d)", maxTokens)
		return p, false
	}
	return p, true
}

// encoding reports the first byte that is not UTF-8.
func (p *parser) encoding() {
	text := p.src.Text
	if utf8.ValidString(text) {
		return
	}
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			p.errorAt(i, i+1, "save the file as UTF-8", "the text is not UTF-8")
			return
		}
	}
}

// parser is a recursive descent parser. A construct takes the NEWLINE, INDENT
// and DEDENT tokens where it allows for them; they are errors elsewhere.
type parser struct {
	src    *Source
	tokens []token
	pos    int
	end    int // of the last token with text
	depth  int
	strays int // indentations that belong to no block
	faults diag.List
}

// bailout unwinds to the nearest statement or entry after an error.
type bailout struct{}

func (p *parser) kind() Kind { return p.tokens[p.pos].kind }

func (p *parser) tok() token { return p.tokens[p.pos] }

func (p *parser) peek(n int) Kind { return p.tokens[min(p.pos+n, len(p.tokens)-1)].kind }

func (p *parser) advance() token {
	t := p.tokens[p.pos]
	if t.kind != EOF {
		p.pos++
	}
	if !t.kind.isLayout() {
		p.end = int(t.end)
	}
	return t
}

func (p *parser) accept(k Kind) bool {
	if p.kind() == k {
		p.advance()
		return true
	}
	return false
}

// expect takes a token of kind k; what says why it is needed.
func (p *parser) expect(k Kind, what string) token {
	if p.kind() != k {
		p.unexpected("expected %q %s", k.String(), what)
	}
	return p.advance()
}

func (p *parser) newlines() {
	for p.kind() == NEWLINE {
		p.pos++
	}
}

// indentation passes the change of the indentation, where it does not matter.
func (p *parser) indentation() {
	for p.kind() == INDENT || p.kind() == DEDENT {
		p.pos++
	}
}

// layout passes line breaks and what they do to the indentation.
func (p *parser) layout() {
	p.newlines()
	p.indentation()
}

// margin is indentation, and the line break that only the end of the file is
// behind.
func (p *parser) margin() {
	p.indentation()
	if p.kind() == NEWLINE && p.peek(1) == EOF {
		p.pos++
	}
}

// at is the range of a token.
func (p *parser) at(t token) Range { return Range{p.src, int(t.start), int(t.end)} }

// span is the range from start to the end of the last token.
func (p *parser) span(start int) Range { return Range{p.src, start, max(start, p.end)} }

// start is where the next token begins.
func (p *parser) start() int { return int(p.tokens[p.pos].start) }

func (p *parser) errorAt(start, end int, hint, format string, args ...any) {
	if len(p.faults) >= maxFaults { // a place takes time on a long line
		return
	}
	d := diag.Errorf(diag.Syntax, format, args...).At(Range{p.src, start, end}.Span())
	d.Hint = hint
	p.add(d)
}

// add keeps an error, unless there are too many or one at the same place.
func (p *parser) add(d *diag.Diagnostic) {
	same := func(other *diag.Diagnostic) bool { return other.Span.Start == d.Span.Start }
	if len(p.faults) < maxFaults && !slices.ContainsFunc(p.faults, same) {
		p.faults = append(p.faults, d)
	}
}

// tooMuch reports that the text is beyond a limit.
func (p *parser) tooMuch(r Range, format string, limit int) {
	p.add(diag.Errorf(diag.LimitExceeded, format, limit).At(r.Span()))
}

// fail reports an error at a range and gives up the statement or entry.
func (p *parser) fail(r Range, hint, format string, args ...any) {
	p.errorAt(r.Start, r.End, hint, format, args...)
	panic(bailout{})
}

// unexpected reports that the next token is not what the message asks for.
func (p *parser) unexpected(format string, args ...any) {
	p.unexpectedHint("", format, args...)
}

func (p *parser) unexpectedHint(hint, format string, args ...any) {
	t := p.tok()
	r := p.at(t)
	var what string
	switch t.kind {
	case INVALID: // reported by the scanner
		panic(bailout{})
	case EOF:
		what = "the end of the file"
	case NEWLINE:
		what = "the end of the line"
		if p.end > 0 && p.end <= r.Start && !strings.Contains(p.src.Text[p.end:r.Start], "\n") {
			r = Range{p.src, p.end, p.end + 1} // and not behind its comment
		}
	case INDENT, DEDENT:
		what = "a line that is indented " + map[Kind]string{INDENT: "more", DEDENT: "less"}[t.kind]
	default:
		what = fmt.Sprintf("%q", r.Text())
	}
	p.fail(r, hint, "%s, found %s", fmt.Sprintf(format, args...), what)
}

// stray reports a change of the indentation where no block begins or ends, and
// passes it. The end of an indentation that was reported is not.
func (p *parser) stray() {
	t := p.tok()
	p.pos++
	switch {
	case t.kind == INDENT:
		p.strays++
	case t.n == 0 && p.strays > 0:
		p.strays--
		return
	}
	p.errorAt(int(t.start), int(t.start)+1, "indent the lines of a block alike", "unexpected indentation")
}

// enter bounds the nesting; leave is its end.
func (p *parser) enter() {
	p.depth++
	if p.depth > maxDepth {
		p.tooMuch(p.at(p.tok()), "nested too deeply (limit %d)", maxDepth)
		panic(bailout{})
	}
}

func (p *parser) leave() { p.depth-- }

// chain bounds the length of what is built in a loop, and yet nested.
func (p *parser) chain(n int) {
	if n > maxChain {
		p.tooMuch(p.at(p.tok()), "too many parts in one expression or statement (limit %d)", maxChain)
		panic(bailout{})
	}
}

// each calls parse until it returns false. After an error it lets resync find
// the place to go on from, given the token at which parse began.
func (p *parser) each(parse func() bool, resync func(start int)) {
	for !p.attempt(parse, resync) && p.kind() != EOF {
		continue
	}
}

func (p *parser) attempt(parse func() bool, resync func(start int)) (done bool) {
	start, depth := p.pos, p.depth
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case bailout:
			p.depth = depth
			resync(start)
			if p.pos <= start && p.kind() != EOF {
				p.pos = start + 1
			}
		default:
			panic(r)
		}
	}()
	for parse() {
		start = p.pos
	}
	return true
}

// nextLine skips to the next statement of the block in which the token start
// stands: past the rest of the line, what is indented more, and brackets that
// are closed.
func (p *parser) nextLine(start int) {
	level, lineStart, closed := 0, false, 0
	for i := start; ; i++ {
		t := p.tokens[i]
		stop := i >= p.pos && i >= closed
		switch t.kind {
		case EOF:
			p.pos = i
			return
		case NEWLINE:
			lineStart = true
			continue
		case INDENT:
			level++
			continue
		case DEDENT:
			if t.n != 0 {
				continue
			}
			if level <= 0 && stop && i > start {
				p.pos = i
				return
			}
			level--
			continue
		case LPAREN, LBRACK, LBRACE:
			closed = max(closed, int(t.n))
		}
		if lineStart && level <= 0 && stop && i > start {
			p.pos = i
			return
		}
		lineStart = false
	}
}

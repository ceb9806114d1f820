package syntax

import (
	"slices"

	"github.com/berth-oci/berth/diag"
)

// operand reads what operators and suffixes apply to.
func (p *parser) operand() Expr {
	t := p.tok()
	switch k := t.kind; k {
	case NUMBER:
		p.advance()
		return p.number(t)
	case STRING:
		p.advance()
		return p.stringLit(t)
	case TRUE, FALSE, NONE, UNDEFINED:
		p.advance()
		return &Constant{Range: p.at(t), Kind: k}
	case LPAREN:
		p.advance()
		x := p.expr()
		p.expectClosing(RPAREN, t)
		return &Paren{Range: p.span(int(t.start)), X: x}
	case LBRACK:
		return p.list(p.advance())
	case LBRACE:
		return p.config()
	case LAMBDA:
		return p.lambda()
	case ALL, ANY, MAP, FILTER:
		return p.quantifier()
	default:
		if !k.isName() {
			p.unexpected("expected an expression")
		}
		return p.schemaOrCall(p.identifier(), int(t.start))
	}
}

// identifier reads a name, or names with dots between them.
func (p *parser) identifier() Expr {
	name := p.name("")
	var x Expr = &Ident{Range: name.Range, Name: name.Text}
	for n := 0; p.kind() == DOT; n++ {
		p.chain(n)
		x = p.selector(x, name.Start, false)
	}
	return x
}

// schemaOrCall reads what may follow a name: arguments, a config, or both.
func (p *parser) schemaOrCall(x Expr, start int) Expr {
	var call *Call
	if p.kind() == LPAREN {
		call = p.call(x, start)
		x = call
	}
	if p.kind() != LBRACE {
		return x
	}
	s := &SchemaExpr{Schema: x}
	if call != nil {
		s.Schema, s.Args, s.Keywords = call.Fun, call.Args, call.Keywords
	}
	s.Config = p.configOnly()
	s.Range = p.span(start)
	return s
}

func (p *parser) lambda() Expr {
	start := int(p.advance().start)
	l := &Lambda{}
	if t := p.tok(); t.kind == LBRACE && t.n > 0 && p.tokens[t.n+1].kind == ARROW {
		p.advance()
		l.Params = p.params(true, RBRACE)
		p.advance()
		p.newlines()
	} else if t.kind != LBRACE {
		l.Params = p.params(false, ARROW, LBRACE)
	}
	if p.accept(ARROW) {
		l.Result = p.typeExpr()
	}
	open := p.expect(LBRACE, "before the body of the lambda")
	p.newlines()
	p.each(func() bool {
		p.indentation()
		if p.kind() == RBRACE || p.kind() == EOF {
			return false
		}
		l.Body = append(l.Body, p.stmt())
		return true
	}, func(start int) { p.nextEntry(start, open) })
	p.expectClosing(RBRACE, open)
	l.Range = p.span(start)
	return l
}

// params reads parameters up to one of the tokens in ends, which it leaves.
// Commas are not needed.
func (p *parser) params(lines bool, ends ...Kind) []*Param {
	var list []*Param
	skip := func() {
		if lines && p.kind() == NEWLINE {
			p.newlines()
			p.indentation()
		}
	}
	for !slices.Contains(ends, p.kind()) {
		skip()
		start := p.start()
		param := &Param{Name: p.name("of a parameter")}
		if p.accept(COLON) {
			param.Type = p.typeExpr()
		}
		if p.accept(ASSIGN) {
			param.Default = p.expr()
		}
		param.Range = p.span(start)
		list = append(list, param)
		p.accept(COMMA)
		skip()
	}
	return list
}

// quantifier reads `all x in xs {...}` and its kin. The body on lines of its
// own is indented.
func (p *parser) quantifier() Expr {
	start, op := p.start(), p.kind()
	p.advance()
	q := &Quantifier{Op: op, Vars: []*Name{p.name("after " + op.String())}}
	if p.accept(COMMA) {
		q.Vars = append(q.Vars, p.name("after the comma"))
	}
	p.expect(IN, "after the variables")
	q.Over = p.over()
	open := p.expect(LBRACE, "before the body")
	lines := p.kind() == NEWLINE
	if lines {
		p.newlines()
		p.expectIndent()
	}
	q.Body = p.simple()
	if p.accept(IF) {
		q.If = p.expr()
	}
	if lines {
		if p.kind() != NEWLINE {
			p.unexpected("expected the end of the line after the body")
		}
		p.newlines()
		p.misaligned()
		if p.kind() != DEDENT {
			p.unexpected("expected %q on a line that is indented less", "}")
		}
		p.pos++
	}
	p.expectClosing(RBRACE, open)
	q.Range = p.span(start)
	return q
}

// over reads the collection of a quantifier: a name with selectors and
// indices, a string, a list or a dict.
func (p *parser) over() Expr {
	start := p.start()
	switch k := p.kind(); k {
	case STRING, LBRACK, LBRACE:
		p.enter()
		x := p.operand()
		p.leave()
		return x
	case NONE, UNDEFINED, LAMBDA, ANY, ALL, MAP, FILTER:
	default:
		if k.isName() {
			return p.suffixes(p.identifier(), start, false)
		}
	}
	p.unexpectedHint("give other expressions a name first", "expected a name, list, dict or string to go over")
	return nil
}

// expectClosing reads a closing bracket. It says where the open one is when
// the text has none.
func (p *parser) expectClosing(k Kind, open token) {
	if p.kind() != k {
		if p.kind() == EOF {
			p.unclosed(open)
		}
		p.unexpected("expected %q", k.String())
	}
	p.advance()
}

// unclosed reports a bracket that the text does not close, where the text ends.
func (p *parser) unclosed(open token) {
	r := p.at(open)
	if d := p.report(p.at(p.tok()), "add the closing bracket", "%q of line %d is never closed", open.kind, r.Span().Start.Line); d != nil {
		d.Related = append(d.Related, diag.Related{Span: r.Span(), Message: "the bracket is opened here"})
	}
	panic(bailout{})
}

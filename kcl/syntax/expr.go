package syntax

// expr reads an expression, if-expressions included.
func (p *parser) expr() Expr {
	defer p.enter()()
	start := p.tok().start
	x := p.simple()
	if !p.accept(IF) {
		return x
	}
	c := &Cond{Then: x, If: p.simple()}
	p.expect(ELSE, "after the condition")
	c.Else = p.expr()
	c.Range = p.span(start)
	return c
}

// Precedence of binary operators, weakest first.
const (
	precOr = iota + 1
	precAnd
	precCompare
	precBitOr
	precBitXor
	precBitAnd
	precShift
	precSum
	precProduct
	precPower
	precCast
)

func precedence(k Kind) int {
	switch k {
	case OR:
		return precOr
	case AND:
		return precAnd
	case EQ, NE, LT, LE, GT, GE, IN, IS, NOT:
		return precCompare
	case OR_BIT:
		return precBitOr
	case XOR_BIT:
		return precBitXor
	case AND_BIT:
		return precBitAnd
	case SHL, SHR:
		return precShift
	case ADD, SUB:
		return precSum
	case MUL, DIV, FLOORDIV, MOD:
		return precProduct
	case POW:
		return precPower
	case AS:
		return precCast
	}
	return 0
}

// simple reads an expression that is no if-expression.
func (p *parser) simple() Expr { return p.binary(precOr) }

// binary reads operators of at least the given precedence. All associate to
// the left, ** included, as the runtime has it.
func (p *parser) binary(least int) Expr {
	defer p.enter()()
	start := p.tok().start
	x := p.unary()
	for {
		t := p.tok()
		if t.first && p.callDepth == 0 {
			return x
		}
		prec := precedence(t.kind)
		if prec < least || prec == 0 || t.kind == NOT && p.peek(1).kind != IN {
			return x
		}
		switch prec {
		case precCompare:
			x = p.compare(start, x)
		case precCast:
			p.advance()
			x = &Cast{X: x, Type: p.typeExpr()}
			x.(*Cast).Range = p.span(start)
		default:
			p.advance()
			p.operand(t)
			y := p.binary(prec + 1)
			x = &Binary{Range: p.span(start), Op: t.kind, X: x, Y: y}
		}
	}
}

// operand makes sure that an operator's right side is on its line.
func (p *parser) operand(op token) {
	if t := p.tok(); t.first && p.callDepth == 0 {
		p.unexpected("expected an expression after %q", p.src.Text[op.start:op.end])
	}
}

// operandAfter passes an operator and makes sure that a value follows.
func (p *parser) operandAfter() { p.operand(p.advance()) }

func (p *parser) compare(start int, x Expr) Expr {
	c := &Compare{Operands: []Expr{x}}
	for {
		t := p.tok()
		if t.first && p.callDepth == 0 || precedence(t.kind) != precCompare || t.kind == NOT && p.peek(1).kind != IN {
			c.Range = p.span(start)
			return c
		}
		op := p.advance().kind
		switch {
		case op == NOT:
			p.advance()
			op = NOT_IN
		case op == IS && p.accept(NOT):
			op = IS_NOT
		}
		p.operand(t)
		c.Ops = append(c.Ops, op)
		c.Operands = append(c.Operands, p.binary(precCompare+1))
	}
}

// unary reads an operand with at most one unary operator. They all bind
// tighter than any binary one, not included: not a == b is (not a) == b.
func (p *parser) unary() Expr {
	start := p.tok().start
	switch k := p.tok().kind; k {
	case ADD, SUB, NOT_BIT, NOT:
		op := p.advance()
		p.operand(op)
		if k := p.tok().kind; k == ADD || k == SUB || k == NOT_BIT || k == NOT {
			p.unexpected("expected a value after %q", op.kind)
		}
		x := p.postfix(p.primary(), p.tok().start)
		return &Unary{Range: p.span(start), Op: k, X: x}
	}
	return p.postfix(p.primary(), start)
}

// postfix reads selectors, indices, calls and schema configs after x.
func (p *parser) postfix(x Expr, start int) Expr {
	start = min(start, x.At().Start)
	for depth := 0; ; depth++ {
		if depth > maxDepth {
			p.fail(p.span(start), "", "nested too deeply (limit %d)", maxDepth)
		}
		if t := p.tok(); t.first && p.callDepth == 0 {
			return x
		}
		optional := p.tok().kind == QUESTION && (p.peek(1).kind == DOT || p.peek(1).kind == LBRACK)
		if optional {
			p.advance()
		}
		switch p.tok().kind {
		case DOT:
			p.advance()
			t := p.tok()
			if t.kind != IDENT && !t.kind.isKeyword() || t.first && p.callDepth == 0 {
				p.unexpected("expected a name after the dot")
			}
			x = &Selector{X: x, Name: p.nameOf(p.advance()), Optional: optional}
			x.(*Selector).Range = p.span(start)
		case LBRACK:
			x = p.index(x, start, optional)
		case LPAREN:
			call := &Call{Fun: x}
			call.Args, call.Keywords = p.args()
			call.Range = p.span(start)
			x = call
		case LBRACE:
			schema, ok := schemaRef(x)
			if p.noConfig || !ok {
				return x
			}
			schema.Config = p.configOnly()
			schema.Range = p.span(start)
			x = schema
		default:
			return x
		}
	}
}

// schemaRef returns the head of a schema expression when x can be one.
func schemaRef(x Expr) (*SchemaExpr, bool) {
	switch e := x.(type) {
	case *Ident, *Selector:
		return &SchemaExpr{Schema: x}, true
	case *Call:
		switch e.Fun.(type) {
		case *Ident, *Selector:
			return &SchemaExpr{Schema: e.Fun, Args: e.Args, Keywords: e.Keywords}, true
		}
	}
	return nil, false
}

func (p *parser) index(x Expr, start int, optional bool) Expr {
	defer p.inside()()
	p.advance()
	bound := func() Expr {
		if k := p.tok().kind; k == COLON || k == RBRACK {
			return nil
		}
		return p.expr()
	}
	lo := bound()
	if p.tok().kind != COLON {
		if lo == nil {
			p.unexpected("expected an index")
		}
		p.closing(RBRACK, "index")
		return &Index{Range: p.span(start), X: x, I: lo, Optional: optional}
	}
	s := &Slice{X: x, Lo: lo, Optional: optional}
	p.advance()
	s.Hi = bound()
	if p.tok().kind == COLON {
		p.advance()
		s.Step = bound()
	}
	p.closing(RBRACK, "slice")
	s.Range = p.span(start)
	return s
}

// inside makes lines end nothing until the returned function is called.
func (p *parser) inside() func() {
	saved := p.state
	p.callDepth++
	p.noConfig = false
	return func() { p.callDepth, p.noConfig = saved.callDepth, saved.noConfig }
}

// nested makes lines and configs count again inside other brackets.
func (p *parser) nested() func() {
	saved := p.state
	p.callDepth, p.noConfig = 0, false
	return func() { p.callDepth, p.noConfig, p.lambdas = saved.callDepth, saved.noConfig, saved.lambdas }
}

// closing reads a closing bracket, on whatever line it is.
func (p *parser) closing(k Kind, what string) {
	if p.tok().kind != k {
		p.unexpected("expected %q to close the %s", k.String(), what)
	}
	p.advance()
}

// args reads the parenthesised arguments of a call.
func (p *parser) args() (args []Expr, keywords []Keyword) {
	defer p.inside()()
	p.advance()
	for p.tok().kind != RPAREN {
		if k := p.tok().kind; (k == IDENT || k == TYPE) && p.peek(1).kind == ASSIGN {
			name := p.nameOf(p.advance())
			p.advance()
			keywords = append(keywords, Keyword{name, p.expr()})
		} else {
			x := p.expr()
			if len(keywords) > 0 {
				p.fail(x.At(), "", "positional argument after a keyword argument")
			}
			args = append(args, x)
		}
		if !p.accept(COMMA) {
			break
		}
	}
	p.closing(RPAREN, "arguments")
	return args, keywords
}

// primary reads an operand.
func (p *parser) primary() Expr {
	defer p.enter()()
	t := p.tok()
	switch t.kind {
	case IDENT, TYPE:
		p.advance()
		return &Ident{Range: Range{p.src, t.start, t.end}, Name: p.nameOf(t).Text}
	case NUMBER:
		p.advance()
		return p.number(t)
	case STRING:
		p.advance()
		return p.stringLit(t)
	case TRUE, FALSE, NONE, UNDEFINED:
		p.advance()
		return &Constant{Range: Range{p.src, t.start, t.end}, Kind: t.kind}
	case LPAREN:
		p.advance()
		restore := p.nested()
		p.operand(t)
		x := p.expr()
		p.expect(RPAREN, "to close the parenthesis")
		restore()
		return &Paren{Range: p.span(t.start), X: x}
	case LBRACK:
		return p.list()
	case LBRACE:
		return p.config()
	case LAMBDA:
		return p.lambda()
	case ALL, ANY, MAP, FILTER:
		return p.quantifier()
	}
	p.unexpected("expected an expression")
	return nil
}

func (p *parser) lambda() Expr {
	start := p.advance().start
	l := &Lambda{Params: p.params(LBRACE)}
	if p.accept(ARROW) {
		l.Result = p.typeExpr()
	}
	open := p.expect(LBRACE, "before the body of the lambda")
	defer p.nested()()
	p.lambdas++
	for p.tok().kind != RBRACE {
		if p.tok().kind == EOF {
			p.unclosed(open)
		}
		l.Body = append(l.Body, p.stmt(p.tok().column))
		if t := p.tok(); !t.first && t.kind != RBRACE {
			p.unexpected("expected the end of the line")
		}
	}
	p.advance()
	l.Range = p.span(start)
	return l
}

func (p *parser) quantifier() Expr {
	t := p.advance()
	q := &Quantifier{Op: t.kind, Vars: []*Name{p.name("after " + t.kind.String())}}
	if p.accept(COMMA) {
		q.Vars = append(q.Vars, p.name("after the comma"))
	}
	p.expect(IN, "after the variables")
	saved := p.noConfig
	p.noConfig = true
	if k := p.tok().kind; k == LPAREN {
		p.unexpected("expected a name, list, dict or string to go over")
	}
	q.Over = p.postfix(p.primary(), p.tok().start)
	p.noConfig = saved
	open := p.expect(LBRACE, "before the body")
	defer p.nested()()
	if p.tok().kind == EOF {
		p.unclosed(open)
	}
	q.Body = p.simple()
	if p.accept(IF) {
		q.If = p.simple()
		if p.accept(ELSE) {
			q.Body = &Cond{Range: p.span(q.Body.At().Start), Then: q.Body, If: q.If, Else: p.expr()}
			q.If = nil
		}
	}
	p.closing(RBRACE, "body")
	q.Range = p.span(t.start)
	return q
}

// unclosed reports a bracket that the text does not close.
func (p *parser) unclosed(open token) {
	bracket := p.src.Text[open.start:open.end]
	p.fail(Range{p.src, open.start, open.end}, "add the closing bracket; the file ends without it", "%q is never closed", bracket)
}

package syntax

import "slices"

// expr reads an expression, if-expressions included.
func (p *parser) expr() Expr {
	start := p.start()
	x := p.simple()
	if p.kind() != IF {
		return x
	}
	top := &Cond{Then: x}
	for last, n := top, 0; ; n++ {
		p.chain(n)
		p.advance()
		last.If = p.simple()
		p.expect(ELSE, "after the condition")
		next := &Cond{}
		begin := p.start()
		next.Then = p.simple()
		if p.kind() != IF {
			last.Else = next.Then
			break
		}
		next.Range = Range{p.src, begin, 0}
		last.Else, last = next, next
	}
	top.Range = p.span(start)
	for c, ok := top.Else.(*Cond); ok && c.End == 0; c, ok = c.Else.(*Cond) {
		c.End = top.End
	}
	return top
}

// Precedence of binary operators, weakest first.
const (
	precAs = iota + 1
	precOr
	precAnd
	precEqual
	precIn
	precIs
	precLess
	precBitOr
	precBitXor
	precBitAnd
	precShift
	precSum
	precProduct
	precPower
)

var precedences = [256]uint8{
	AS: precAs, OR: precOr, AND: precAnd, EQ: precEqual, NE: precEqual, IN: precIn, IS: precIs,
	LT: precLess, LE: precLess, GT: precLess, GE: precLess, OR_BIT: precBitOr, XOR_BIT: precBitXor, AND_BIT: precBitAnd,
	SHL: precShift, SHR: precShift, ADD: precSum, SUB: precSum, MUL: precProduct, DIV: precProduct, FLOORDIV: precProduct,
	MOD: precProduct, POW: precPower,
}

// simple reads an expression that is no if-expression.
func (p *parser) simple() Expr { return p.binary(0) }

// binary reads operators that bind tighter than above. All associate to the
// left, ** included. Comparisons in a row make one chain as long as each binds
// no tighter than the one before: in a == b < c the right side of == is b < c.
func (p *parser) binary(above uint8) Expr {
	start := p.start()
	x := p.unary()
	var chain *Compare
	for n := 0; ; n++ {
		op := p.kind()
		prec := precedences[op]
		switch {
		case op == NOT && p.peek(1) == IN:
			op, prec = NOT_IN, precIn
		case op == IS && p.peek(1) == NOT:
			op = IS_NOT
		case op == NOT_BIT:
			p.unexpected("expected an operator between two values")
		}
		if prec <= above {
			return x
		}
		p.chain(n)
		p.advance()
		if op == NOT_IN || op == IS_NOT {
			p.advance()
		}
		if op == AS {
			x, chain = p.cast(start, x), nil
			continue
		}
		y := p.binary(prec)
		switch {
		case prec < precEqual || prec > precLess:
			x, chain = &Binary{Range: p.span(start), Op: op, X: x, Y: y}, nil
		case chain == nil:
			chain = &Compare{Range: p.span(start), Ops: []Kind{op}, Operands: []Expr{x, y}}
			x = chain
		default:
			chain.Ops, chain.Operands = append(chain.Ops, op), append(chain.Operands, y)
			chain.End = p.end
		}
	}
}

// cast reads the type behind as, which is a name. All operators bind tighter
// than as, so that they cannot follow it.
func (p *parser) cast(start int, x Expr) Expr {
	at := p.start()
	y := p.binary(precAs)
	typ := &NamedType{Range: y.At()}
	for path := y; typ.Path == nil || path != nil; {
		switch e := path.(type) {
		case *Ident:
			typ.Path, path = append(typ.Path, &Name{e.Range, e.Name}), nil
		case *Selector:
			if e.Optional {
				p.fail(y.At(), "", "what follows as must be a type")
			}
			typ.Path, path = append(typ.Path, e.Name), e.X
		default:
			p.fail(p.span(at), "put the conversion in parentheses", "what follows as must be the name of a type")
		}
	}
	slices.Reverse(typ.Path)
	return &Cast{Range: p.span(start), X: x, Type: typ}
}

// unary reads an operand with at most one unary operator. They all bind
// tighter than any binary one, not included: not a == b is (not a) == b.
func (p *parser) unary() Expr {
	switch k := p.kind(); k {
	case ADD, SUB, NOT_BIT, NOT:
		start := int(p.advance().start)
		if next := p.kind(); next == ADD || next == SUB || next == NOT_BIT || next == NOT {
			p.unexpectedHint("use parentheses", "expected a value after %q", k)
		}
		u := &Unary{Op: k, X: p.primary()}
		u.Range = p.span(start)
		return u
	}
	return p.primary()
}

// primary reads an operand with the selectors, indices and calls behind it.
func (p *parser) primary() Expr {
	p.enter()
	start := p.start()
	x := p.suffixes(p.operand(), start, true)
	p.leave()
	return x
}

func (p *parser) suffixes(x Expr, start int, calls bool) Expr {
	for n := 0; ; n++ {
		p.chain(n)
		switch p.kind() {
		case DOT:
			x = p.selector(x, start, false)
		case LBRACK:
			x = p.index(x, start, false)
		case LPAREN:
			if !calls {
				return x
			}
			x = p.call(x, start)
		case QUESTION:
			switch p.peek(1) {
			case DOT:
				p.advance()
				x = p.selector(x, start, true)
			case LBRACK:
				p.advance()
				x = p.index(x, start, true)
			default:
				return x
			}
		default:
			return x
		}
	}
}

func (p *parser) selector(x Expr, start int, optional bool) Expr {
	p.advance()
	s := &Selector{X: x, Name: p.name("after the dot"), Optional: optional}
	s.Range = p.span(start)
	return s
}

func (p *parser) index(x Expr, start int, optional bool) Expr {
	p.advance()
	bound := func() Expr {
		if k := p.kind(); k == COLON || k == RBRACK {
			return nil
		}
		return p.expr()
	}
	lo := bound()
	if p.kind() != COLON {
		if lo == nil {
			p.unexpected("expected an index")
		}
		p.expect(RBRACK, "to close the index")
		return &Index{Range: p.span(start), X: x, I: lo, Optional: optional}
	}
	s := &Slice{X: x, Lo: lo, Optional: optional}
	p.advance()
	s.Hi = bound()
	if p.accept(COLON) {
		s.Step = bound()
	}
	p.expect(RBRACK, "to close the slice")
	s.Range = p.span(start)
	return s
}

func (p *parser) call(fun Expr, start int) *Call {
	c := &Call{Fun: fun}
	c.Args, c.Keywords = p.args()
	c.Range = p.span(start)
	return c
}

// args reads the parenthesised arguments of a call. They may be on several
// lines when the first line has none; commas are not needed.
func (p *parser) args() (args []Expr, keywords []Keyword) {
	open := p.advance()
	lines := p.kind() == NEWLINE
	if lines {
		p.newlines()
		p.indentation()
	}
	for {
		p.indentation()
		switch p.kind() {
		case RPAREN:
			p.advance()
			return args, keywords
		case EOF:
			p.unclosed(open)
		case NEWLINE, FOR:
			if !lines || p.kind() == FOR {
				p.unexpected("expected %q to close the arguments", ")")
			}
		}
		x := p.expr()
		if p.accept(ASSIGN) {
			name := p.keyword(x)
			keywords = append(keywords, Keyword{name, p.expr()})
		} else {
			if len(keywords) > 0 {
				p.fail(x.At(), "", "positional argument after a keyword argument")
			}
			args = append(args, x)
		}
		p.accept(COMMA)
		if lines {
			p.newlines()
		}
	}
}

// keyword returns the name of a keyword argument.
func (p *parser) keyword(x Expr) *Name {
	id, ok := x.(*Ident)
	if !ok {
		p.fail(x.At(), "", "an argument is given by its name")
	}
	return &Name{id.Range, id.Name}
}

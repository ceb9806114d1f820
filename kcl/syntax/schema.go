package syntax

// schemaStmt reads a schema, mixin, protocol or rule with its decorators.
func (p *parser) schemaStmt(column int) Stmt {
	start := p.tok().start
	s := &Schema{Decorators: p.decorators()}
	if k := p.tok().kind; k != SCHEMA && k != MIXIN && k != PROTOCOL && k != RULE {
		p.fail(p.span(start), "", "a decorator belongs above a schema or an attribute")
	}
	s.Kind = p.advance().kind
	s.Name = p.name("after " + s.Kind.String())
	if p.accept(LBRACK) {
		s.Params = p.params(RBRACK)
		p.expect(RBRACK, "after the parameters")
	}
	if p.accept(LPAREN) {
		for !p.is(RPAREN) {
			base := p.simple()
			if s.Kind == RULE {
				s.Mixins = append(s.Mixins, base)
			} else if s.Base == nil {
				s.Base = base
			} else {
				p.fail(base.At(), "use mixins for more", "a schema has one parent only")
			}
			if !p.accept(COMMA) {
				break
			}
		}
		p.expect(RPAREN, "after the parent")
	}
	if p.accept(FOR) {
		s.For = p.simple()
	}
	p.expect(COLON, "after the head of the "+s.Kind.String())
	s.Range = p.span(start)
	if !p.tok().first {
		p.unexpected("expected a new line and an indented body of the %s", s.Kind)
	}
	p.schemaBody(s, column)
	s.Range = p.span(start)
	return s
}

func (p *parser) decorators() []*Call {
	var list []*Call
	for p.tok().kind == AT {
		at := p.advance()
		call, ok := p.postfix(p.primary(), at.start).(*Call)
		if !ok {
			id, isIdent := p.decoratorName(at)
			if !isIdent {
				p.fail(p.span(at.start), "", "invalid decorator")
			}
			call = &Call{Range: p.span(at.start), Fun: id}
		}
		list = append(list, call)
	}
	return list
}

// decoratorName reads back the bare name of a decorator without arguments.
func (p *parser) decoratorName(at token) (*Ident, bool) {
	t := p.tokens[p.pos-1]
	if t.kind != IDENT || p.tokens[p.pos-2].start != at.start {
		return nil, false
	}
	return &Ident{Range: Range{p.src, t.start, t.end}, Name: p.src.Text[t.start:t.end]}, true
}

// schemaBody reads doc string, mixins, attributes, statements and checks.
func (p *parser) schemaBody(s *Schema, parent int) {
	column := p.tok().column
	if p.tok().kind == STRING && p.peek(1).first {
		if doc, ok := p.expr().(*String); ok {
			s.Doc = doc.Value
		}
	}
	for {
		t := p.tok()
		if t.kind == EOF || t.column <= parent {
			return
		}
		if t.column != column {
			p.errorAt(t.start, t.end, "indent the lines of a block alike", "unexpected indentation")
			column = t.column
		}
		p.recoverAt(func() {
			p.schemaItem(s, column)
			if !p.tok().first {
				p.unexpected("expected the end of the line")
			}
		}, func(t token) bool { return t.first && t.column <= column })
	}
}

func (p *parser) schemaItem(s *Schema, column int) {
	next := p.peek(1)
	switch p.tok().kind {
	case MIXIN:
		if next.kind == COLON || next.kind == QUESTION {
			break
		}
		p.advance()
		if !p.is(LBRACK) {
			p.unexpected("expected [ after mixin")
		}
		if list, ok := p.list().(*List); ok {
			s.Mixins = append(s.Mixins, list.Elems...)
		}
		return
	case CHECK:
		if next.kind == COLON {
			p.advance()
			p.advance()
			p.checks(s, column)
			return
		}
	case STRING:
		if next.kind == COLON || next.kind == QUESTION {
			s.Body = append(s.Body, p.attr())
			return
		}
	case LBRACK:
		if sig := p.indexSignature(); sig != nil {
			if s.Index != nil {
				p.fail(sig.Range, "", "a schema has one index signature only")
			}
			s.Index = sig
			return
		}
	case AT:
		s.Body = append(s.Body, p.attr())
		return
	}
	if k := p.tok().kind; k == IDENT || k.isKeyword() {
		if (next.kind == COLON || next.kind == QUESTION && p.peek(2).kind == COLON) && !next.first {
			s.Body = append(s.Body, p.attr())
			return
		}
	}
	if s.Kind == RULE {
		s.Checks = append(s.Checks, p.check())
		return
	}
	s.Body = append(s.Body, p.stmt(column))
}

func (p *parser) attr() Stmt {
	start := p.tok().start
	a := &Attr{Decorators: p.decorators()}
	if p.tok().kind == STRING {
		t := p.tok()
		str, ok := p.primary().(*String)
		if !ok {
			p.fail(Range{p.src, t.start, t.end}, "", "the name of an attribute cannot be computed")
		}
		a.Name = &Name{Range: str.Range, Text: str.Value}
	} else {
		if k := p.tok().kind; k != IDENT && !k.isKeyword() {
			p.unexpected("expected the name of an attribute")
		}
		a.Name = p.nameOf(p.advance())
	}
	a.Optional = p.accept(QUESTION)
	p.expect(COLON, "after the name of an attribute")
	at := p.tok().start
	a.Type = p.typeExpr()
	if named, ok := a.Type.(*NamedType); ok && (p.is(LBRACE) || p.is(LPAREN)) {
		a.Op, a.Value = COLON, p.postfix(named.expr(), at)
	} else if p.is(ASSIGN) {
		p.operandAfter()
		a.Op, a.Value = ASSIGN, p.expr()
	} else if op, ok := p.tok().kind.operator(); ok && !p.tok().first {
		p.operandAfter()
		a.Op, a.Value = op, p.expr()
	}
	a.Range = p.span(start)
	return a
}

// indexSignature reads `[name: K]: V = init`, or returns nil where the bracket
// begins something else.
func (p *parser) indexSignature() *IndexSignature {
	named := p.peek(1).kind == IDENT && p.peek(2).kind == COLON
	open := p.peek(1).kind == ELLIPSIS || named && p.peek(3).kind == ELLIPSIS
	bare := p.peek(1).kind == IDENT && p.peek(2).kind == RBRACK && p.peek(3).kind == COLON
	if !named && !open && !bare {
		return nil
	}
	start := p.advance().start
	sig := &IndexSignature{Open: open}
	if named {
		sig.Name = p.name("")
		p.advance()
	}
	p.accept(ELLIPSIS)
	sig.Key = p.typeExpr()
	p.expect(RBRACK, "after the key type")
	p.expect(COLON, "before the value type")
	sig.Value = p.typeExpr()
	if p.accept(ASSIGN) {
		sig.Init = p.expr()
	}
	sig.Range = p.span(start)
	return sig
}

// checks reads the lines of a check block.
func (p *parser) checks(s *Schema, parent int) {
	if !p.tok().first {
		s.Checks = append(s.Checks, p.check())
		return
	}
	if p.tok().column <= parent {
		p.unexpected("expected an indented check")
	}
	column := p.tok().column
	for p.tok().kind != EOF && p.tok().column > parent {
		if t := p.tok(); t.column != column {
			p.errorAt(t.start, t.end, "indent the lines of a block alike", "unexpected indentation")
			column = t.column
		}
		p.recoverAt(func() {
			s.Checks = append(s.Checks, p.check())
			if !p.tok().first {
				p.unexpected("expected the end of the line")
			}
		}, func(t token) bool { return t.first && t.column <= column })
	}
}

func (p *parser) check() *Check {
	start := p.tok().start
	c := &Check{Cond: p.simple()}
	if p.accept(IF) {
		c.Guard = p.simple()
		if p.accept(ELSE) {
			c.Cond, c.Guard = &Cond{If: c.Guard, Then: c.Cond, Else: p.expr()}, nil
			c.Cond.(*Cond).Range = p.span(start)
		}
	}
	if p.accept(COMMA) {
		c.Message = p.expr()
	}
	c.Range = p.span(start)
	return c
}

// params reads parameters up to the token end.
func (p *parser) params(end Kind) []*Param {
	var list []*Param
	for !p.is(end) {
		start := p.tok().start
		param := &Param{Name: p.name("of a parameter")}
		if p.accept(COLON) {
			param.Type = p.typeExpr()
		}
		if p.accept(ASSIGN) {
			param.Default = p.expr()
		}
		param.Range = p.span(start)
		list = append(list, param)
		if !p.accept(COMMA) {
			break
		}
	}
	return list
}

// typeExpr reads a type.
func (p *parser) typeExpr() Type {
	defer p.enter()()
	start := p.tok().start
	t := p.typeTerm()
	if !p.is(OR_BIT) {
		return t
	}
	u := &UnionType{Types: []Type{t}}
	for p.accept(OR_BIT) {
		u.Types = append(u.Types, p.typeTerm())
	}
	u.Range = p.span(start)
	return u
}

func (p *parser) typeTerm() Type {
	t := p.tok()
	if t.first && p.callDepth == 0 {
		p.unexpected("expected a type")
	}
	switch t.kind {
	case IDENT, TYPE:
		named := &NamedType{Path: []*Name{p.nameOf(p.advance())}}
		for p.accept(DOT) {
			named.Path = append(named.Path, p.name("in a type"))
		}
		named.Range = p.span(t.start)
		return named
	case ANY:
		p.advance()
		return &NamedType{Range: p.span(t.start), Path: []*Name{p.nameOf(t)}}
	case STRING, NUMBER, TRUE, FALSE, NONE:
		x := p.primary()
		if _, ok := x.(*Interpolation); ok {
			p.fail(x.At(), "", "a literal type cannot be computed")
		}
		return &LiteralType{Range: x.At(), Value: x}
	case LBRACK:
		p.advance()
		list := &ListType{}
		if !p.is(RBRACK) {
			list.Elem = p.typeExpr()
		}
		p.expect(RBRACK, "after the element type")
		list.Range = p.span(t.start)
		return list
	case LBRACE:
		return p.dictType()
	case LPAREN:
		return p.funcType()
	}
	p.unexpected("expected a type")
	return nil
}

func (p *parser) dictType() Type {
	start := p.advance().start
	dict := &DictType{}
	p.accept(ELLIPSIS)
	if !p.is(COLON) {
		dict.Key = p.typeExpr()
	}
	p.expect(COLON, "between key and value type")
	if !p.is(RBRACE) {
		dict.Value = p.typeExpr()
	}
	p.expect(RBRACE, "after the value type")
	dict.Range = p.span(start)
	return dict
}

func (p *parser) funcType() Type {
	start := p.advance().start
	f := &FuncType{}
	for !p.is(RPAREN) {
		f.Params = append(f.Params, p.typeExpr())
		if !p.accept(COMMA) {
			break
		}
	}
	p.expect(RPAREN, "after the parameter types")
	if p.accept(ARROW) {
		f.Result = p.typeExpr()
	}
	f.Range = p.span(start)
	return f
}

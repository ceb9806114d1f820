package syntax

// stmt reads one statement of a block that is indented by column.
func (p *parser) stmt(column int) Stmt {
	defer p.enter()()
	start := p.tok().start
	switch p.tok().kind {
	case IMPORT:
		return p.importStmt()
	case IF:
		return p.ifStmt(column)
	case ASSERT:
		p.advance()
		a := &Assert{Cond: p.simple()}
		if p.accept(IF) {
			a.Guard = p.simple()
		}
		if p.accept(COMMA) {
			a.Message = p.expr()
		}
		a.Range = p.span(start)
		return a
	case AT, SCHEMA, MIXIN, PROTOCOL, RULE:
		if next := p.peek(1); p.tok().kind == AT || next.kind == IDENT && !next.first {
			return p.schemaStmt(column)
		}
	case TYPE:
		if next := p.peek(1); next.kind == IDENT && !next.first {
			p.advance()
			t := &TypeAlias{Name: p.name("as the name of a type")}
			p.expect(ASSIGN, "after the name of a type")
			t.Type = p.typeExpr()
			t.Range = p.span(start)
			return t
		}
	}
	return p.simpleStmt()
}

func (p *parser) importStmt() Stmt {
	start := p.advance().start
	imp := &Import{}
	for p.is(DOT) || p.is(ELLIPSIS) {
		imp.Path += p.advance().kind.String()
	}
	imp.Path += p.name("as the package to import").Text
	for p.accept(DOT) {
		imp.Path += "." + p.name("in the path of a package").Text
	}
	if p.accept(AS) {
		imp.As = p.name("after as")
	}
	imp.Range = p.span(start)
	return imp
}

func (p *parser) ifStmt(column int) Stmt {
	start := p.advance().start
	s := &If{Cond: p.expr()}
	s.Then = p.suite(column, "after the condition")
	if t := p.tok(); t.column == column || !t.first {
		switch t.kind {
		case ELIF:
			s.Else = []Stmt{p.ifStmt(column)}
		case ELSE:
			p.advance()
			s.Else = p.suite(column, "after else")
		}
	}
	s.Range = p.span(start)
	return s
}

// suite reads `:` and the block that follows, on the same line or indented.
func (p *parser) suite(column int, where string) []Stmt {
	p.expect(COLON, where)
	if !p.tok().first {
		return []Stmt{p.stmt(column)}
	}
	if p.tok().column <= column {
		p.unexpected("expected an indented block")
	}
	return p.stmts(column)
}

// simpleStmt reads an assignment or an expression.
func (p *parser) simpleStmt() Stmt {
	start := p.tok().start
	x := p.expr()
	op := p.tok().kind
	if p.tok().first {
		op = 0
	}
	switch {
	case op == COLON:
		p.advance()
		return p.declaration(start, x)
	case op == ASSIGN:
		s := &Assign{}
		for p.is(ASSIGN) {
			p.operandAfter()
			s.Targets = append(s.Targets, p.target(x))
			x = p.expr()
		}
		s.Value, s.Range = x, p.span(start)
		return s
	}
	if op, ok := op.operator(); ok {
		p.operandAfter()
		s := &AugAssign{Target: p.target(x), Op: op, Value: p.expr()}
		s.Range = p.span(start)
		return s
	}
	return &ExprStmt{Range: p.span(start), X: x}
}

// declaration reads what follows `x:`: a type with a value, or a schema to
// unify x with.
func (p *parser) declaration(start int, x Expr) Stmt {
	target := p.target(x)
	at := p.tok().start
	typ := p.typeExpr()
	if named, ok := typ.(*NamedType); ok && (p.is(LBRACE) || p.is(LPAREN)) {
		if len(target.Path) > 0 {
			p.fail(target.Range, "", "a schema can only be unified with a name")
		}
		value, ok := p.postfix(named.expr(), at).(*SchemaExpr)
		if !ok {
			p.unexpected("expected the config of the schema")
		}
		return &Unify{Range: p.span(start), Target: target.Name, Value: value}
	}
	if !p.is(ASSIGN) {
		p.unexpected("expected %q after the declared type", "=")
	}
	p.operandAfter()
	s := &Assign{Targets: []*Target{target}, Type: typ, Value: p.expr()}
	s.Range = p.span(start)
	return s
}

// expr returns the type's name as an expression.
func (t *NamedType) expr() Expr {
	var x Expr = &Ident{Range: t.Path[0].Range, Name: t.Path[0].Text}
	for _, name := range t.Path[1:] {
		x = &Selector{Range: Range{t.Source, t.Start, name.End}, X: x, Name: name}
	}
	return x
}

// target turns an expression into the target of an assignment.
func (p *parser) target(x Expr) *Target {
	t := &Target{Range: x.At()}
	for {
		switch e := x.(type) {
		case *Ident:
			t.Name = &Name{Range: e.Range, Text: e.Name}
			return t
		case *Selector:
			if e.Optional {
				p.fail(e.Range, "", "cannot assign to an optional attribute")
			}
			t.Path = append([]TargetStep{{Name: e.Name}}, t.Path...)
			x = e.X
		case *Index:
			t.Path = append([]TargetStep{{Index: e.I}}, t.Path...)
			x = e.X
		default:
			p.fail(x.At(), "", "cannot assign to this expression")
		}
	}
}

// name reads an identifier. Keywords are names only where `type` is.
func (p *parser) name(where string) *Name {
	if !p.is(IDENT) && !p.is(TYPE) {
		p.unexpected("expected a name %s", where)
	}
	t := p.advance()
	return p.nameOf(t)
}

func (p *parser) nameOf(t token) *Name {
	text := p.src.Text[t.start:t.end]
	if text[0] == '$' {
		text = text[1:]
	}
	return &Name{Range: Range{p.src, t.start, t.end}, Text: text}
}

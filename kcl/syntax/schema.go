package syntax

// schemaStmt reads a schema, mixin or protocol with its decorators, or a rule
// that has some.
func (p *parser) schemaStmt() Stmt {
	start := p.start()
	decorators := p.decorators()
	switch p.kind() {
	case SCHEMA, MIXIN, PROTOCOL:
	case RULE:
		return p.ruleStmt(start, decorators)
	default:
		p.fail(p.span(start), "", "a decorator belongs above a schema or an attribute")
	}
	s := &Schema{Decorators: decorators, Kind: p.advance().kind}
	s.Name = p.dottedName("after " + s.Kind.String())
	s.Params = p.schemaParams()
	if p.accept(LPAREN) {
		s.Base = p.identifier()
		if p.kind() == COMMA {
			p.fail(p.at(p.tok()), "use mixins for more", "a schema has one parent only")
		}
		p.expect(RPAREN, "after the parent")
	}
	s.For = p.host()
	p.expect(COLON, "after the head of the "+s.Kind.String())
	s.Range = p.span(start)
	p.newlines()
	if p.kind() == INDENT {
		p.pos++
		p.schemaBody(s)
	}
	s.Range = p.span(start)
	return s
}

func (p *parser) schemaParams() []*Param {
	if !p.accept(LBRACK) {
		return nil
	}
	list := p.params(false, RBRACK)
	p.advance()
	p.newlines()
	return list
}

// host reads `for Protocol`.
func (p *parser) host() Expr {
	if !p.accept(FOR) {
		return nil
	}
	x := p.expr()
	for y := x; ; {
		switch e := y.(type) {
		case *Ident:
			return x
		case *Selector:
			y = e.X
		default:
			p.fail(x.At(), "", "expected the name of a protocol after for")
		}
	}
}

// ruleStmt reads a rule, the body of which is checks only.
func (p *parser) ruleStmt(start int, decorators []*Call) Stmt {
	s := &Schema{Decorators: decorators, Kind: p.advance().kind}
	s.Name = p.dottedName("after rule")
	s.Params = p.schemaParams()
	if p.accept(LPAREN) {
		for p.kind() != RPAREN {
			base := p.expr()
			if schemaName(base) == "" {
				p.fail(base.At(), "", "expected the name of a rule")
			}
			s.Mixins = append(s.Mixins, base)
			if !p.accept(COMMA) && p.kind() != RPAREN {
				p.unexpected("expected a comma or %q", ")")
			}
		}
		p.advance()
	}
	s.For = p.host()
	p.expect(COLON, "after the head of the rule")
	p.newlines()
	p.expectIndent()
	s.Doc = p.doc()
	p.checks(s)
	s.Range = p.span(start)
	return s
}

// schemaName returns a name, with dots, that x is, or "".
func schemaName(x Expr) string {
	switch x := x.(type) {
	case *Ident:
		return x.Name
	case *Selector:
		if prefix := schemaName(x.X); prefix != "" && !x.Optional {
			return prefix + "." + x.Name.Text
		}
	}
	return ""
}

// decorators reads `@name` or `@name(...)`, one a line.
func (p *parser) decorators() []*Call {
	var list []*Call
	for p.accept(AT) {
		x := p.expr()
		call, ok := x.(*Call)
		if !ok {
			if schemaName(x) == "" {
				p.fail(x.At(), "", "invalid decorator")
			}
			call = &Call{Range: x.At(), Fun: x}
		}
		list = append(list, call)
		p.newlines()
	}
	return list
}

// doc reads a documentation string, which has three quotes, if there is one.
func (p *parser) doc() string {
	t := p.tok()
	if t.kind != STRING || t.n != 3 {
		return ""
	}
	p.advance()
	p.stringLit(t)
	p.newlines()
	return p.stringValue(t)
}

// schemaBody reads doc string, mixins, attributes, statements and checks.
func (p *parser) schemaBody(s *Schema) {
	p.each(func() bool {
		if p.peek(1) != COLON {
			s.Doc = p.doc()
		}
		if p.kind() == MIXIN {
			p.mixins(s)
		}
		return false
	}, p.nextLine)
	closed := false
	p.each(func() bool {
		p.newlines()
		if p.bodyEnds() {
			closed = true
			return false
		}
		if p.kind() == CHECK {
			p.checkBlock(s)
			return false
		}
		if item := p.schemaItem(s); item != nil {
			s.Body = append(s.Body, item)
		}
		return true
	}, p.nextLine)
	if !closed {
		p.afterChecks(s)
	}
	p.newlines()
}

// bodyEnds is blockEnds for the body of a schema and its checks, which do not
// end with the file: a line that begins with a \ hides the change of the
// indentation that it brings.
func (p *parser) bodyEnds() bool {
	if t := p.tok(); t.kind == EOF {
		p.errorAt(int(t.start), int(t.end), "do not begin a line with \\", "the end of the schema is hidden by a line continuation")
	}
	return p.blockEnds()
}

// afterChecks reports what follows the checks of a schema, which end it.
func (p *parser) afterChecks(s *Schema) {
	p.newlines()
	for reported := false; !p.bodyEnds(); reported = true {
		if t := p.tok(); !reported {
			p.errorAt(int(t.start), int(t.end), "move it above check", "the checks are the last part of a %s", s.Kind)
		}
		p.nextLine(p.pos)
	}
}

// mixins reads `mixin [A, b.C]`, whose names may be on lines of their own.
func (p *parser) mixins(s *Schema) {
	p.advance()
	p.expect(LBRACK, "after mixin")
	lines := p.kind() == NEWLINE
	if lines {
		p.newlines()
		p.expectIndent()
	}
	for p.misaligned(); p.kind() != RBRACK && p.kind() != DEDENT; p.misaligned() {
		s.Mixins = append(s.Mixins, p.identifier())
		p.accept(COMMA)
		p.newlines()
	}
	if lines {
		if p.kind() != DEDENT {
			p.unexpected("expected %q on a line that is indented less", "]")
		}
		p.pos++
	}
	p.expect(RBRACK, "after the mixins")
	p.newlines()
}

// schemaItem reads an attribute or a statement, or the index signature, for
// which it returns nil.
func (p *parser) schemaItem(s *Schema) Stmt {
	var item Stmt
	switch k := p.kind(); {
	case k == ASSERT:
		item = p.assertStmt()
	case k == IF:
		item = p.ifStmt()
	case k == AT, p.peek(1) == QUESTION, k == STRING && p.peek(1) == COLON:
		item = p.attr()
	case k == LBRACK:
		open := p.advance()
		if sig := p.indexSignature(int(open.start)); sig != nil {
			if s.Index != nil {
				p.fail(sig.Range, "", "a schema has one index signature only")
			}
			s.Index = sig
			return nil
		}
		item = &ExprStmt{X: p.list(open)}
		item.(*ExprStmt).Range = p.span(int(open.start))
	case k == INDENT:
		p.stray()
		return nil
	default:
		item = p.simpleStmt(true)
	}
	return item
}

// attr reads an attribute that may have decorators, a quoted name, and be
// optional.
func (p *parser) attr() Stmt {
	start := p.start()
	a := &Attr{Decorators: p.decorators()}
	if t := p.tok(); t.kind == STRING {
		p.advance()
		str, ok := p.stringLit(t).(*String)
		if !ok {
			p.fail(p.at(t), "", "the name of an attribute cannot be computed")
		}
		a.Name = &Name{Range: str.Range, Text: str.Value}
	} else {
		a.Name = p.dottedName("of an attribute")
		p.undotted(a.Name, "the name of an attribute")
	}
	a.Optional = p.accept(QUESTION)
	p.expect(COLON, "after the name of an attribute")
	a.Type = p.typeExpr()
	op, augmented := p.kind().operator()
	switch {
	case p.kind() == ASSIGN:
		a.Op = ASSIGN
	case augmented:
		a.Op = op
	}
	if a.Op != 0 {
		p.advance()
		a.Value = p.expr()
	}
	a.Range = p.span(start)
	return a
}

// indexSignature reads `[name: K]: V = init` behind its bracket, or returns
// nil where the bracket begins a list.
func (p *parser) indexSignature(start int) *IndexSignature {
	switch k := p.kind(); {
	case k == ELLIPSIS && p.peek(1).isName():
	case k == NEWLINE, k == RBRACK, k.isName() && p.peek(1) != COLON && p.peek(2) != COLON:
		return nil
	case !k.isName():
		p.unexpected("expected an index signature, such as [str]: int")
	}
	sig := &IndexSignature{}
	if p.accept(ELLIPSIS) {
		sig.Open = true
		sig.Key = p.typeExpr()
	} else if name := p.dottedName(""); p.kind() == RBRACK {
		sig.Key = &NamedType{Range: name.Range, Path: []*Name{name}}
	} else {
		sig.Name = name
		p.expect(COLON, "after the name of the key")
		sig.Open = p.accept(ELLIPSIS)
		sig.Key = p.typeExpr()
	}
	p.expect(RBRACK, "after the key type")
	p.expect(COLON, "before the value type")
	sig.Value = p.typeExpr()
	if p.accept(ASSIGN) {
		sig.Init = p.expr()
	}
	sig.Range = p.span(start)
	return sig
}

// checkBlock reads `check:` and the checks of a schema.
func (p *parser) checkBlock(s *Schema) {
	p.advance()
	p.expect(COLON, "after check")
	p.newlines()
	p.expectIndent()
	p.checks(s)
}

// checks reads the checks of a block to its end.
func (p *parser) checks(s *Schema) {
	p.each(func() bool {
		p.newlines()
		if p.bodyEnds() {
			return false
		}
		s.Checks = append(s.Checks, p.check())
		return true
	}, p.nextLine)
}

func (p *parser) check() *Check {
	start := p.start()
	c := &Check{Cond: p.simple()}
	if p.accept(IF) {
		c.Guard = p.simple()
	}
	if p.accept(COMMA) {
		c.Message = p.primary()
	}
	c.Range = p.span(start)
	return c
}

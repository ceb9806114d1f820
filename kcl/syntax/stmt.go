package syntax

import (
	"slices"
	"strings"
)

// stmt reads one statement and the line breaks behind it. Statements need not
// be on lines of their own.
func (p *parser) stmt() Stmt {
	p.enter()
	for p.kind() == INDENT {
		p.stray()
	}
	var s Stmt
	switch k := p.kind(); k {
	case IF:
		s = p.ifStmt()
	case AT, SCHEMA, MIXIN, PROTOCOL:
		s = p.schemaStmt()
	case RULE:
		s = p.ruleStmt(p.start(), nil)
	case IMPORT:
		s = p.importStmt()
	case TYPE:
		s = p.typeAlias()
	case ASSERT:
		s = p.assertStmt()
	case NOT_BIT:
		x := p.expr()
		s = &ExprStmt{Range: x.At(), X: x}
	default:
		if !k.isName() && k != NUMBER && k != STRING && k != LPAREN && k != LBRACK && k != LBRACE {
			p.unexpected("expected a statement")
		}
		s = p.simpleStmt(false)
	}
	p.newlines()
	p.leave()
	return s
}

// block reads the statements that are indented more.
func (p *parser) block() []Stmt {
	p.newlines()
	p.expectIndent()
	var list []Stmt
	p.each(func() bool {
		p.newlines()
		if p.blockEnds() {
			return false
		}
		list = append(list, p.stmt())
		return true
	}, p.nextLine)
	return list
}

func (p *parser) expectIndent() {
	if p.kind() != INDENT {
		t := p.tok()
		p.fail(Range{p.src, int(t.start), int(t.start) + 1}, "indent it by four spaces more than the line above", "expected an indented block")
	}
	p.pos++
}

// blockEnds passes the end of a block. A line that is indented like no block
// is reported and stays in the block.
func (p *parser) blockEnds() bool {
	switch t := p.tok(); {
	case t.kind == EOF:
		return true
	case t.kind != DEDENT:
		return false
	case t.n == 0 && p.strays > 0:
		p.strays--
		p.pos++
		return p.blockEnds()
	case t.n == 0:
		p.pos++
		return true
	}
	p.misaligned()
	return false
}

// misaligned reports a line that is indented like no block.
func (p *parser) misaligned() {
	if t := p.tok(); t.kind == DEDENT && t.n != 0 {
		p.errorAt(int(t.start), int(t.start)+1, "indent the lines of a block alike", "unexpected indentation")
		p.pos++
	}
}

func (p *parser) assertStmt() Stmt {
	start := int(p.advance().start)
	a := &Assert{Cond: p.simple()}
	if p.accept(IF) {
		a.Guard = p.simple()
	}
	if p.accept(COMMA) {
		a.Message = p.expr()
	}
	a.Range = p.span(start)
	return a
}

func (p *parser) typeAlias() Stmt {
	start := int(p.advance().start)
	t := &TypeAlias{Name: p.dottedName("as the name of a type")}
	p.expect(ASSIGN, "after the name of a type")
	t.Type = p.typeExpr()
	t.Range = p.span(start)
	return t
}

func (p *parser) importStmt() Stmt {
	start := int(p.advance().start)
	imp := &Import{}
	for p.kind() == ELLIPSIS {
		imp.Path += p.advance().kind.String()
	}
	for p.kind() == DOT {
		imp.Path += p.advance().kind.String()
	}
	imp.Path += p.dottedName("as the package to import").Text
	if p.accept(AS) {
		imp.As = p.dottedName("after as")
		p.undotted(imp.As, "the name of an import")
	}
	imp.Range = p.span(start)
	return imp
}

// ifStmt reads an if statement. Each elif nests in the Else of the one before.
func (p *parser) ifStmt() Stmt {
	start := p.start()
	top := &If{}
	last := top
	p.advance()
	last.Cond, last.Then = p.expr(), p.suite("after the condition")
	last.Range = p.span(start)
	p.newlines()
	for n := 0; p.kind() == ELIF; n++ {
		p.chain(n)
		begin := int(p.advance().start)
		next := &If{Cond: p.expr(), Then: p.suite("after the condition")}
		next.Range = p.span(begin)
		last.Else = []Stmt{next}
		last = next
	}
	p.newlines()
	if p.kind() == ELSE {
		p.advance()
		if p.kind() == IF {
			p.fail(p.at(p.tok()), "write elif", "expected \":\" after else, found \"if\"")
		}
		last.Else = p.suite("after else")
	}
	end := p.span(start).End
	for s := top; s != nil; {
		s.End = end
		next, _ := elseIf(s)
		s = next
	}
	return top
}

// elseIf returns the elif that follows, if any.
func elseIf(s *If) (*If, bool) {
	if len(s.Else) != 1 {
		return nil, false
	}
	next, ok := s.Else[0].(*If)
	return next, ok
}

// suite reads `:` and what belongs to it, one statement of the same line or an
// indented block.
func (p *parser) suite(where string) []Stmt {
	p.expect(COLON, where)
	if p.kind() == NEWLINE {
		list := p.block()
		p.newlines()
		return list
	}
	s := p.simpleStmt(false)
	p.newlines()
	return []Stmt{s}
}

// simpleStmt reads an assignment, a declaration, or an expression on its own.
// In a schema a declaration is an attribute.
func (p *parser) simpleStmt(inSchema bool) Stmt {
	start := p.start()
	x := p.expr()
	var typ Type
	if p.accept(COLON) {
		at := p.start()
		typ = p.typeExpr()
		named, ok := typ.(*NamedType)
		if ok && !isBasic(named.Path[0]) && (p.kind() == LBRACE || p.kind() == LPAREN) {
			return p.unify(start, at, x, named, inSchema)
		}
	} else if op, ok := p.kind().operator(); ok {
		target := p.target(x)
		p.advance()
		s := &AugAssign{Target: target, Op: op, Value: p.expr()}
		s.Range = p.span(start)
		return s
	}
	values := []Expr{x}
	for n := 0; p.accept(ASSIGN); n++ {
		p.chain(n)
		values = append(values, p.expr())
	}
	last := len(values) - 1
	switch name, isName := x.(*Ident); {
	case typ != nil && inSchema && last == 0 && schemaName(x) == "":
		p.undefined()
	case typ != nil && inSchema && !isName:
		p.fail(x.At(), "write a name", "this cannot be the name of an attribute")
	case typ != nil && inSchema && last <= 1:
		return p.attrOf(start, name, typ, values[1:])
	case last > 0:
		s := &Assign{Type: typ, Value: values[last], Range: p.span(start)}
		for _, x := range values[:last] {
			s.Targets = append(s.Targets, p.target(x))
		}
		return s
	case typ != nil:
		p.undefined()
	}
	return &ExprStmt{Range: p.span(start), X: x}
}

// undefined reports a declaration without value.
func (p *parser) undefined() {
	p.newlines() // the runtime looks for the = on the next line
	p.unexpected("expected %q after the declared type", "=")
}

// attrOf makes an attribute of a declaration in a schema, whose value may be
// an augmented one.
func (p *parser) attrOf(start int, name *Ident, typ Type, value []Expr) Stmt {
	a := &Attr{Name: &Name{name.Range, name.Name}, Type: typ}
	if len(value) > 0 {
		a.Op, a.Value = ASSIGN, value[0]
	} else if op, ok := p.kind().operator(); ok {
		p.advance()
		a.Op, a.Value = op, p.expr()
	}
	a.Range = p.span(start)
	return a
}

// unify reads the schema expression of `x: Schema {...}`, the type of which
// was read and begins at typeStart.
func (p *parser) unify(start, typeStart int, x Expr, named *NamedType, inSchema bool) Stmt {
	name, ok := x.(*Ident)
	if !ok {
		p.fail(x.At(), "", "a schema can only be unified with a name")
	}
	value, ok := p.schemaOrCall(named.expr(), typeStart).(*SchemaExpr)
	if !ok {
		p.unexpected("expected the config of the schema")
	}
	if inSchema {
		return &Attr{Range: p.span(start), Name: &Name{name.Range, name.Name}, Type: named, Op: COLON, Value: value}
	}
	return &Unify{Range: p.span(start), Target: &Name{name.Range, name.Name}, Value: value}
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
			slices.Reverse(t.Path)
			return t
		case *Selector:
			if e.Optional {
				p.fail(e.Range, "", "cannot assign to an optional attribute")
			}
			t.Path = append(t.Path, TargetStep{Name: e.Name})
			x = e.X
		case *Index:
			if e.Optional {
				p.fail(e.Range, "", "cannot assign to an optional element")
			}
			t.Path = append(t.Path, TargetStep{Index: e.I})
			x = e.X
		default:
			p.fail(t.Range, "", "cannot assign to this expression")
		}
	}
}

// name reads one identifier. Keywords are names too.
func (p *parser) name(where string) *Name {
	if !p.kind().isName() {
		p.unexpected("expected a name %s", where)
	}
	return p.nameOf(p.advance())
}

func (p *parser) nameOf(t token) *Name {
	text := p.src.Text[t.start:t.end]
	if text[0] == '$' {
		text = text[1:]
	}
	return &Name{Range: p.at(t), Text: text}
}

// dottedName reads names with dots between them as one.
func (p *parser) dottedName(where string) *Name {
	name := p.name(where)
	for p.accept(DOT) {
		name.Text += "." + p.name("after the dot").Text
	}
	name.End = p.end
	return name
}

// undotted reports a name with dots where there is to be none.
func (p *parser) undotted(name *Name, what string) {
	if strings.Contains(name.Text, ".") {
		p.fail(name.Range, "", "%s cannot have dots", what)
	}
}

package syntax

// list reads the rest of `[...]`, comprehensions included.
func (p *parser) list(open token) Expr {
	l := &List{}
	p.layout()
	p.each(func() bool {
		p.margin()
		switch p.kind() {
		case RBRACK, EOF, FOR:
			return false
		}
		l.Elems = append(l.Elems, p.elem())
		p.accept(COMMA)
		p.newlines()
		return true
	}, func(start int) { p.nextEntry(start, open) })
	if p.kind() == FOR {
		return p.listComp(l, open)
	}
	p.expectClosing(RBRACK, open)
	l.Range = p.span(int(open.start))
	return l
}

func (p *parser) listComp(l *List, open token) Expr {
	if len(l.Elems) != 1 {
		p.fail(p.at(p.tok()), "", "a comprehension has one element before its for, not %d", len(l.Elems))
	}
	c := &ListComp{Elem: l.Elems[0], Fors: p.fors()}
	p.layout()
	p.expectClosing(RBRACK, open)
	c.Range = p.span(int(open.start))
	return c
}

// elem reads an element of a list.
func (p *parser) elem() Expr {
	switch p.kind() {
	case MUL:
		start := int(p.advance().start)
		s := &Star{X: p.expr()}
		s.Range = p.span(start)
		return s
	case IF:
		return p.ifElem()
	}
	return p.expr()
}

// ifElem reads an if-entry of a list. Once a branch has lines of its own, all
// that follow must.
func (p *parser) ifElem() Expr {
	p.enter()
	start := p.start()
	lines := false
	branch := func() *IfElem {
		e := &IfElem{}
		begin := int(p.advance().start)
		e.Cond = p.expr()
		e.Then = p.elemBlock(&lines)
		e.Range = p.span(begin)
		return e
	}
	top := branch()
	last := top
	p.newlines()
	for n := 0; p.kind() == ELIF; n++ {
		p.chain(n)
		next := branch()
		last.Else, last = []Expr{next}, next
	}
	p.newlines()
	if p.accept(ELSE) {
		last.Else = p.elemBlock(&lines)
	}
	top.Range = p.span(start)
	p.leave()
	return top
}

// elemBlock reads `:` and an element, or the lines of them that are indented.
func (p *parser) elemBlock(lines *bool) []Expr {
	p.expect(COLON, "here")
	*lines = *lines || p.kind() == NEWLINE
	if !*lines {
		return []Expr{p.elem()}
	}
	p.newlines()
	p.expectIndent()
	var list []Expr
	for !p.blockEnds() {
		list = append(list, p.elem())
		p.accept(COMMA)
		p.newlines()
	}
	return list
}

// fors reads the clauses of a comprehension.
func (p *parser) fors() []*For {
	var list []*For
	for p.kind() == FOR {
		p.chain(len(list))
		start := int(p.advance().start)
		f := &For{Vars: []*Name{p.name("after for")}}
		for p.accept(COMMA) {
			f.Vars = append(f.Vars, p.name("after the comma"))
		}
		if len(f.Vars) > 2 {
			p.fail(f.Vars[2].Range, "", "a comprehension has at most two variables")
		}
		p.expect(IN, "after the variables")
		f.Over = p.simple()
		f.Range = p.span(start)
		p.newlines()
		for p.accept(IF) {
			f.Ifs = append(f.Ifs, p.expr())
			f.Range = p.span(start)
		}
		list = append(list, f)
	}
	return list
}

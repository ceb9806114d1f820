package syntax

// list reads `[...]`, comprehensions included.
func (p *parser) list() Expr {
	open := p.advance()
	defer p.nested()()
	l := &List{}
	for first := true; ; first = false {
		switch p.tok().kind {
		case RBRACK:
			p.advance()
			l.Range = p.span(open.start)
			return l
		case EOF:
			p.unclosed(open)
		}
		elem := p.elem()
		if p.tok().kind == FOR && first {
			c := &ListComp{Elem: elem, Fors: p.fors()}
			p.closing(RBRACK, "list")
			c.Range = p.span(open.start)
			return c
		}
		l.Elems = append(l.Elems, elem)
		p.separator(RBRACK, open)
	}
}

// separator reads what is between two entries: a comma, a new line, or nothing
// before what can begin an entry.
func (p *parser) separator(end Kind, open token) {
	t := p.tok()
	switch {
	case t.kind == COMMA:
		p.advance()
	case t.kind == end || t.first && t.kind != EOF:
	case t.kind == EOF:
		p.unclosed(open)
	case t.kind == STRING && t.start == p.tokens[p.pos-1].end && p.tokens[p.pos-1].kind == IDENT:
		p.fail(Range{p.src, p.tokens[p.pos-1].start, t.end}, `interpolate with "${name}"`, "KCL has no prefixed strings but r\"...\"")
	case t.kind == IDENT || t.kind == STRING || t.kind == NUMBER || t.kind == MUL || t.kind == POW:
	default:
		p.unexpected("expected a comma, a new line or %q", end.String())
	}
}

// elem reads an element of a list.
func (p *parser) elem() Expr {
	t := p.tok()
	switch t.kind {
	case MUL:
		p.advance()
		s := &Star{X: p.expr()}
		s.Range = p.span(t.start)
		return s
	case IF:
		return p.ifElem()
	}
	return p.expr()
}

func (p *parser) ifElem() Expr {
	t := p.advance()
	e := &IfElem{Cond: p.simple()}
	p.expect(COLON, "after the condition")
	e.Then = p.elemBlock(t.column)
	if next := p.tok(); !next.first || next.column >= t.column {
		switch next.kind {
		case ELIF:
			e.Else = []Expr{p.ifElem()}
		case ELSE:
			p.advance()
			p.expect(COLON, "after else")
			e.Else = p.elemBlock(t.column)
		}
	}
	e.Range = p.span(t.start)
	return e
}

// elemBlock reads the elements under a condition: one on the same line, or the
// lines indented more.
func (p *parser) elemBlock(column int) []Expr {
	if !p.tok().first {
		return []Expr{p.elem()}
	}
	var list []Expr
	for t := p.tok(); t.column > column && t.kind != RBRACK && t.kind != EOF && t.kind != ELSE && t.kind != ELIF; t = p.tok() {
		list = append(list, p.elem())
		if p.tok().kind == COMMA {
			p.advance()
		}
	}
	if len(list) == 0 {
		p.unexpected("expected an indented element")
	}
	return list
}

// fors reads the clauses of a comprehension.
func (p *parser) fors() []*For {
	var list []*For
	for p.tok().kind == FOR {
		start := p.advance().start
		f := &For{Vars: []*Name{p.name("after for")}}
		for p.accept(COMMA) {
			f.Vars = append(f.Vars, p.name("after the comma"))
		}
		if len(f.Vars) > 2 {
			p.fail(f.Vars[2].Range, "", "a comprehension has at most two variables")
		}
		p.expect(IN, "after the variables")
		f.Over = p.simple()
		if p.tok().kind == IF {
			p.advance()
			f.Ifs = append(f.Ifs, p.simple())
		}
		f.Range = p.span(start)
		list = append(list, f)
	}
	return list
}

// configOnly reads the config of a schema.
func (p *parser) configOnly() *Config {
	at := p.tok()
	x := p.config()
	c, ok := x.(*Config)
	if !ok { // a comprehension: its dict is spread into the config
		star := &Entry{Range: x.At(), Star: x}
		c = &Config{Range: p.span(at.start), Entries: []*Entry{star}}
	}
	return c
}

// config reads `{...}`, comprehensions included.
func (p *parser) config() Expr {
	open := p.advance()
	defer p.nested()()
	c := &Config{}
	for {
		switch p.tok().kind {
		case RBRACE:
			p.advance()
			c.Range = p.span(open.start)
			return c
		case EOF:
			p.unclosed(open)
		}
		var comp *DictComp
		p.recoverAt(func() {
			e := p.entry()
			if p.tok().kind == FOR && len(c.Entries) == 0 && e.Value != nil && e.Path == nil {
				comp = &DictComp{Entry: e, Fors: p.fors()}
				p.closing(RBRACE, "dict")
				return
			}
			c.Entries = append(c.Entries, e)
			p.separator(RBRACE, open)
		}, func(t token) bool { return t.first || t.kind == RBRACE })
		if comp != nil {
			comp.Range = p.span(open.start)
			return comp
		}
	}
}

// entry reads one entry of a config.
func (p *parser) entry() *Entry {
	defer p.enter()()
	t := p.tok()
	switch {
	case t.kind == POW:
		p.advance()
		e := &Entry{Star: p.simple()}
		e.Range = p.span(t.start)
		return e
	case t.kind == IF:
		return p.ifEntry()
	}
	e := &Entry{}
	p.key(e)
	switch {
	case p.is(COLON) || p.is(ASSIGN) || p.is(ADD_ASSIGN):
		e.Op = p.advance().kind
	default:
		p.unexpected(`expected ":", "=" or "+=" after the key`)
	}
	if v := p.tok(); v.first {
		p.unexpected("expected a value")
	}
	e.Value = p.expr()
	e.Range = p.span(t.start)
	return e
}

// key reads the key of an entry: a name, a path such as a.b[0], or any
// expression with a string value.
func (p *parser) key(e *Entry) {
	t := p.tok()
	if next := p.peek(1); t.kind.isKeyword() && (next.kind == COLON || next.kind == ASSIGN || next.kind == ADD_ASSIGN) && !next.first {
		if t.kind.beginsExpr() {
			p.fail(Range{p.src, t.start, t.end}, "write $"+t.kind.String()+" or quote it", "%q is a keyword and cannot be a key", t.kind.String())
		}
		p.advance()
		e.Key = &Ident{Range: Range{p.src, t.start, t.end}, Name: p.nameOf(t).Text}
		return
	}
	saved := p.noConfig
	p.noConfig = true
	x := p.simple()
	p.noConfig = saved
	if path := keyPath(x); len(path) > 1 {
		e.Path = path
		return
	}
	if n, ok := x.(*Number); ok {
		p.fail(n.Range, "quote it", "a key must be a string, not a number")
	}
	e.Key = x
}

// keyPath returns the steps of a key such as a.b[0], nil for any other
// expression.
func keyPath(x Expr) []Expr {
	switch x := x.(type) {
	case *Ident:
		return []Expr{x}
	case *Selector:
		if path := keyPath(x.X); path != nil && !x.Optional {
			return append(path, &Ident{Range: x.Name.Range, Name: x.Name.Text})
		}
	case *Index:
		if path := keyPath(x.X); path != nil && !x.Optional {
			if id, ok := x.I.(*Ident); ok { // a name in brackets is a variable
				return append(path, &Paren{Range: id.Range, X: id})
			}
			return append(path, x.I)
		}
	}
	return nil
}

func (p *parser) ifEntry() *Entry {
	t := p.advance()
	conf := &IfConf{Cond: p.simple()}
	p.expect(COLON, "after the condition")
	conf.Then = p.entryBlock(t.column)
	if next := p.tok(); !next.first || next.column >= t.column {
		switch next.kind {
		case ELIF:
			conf.Else = []*Entry{p.ifEntry()}
		case ELSE:
			p.advance()
			p.expect(COLON, "after else")
			conf.Else = p.entryBlock(t.column)
		}
	}
	return &Entry{Range: p.span(t.start), If: conf}
}

// entryBlock reads the entries under a condition: those of the same line, or
// of the lines indented more.
func (p *parser) entryBlock(column int) []*Entry {
	var list []*Entry
	sameLine := !p.tok().first
	for {
		t := p.tok()
		if t.kind == RBRACE || t.kind == EOF || t.kind == ELSE || t.kind == ELIF {
			break
		}
		if t.first && (sameLine || t.column <= column) {
			break
		}
		p.recoverAt(func() {
			list = append(list, p.entry())
			if t := p.tok(); t.kind == COMMA {
				p.advance()
			} else if !t.first && t.kind != RBRACE && t.kind != ELSE && t.kind != ELIF {
				p.unexpected("expected a comma or a new line")
			}
		}, func(t token) bool { return t.first || t.kind == RBRACE })
	}
	if len(list) == 0 {
		p.unexpected("expected an indented entry")
	}
	return list
}

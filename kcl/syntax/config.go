package syntax

// configOnly reads the config of a schema.
func (p *parser) configOnly() *Config {
	x := p.config()
	c, ok := x.(*Config)
	if !ok {
		p.fail(x.At(), "unpack it: {**{...}}", "the config of a schema cannot be a comprehension")
	}
	return c
}

// config reads `{...}`, comprehensions included. Entries may be on several
// lines when the first line has none; commas are not needed.
func (p *parser) config() Expr {
	open := p.advance()
	lines := p.kind() == NEWLINE
	if lines {
		p.layout()
	}
	c := &Config{}
	p.each(func() bool {
		p.margin()
		switch p.kind() {
		case RBRACE, EOF, FOR:
			return false
		case NEWLINE:
			if !lines {
				return false
			}
		}
		c.Entries = append(c.Entries, p.entry())
		p.accept(COMMA)
		if lines {
			p.newlines()
		}
		return true
	}, func(start int) { p.nextEntry(start, open) })
	if p.kind() == FOR {
		return p.dictComp(c, open)
	}
	p.layout()
	p.expectClosing(RBRACE, open)
	c.Range = p.span(int(open.start))
	return c
}

func (p *parser) dictComp(c *Config, open token) Expr {
	if len(c.Entries) != 1 {
		p.fail(p.at(p.tok()), "", "a comprehension has one entry before its for, not %d", len(c.Entries))
	}
	e := c.Entries[0]
	switch {
	case e.Key == nil && e.Path == nil:
		p.fail(e.Range, "", "the entry of a comprehension needs a key")
	case e.Path != nil: // each turn has its own key, so it is a value and no path
		e.Key, e.Path = pathExpr(e.Path), nil
	}
	comp := &DictComp{Entry: e, Fors: p.fors()}
	p.layout()
	p.expectClosing(RBRACE, open)
	comp.Range = p.span(int(open.start))
	return comp
}

// entry reads one entry of a config.
func (p *parser) entry() *Entry {
	start := p.start()
	switch p.kind() {
	case POW:
		p.advance()
		e := &Entry{Star: p.expr()}
		e.Range = p.span(start)
		return e
	case IF:
		return p.ifEntry()
	}
	return p.pair(false)
}

// pair reads `key: value` and its kin. Only outside the block of an if-entry a
// name may be its own value.
func (p *parser) pair(inBlock bool) *Entry {
	start := p.start()
	e := &Entry{}
	p.key(e)
	switch k := p.kind(); k {
	case COLON, ASSIGN, ADD_ASSIGN:
		p.advance()
		e.Op = k
	default:
		if name, ok := e.Key.(*Ident); ok && !inBlock { // {a} is short for {a = a}
			e.Op, e.Value = ASSIGN, &Ident{name.Range, name.Name}
			e.Range = p.span(start)
			return e
		}
		p.unexpected(`expected ":", "=" or "+=" after the key`)
	}
	e.Value = p.expr()
	e.Range = p.span(start)
	return e
}

// key reads the key of an entry: a name, a path such as a.b[0], or any
// expression with a string value.
func (p *parser) key(e *Entry) {
	switch t := p.tok(); t.kind {
	case NOT, LAMBDA, ALL, ANY, MAP, FILTER, TRUE, FALSE, NONE, UNDEFINED:
		if next := p.peek(1); next == COLON || next == ASSIGN || next == ADD_ASSIGN {
			p.fail(p.at(t), "write $"+t.kind.String()+" or quote it", "%q is a keyword and cannot be a key", t.kind.String())
		}
	}
	x := p.expr()
	if path := keyPath(x, 0); len(path) > 1 {
		e.Path = path
		return
	}
	if n, ok := x.(*Number); ok {
		p.fail(n.Range, "quote it", "a key must be a string, not a number")
	}
	e.Key = x
}

// keyPath returns the steps of a key such as a.b[0], nil for any other
// expression. It makes room for the steps that come after.
func keyPath(x Expr, after int) []Expr {
	switch x := x.(type) {
	case *Ident:
		return append(make([]Expr, 0, after+1), x)
	case *Selector:
		if path := keyPath(x.X, after+1); path != nil && !x.Optional {
			return append(path, &Ident{Range: x.Name.Range, Name: x.Name.Text})
		}
	case *Index:
		if path := keyPath(x.X, after+1); path != nil && !x.Optional {
			if id, ok := x.I.(*Ident); ok { // a name in brackets is a variable
				return append(path, &Paren{Range: id.Range, X: id})
			}
			return append(path, x.I)
		}
	}
	return nil
}

// pathExpr returns the expression that keyPath made a path of.
func pathExpr(path []Expr) Expr {
	x := path[0]
	for _, step := range path[1:] {
		r := Range{x.At().Source, x.At().Start, step.At().End}
		switch step := step.(type) {
		case *Ident:
			x = &Selector{Range: r, X: x, Name: &Name{step.Range, step.Name}}
		case *Paren:
			i := Expr(step)
			if id, ok := step.X.(*Ident); ok {
				i = id
			}
			x = &Index{Range: r, X: x, I: i}
		default:
			x = &Index{Range: r, X: x, I: step}
		}
	}
	return x
}

// ifEntry reads an if-entry with its branches.
func (p *parser) ifEntry() *Entry {
	p.enter()
	start := p.start()
	elifLines := false
	branch := func(lines *bool) *Entry {
		begin := int(p.advance().start)
		conf := &IfConf{Cond: p.expr()}
		conf.Then = p.entryBlock(lines)
		return &Entry{Range: p.span(begin), If: conf}
	}
	top := branch(new(bool))
	last := top
	p.newlines()
	for n := 0; p.kind() == ELIF; n++ { // once one has lines of its own, all that follow must
		p.chain(n)
		next := branch(&elifLines)
		last.If.Else, last = []*Entry{next}, next
	}
	p.newlines()
	if p.accept(ELSE) {
		last.If.Else = p.entryBlock(new(bool))
	}
	top.Range = p.span(start)
	p.accept(COMMA)
	p.newlines()
	p.leave()
	return top
}

// entryBlock reads `:` and an entry, or the lines of them that are indented. A
// branch that is not indented less than them ends them too.
func (p *parser) entryBlock(lines *bool) []*Entry {
	p.expect(COLON, "here")
	*lines = *lines || p.kind() == NEWLINE
	if !*lines {
		return []*Entry{p.blockEntry()}
	}
	p.newlines()
	p.expectIndent()
	var list []*Entry
	for p.kind() != ELIF && p.kind() != ELSE && !p.blockEnds() {
		list = append(list, p.blockEntry())
		p.accept(COMMA)
		p.newlines()
	}
	return list
}

// blockEntry reads an entry under a condition, where ** takes an operand only.
func (p *parser) blockEntry() *Entry {
	switch start := p.start(); p.kind() {
	case IF:
		return p.ifEntry()
	case POW:
		p.advance()
		e := &Entry{Star: p.primary()}
		e.Range = p.span(start)
		return e
	case ELIF, ELSE:
		p.unexpected("expected an entry")
	}
	return p.pair(true)
}

// nextEntry skips to the next line, or the closing bracket, of what open
// began. The statement is given up when its bracket is never closed: there is
// no knowing where it ends.
func (p *parser) nextEntry(start int, open token) {
	if open.n == 0 {
		panic(bailout{})
	}
	closed := 0
	for i := start; ; i++ {
		t := p.tokens[i]
		if i >= int(open.n) {
			p.pos = int(open.n)
			return
		}
		switch t.kind {
		case LPAREN, LBRACK, LBRACE:
			closed = max(closed, int(t.n))
		case NEWLINE:
			if i >= p.pos && i >= closed && i > start {
				p.pos = i + 1
				return
			}
		}
	}
}

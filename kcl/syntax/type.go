package syntax

// typeExpr reads a type.
func (p *parser) typeExpr() Type {
	p.enter()
	start := p.start()
	t := p.typeTerm()
	if p.kind() == OR_BIT {
		u := &UnionType{Types: []Type{t}}
		for p.accept(OR_BIT) {
			u.Types = append(u.Types, p.typeTerm())
		}
		u.Range = p.span(start)
		t = u
	}
	p.leave()
	return t
}

func (p *parser) typeTerm() Type {
	t := p.tok()
	switch k := t.kind; k {
	case TRUE, FALSE:
		p.advance()
		return &LiteralType{Range: p.at(t), Value: &Constant{Range: p.at(t), Kind: k}}
	case NUMBER:
		p.advance()
		return &LiteralType{Range: p.at(t), Value: p.number(t)}
	case STRING:
		p.advance()
		return &LiteralType{Range: p.at(t), Value: &String{Range: p.at(t), Value: p.plainValue(t)}}
	case LBRACK:
		return p.listType()
	case LBRACE:
		return p.dictType()
	case LPAREN:
		return p.funcType()
	case ANY:
		p.advance()
		return &NamedType{Range: p.at(t), Path: []*Name{p.nameOf(t)}}
	default:
		if !k.isName() {
			p.unexpected("expected a type")
		}
	}
	named := &NamedType{Path: []*Name{p.nameOf(p.advance())}}
	if !isBasic(named.Path[0]) {
		for n := 0; p.accept(DOT); n++ {
			p.chain(n)
			named.Path = append(named.Path, p.name("in a type"))
		}
	}
	named.Range = p.span(int(t.start))
	return named
}

// isBasic reports whether a name is that of a basic type, of which nothing can
// be selected. With a $ it is not.
func isBasic(name *Name) bool { return isBasicName(name.Range.Text()) }

func isBasicName(name string) bool {
	switch name {
	case "any", "bool", "int", "float", "str":
		return true
	}
	return false
}

func (p *parser) listType() Type {
	start := int(p.advance().start)
	list := &ListType{}
	if p.kind() != RBRACK {
		list.Elem = p.typeExpr()
	}
	p.expect(RBRACK, "after the element type")
	list.Range = p.span(start)
	return list
}

func (p *parser) dictType() Type {
	start := int(p.advance().start)
	dict := &DictType{}
	if p.kind() != COLON {
		dict.Key = p.typeExpr()
	}
	p.expect(COLON, "between key and value type")
	if p.kind() != RBRACE {
		dict.Value = p.typeExpr()
	}
	p.expect(RBRACE, "after the value type")
	dict.Range = p.span(start)
	return dict
}

// funcType reads `(A, B) -> R`, in which commas are not needed.
func (p *parser) funcType() Type {
	start := int(p.advance().start)
	f := &FuncType{}
	for p.kind() != RPAREN && p.kind() != EOF {
		f.Params = append(f.Params, p.typeExpr())
		p.accept(COMMA)
	}
	p.expect(RPAREN, "after the parameter types")
	if p.accept(ARROW) {
		f.Result = p.typeExpr()
	}
	f.Range = p.span(start)
	return f
}

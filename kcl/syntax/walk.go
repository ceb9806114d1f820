package syntax

// Walk calls visit for an expression and those inside it, outermost first. It
// does not go below a node for which visit returns false.
func Walk(x Expr, visit func(Node) bool) {
	if x == nil || !visit(x) {
		return
	}
	all := func(list ...Expr) {
		for _, x := range list {
			Walk(x, visit)
		}
	}
	keywords := func(list []Keyword) {
		for _, k := range list {
			Walk(k.Value, visit)
		}
	}
	switch x := x.(type) {
	case *Selector:
		all(x.X)
	case *Index:
		all(x.X, x.I)
	case *Slice:
		all(x.X, x.Lo, x.Hi, x.Step)
	case *Call:
		all(x.Fun)
		all(x.Args...)
		keywords(x.Keywords)
	case *Unary:
		all(x.X)
	case *Binary:
		all(x.X, x.Y)
	case *Compare:
		all(x.Operands...)
	case *Cast:
		all(x.X)
	case *Cond:
		all(x.If, x.Then, x.Else)
	case *List:
		all(x.Elems...)
	case *Star:
		all(x.X)
	case *IfElem:
		all(x.Cond)
		all(x.Then...)
		all(x.Else...)
	case *ListComp:
		all(x.Elem)
		walkFors(x.Fors, visit)
	case *DictComp:
		walkEntries([]*Entry{x.Entry}, visit)
		walkFors(x.Fors, visit)
	case *Config:
		walkEntries(x.Entries, visit)
	case *SchemaExpr:
		all(x.Schema)
		all(x.Args...)
		keywords(x.Keywords)
		all(x.Config)
	case *Quantifier:
		all(x.Over, x.Body, x.If)
	case *Interpolation:
		for _, part := range x.Parts {
			all(part.X)
		}
	case *Paren:
		all(x.X)
	}
}

func walkFors(fors []*For, visit func(Node) bool) {
	for _, f := range fors {
		Walk(f.Over, visit)
		for _, cond := range f.Ifs {
			Walk(cond, visit)
		}
	}
}

func walkEntries(entries []*Entry, visit func(Node) bool) {
	for _, e := range entries {
		if _, name := e.Key.(*Ident); !name {
			Walk(e.Key, visit)
		}
		Walk(e.Value, visit)
		Walk(e.Star, visit)
		if e.If != nil {
			Walk(e.If.Cond, visit)
			walkEntries(e.If.Then, visit)
			walkEntries(e.If.Else, visit)
		}
	}
}

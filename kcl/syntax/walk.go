package syntax

// Walk calls visit for a node and those inside it, outermost first. It does
// not go below a node for which visit returns false. Names are not visited
// where they are declared, selected or keys.
func Walk(n Node, visit func(Node) bool) {
	w := walker(visit)
	switch n := n.(type) {
	case nil:
	case *File:
		if visit(n) {
			w.stmts(n.Body)
		}
	case Stmt:
		w.stmts([]Stmt{n})
	case Type:
		w.types(n)
	case Expr:
		w.exprs(n)
	case *Entry:
		w.entries([]*Entry{n})
	case *Param:
		w.params([]*Param{n})
	case *For:
		w.fors([]*For{n})
	case *Check:
		w.checks([]*Check{n})
	case *IndexSignature:
		w.index(n)
	case *Target:
		w.target(n)
	}
}

type walker func(Node) bool

func (w walker) stmts(list []Stmt) {
	for _, s := range list {
		if w(s) {
			w.stmt(s)
		}
	}
}

func (w walker) stmt(s Stmt) {
	switch s := s.(type) {
	case *Assign:
		for _, t := range s.Targets {
			w.target(t)
		}
		w.types(s.Type)
		w.exprs(s.Value)
	case *AugAssign:
		w.target(s.Target)
		w.exprs(s.Value)
	case *Unify:
		w.exprs(s.Value)
	case *TypeAlias:
		w.types(s.Type)
	case *Assert:
		w.exprs(s.Cond, s.Guard, s.Message)
	case *If:
		w.exprs(s.Cond)
		w.stmts(s.Then)
		w.stmts(s.Else)
	case *ExprStmt:
		w.exprs(s.X)
	case *Attr:
		w.calls(s.Decorators)
		w.types(s.Type)
		w.exprs(s.Value)
	case *Schema:
		w.schema(s)
	}
}

func (w walker) schema(s *Schema) {
	w.calls(s.Decorators)
	w.params(s.Params)
	w.exprs(s.Base, s.For)
	w.exprs(s.Mixins...)
	if s.Index != nil {
		w.index(s.Index)
	}
	w.stmts(s.Body)
	w.checks(s.Checks)
}

func (w walker) calls(list []*Call) {
	for _, c := range list {
		w.exprs(c)
	}
}

func (w walker) params(list []*Param) {
	for _, p := range list {
		if w(p) {
			w.types(p.Type)
			w.exprs(p.Default)
		}
	}
}

func (w walker) checks(list []*Check) {
	for _, c := range list {
		if w(c) {
			w.exprs(c.Cond, c.Guard, c.Message)
		}
	}
}

func (w walker) index(sig *IndexSignature) {
	if w(sig) {
		w.types(sig.Key, sig.Value)
		w.exprs(sig.Init)
	}
}

func (w walker) target(t *Target) {
	if w(t) {
		for _, step := range t.Path {
			w.exprs(step.Index)
		}
	}
}

func (w walker) types(list ...Type) {
	for _, t := range list {
		if t == nil || !w(t) {
			continue
		}
		switch t := t.(type) {
		case *LiteralType:
			w.exprs(t.Value)
		case *ListType:
			w.types(t.Elem)
		case *DictType:
			w.types(t.Key, t.Value)
		case *UnionType:
			w.types(t.Types...)
		case *FuncType:
			w.types(t.Params...)
			w.types(t.Result)
		}
	}
}

func (w walker) exprs(list ...Expr) {
	for _, x := range list {
		if x != nil && w(x) {
			w.expr(x)
		}
	}
}

func (w walker) expr(x Expr) {
	switch x := x.(type) {
	case *Selector:
		w.exprs(x.X)
	case *Index:
		w.exprs(x.X, x.I)
	case *Slice:
		w.exprs(x.X, x.Lo, x.Hi, x.Step)
	case *Call:
		w.exprs(x.Fun)
		w.exprs(x.Args...)
		w.keywords(x.Keywords)
	case *Unary:
		w.exprs(x.X)
	case *Binary:
		w.exprs(x.X, x.Y)
	case *Compare:
		w.exprs(x.Operands...)
	case *Cast:
		w.exprs(x.X)
		w.types(x.Type)
	case *Cond:
		w.exprs(x.If, x.Then, x.Else)
	case *SchemaExpr:
		w.exprs(x.Schema)
		w.exprs(x.Args...)
		w.keywords(x.Keywords)
		w.exprs(x.Config)
	case *Lambda:
		w.params(x.Params)
		w.types(x.Result)
		w.stmts(x.Body)
	case *Quantifier:
		w.exprs(x.Over, x.Body, x.If)
	case *Interpolation:
		for _, part := range x.Parts {
			w.exprs(part.X)
		}
	case *Paren:
		w.exprs(x.X)
	default:
		w.collection(x)
	}
}

func (w walker) collection(x Expr) {
	switch x := x.(type) {
	case *List:
		w.exprs(x.Elems...)
	case *Star:
		w.exprs(x.X)
	case *IfElem:
		w.exprs(x.Cond)
		w.exprs(x.Then...)
		w.exprs(x.Else...)
	case *ListComp:
		w.exprs(x.Elem)
		w.fors(x.Fors)
	case *DictComp:
		w.entries([]*Entry{x.Entry})
		w.fors(x.Fors)
	case *Config:
		w.entries(x.Entries)
	}
}

func (w walker) keywords(list []Keyword) {
	for _, k := range list {
		w.exprs(k.Value)
	}
}

func (w walker) fors(list []*For) {
	for _, f := range list {
		if w(f) {
			w.exprs(f.Over)
			w.exprs(f.Ifs...)
		}
	}
}

func (w walker) entries(list []*Entry) {
	for _, e := range list {
		if !w(e) {
			continue
		}
		for _, key := range append(e.Path[:len(e.Path):len(e.Path)], e.Key) {
			if _, name := key.(*Ident); !name {
				w.exprs(key)
			}
		}
		w.exprs(e.Value, e.Star)
		if e.If != nil {
			w.exprs(e.If.Cond)
			w.entries(e.If.Then)
			w.entries(e.If.Else)
		}
	}
}

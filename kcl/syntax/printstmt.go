package syntax

import "strings"

// block writes what belongs to a colon. A statement that begins with a sign
// can only be on the same line.
func (p *printer) block(body []Stmt) {
	p.text(":")
	if len(body) == 1 {
		if s, ok := body[0].(*ExprStmt); ok && beginsWithSign(s.X) {
			p.text(" ")
			p.stmt(s)
			return
		}
	}
	lines(p, body, p.stmt)
}

// beginsWithSign reports whether the first token of an expression is + or -.
func beginsWithSign(x Expr) bool {
	for {
		switch e := x.(type) {
		case *Unary:
			return e.Op == ADD || e.Op == SUB
		case *Binary:
			x = e.X
		case *Compare:
			x = e.Operands[0]
		case *Cast:
			x = e.X
		case *Cond:
			x = e.Then
		default:
			return false
		}
	}
}

func (p *printer) stmt(s Stmt) {
	switch s := s.(type) {
	case *Import:
		p.text("import ", s.Path)
		if s.As != nil {
			p.text(" as ", spell(s.As.Text))
		}
	case *Assign:
		p.assign(s)
	case *AugAssign:
		p.begin(s.Target.Name.Text)
		p.target(s.Target)
		p.text(" ", s.Op.String(), "= ")
		p.expr(s.Value)
	case *Unify:
		p.begin(s.Target.Text)
		p.text(spell(s.Target.Text), ": ")
		p.unified(s.Value)
	case *TypeAlias:
		p.text("type ", spell(s.Name.Text), " = ")
		p.typ(s.Type)
	case *Assert:
		p.text("assert ")
		p.check(&Check{Cond: s.Cond, Guard: s.Guard, Message: s.Message})
	case *If:
		p.ifStmt(s)
	case *ExprStmt:
		p.beginExpr(s.X)
		p.expr(s.X)
	case *Schema:
		p.schema(s)
	case *Attr:
		p.attr(s)
	}
}

// begin escapes the word type as the first of a statement.
func (p *printer) begin(name string) {
	if name == "type" {
		p.text("$")
	}
}

func (p *printer) beginExpr(x Expr) {
	for {
		switch e := x.(type) {
		case *Ident:
			p.begin(e.Name)
			return
		case *Binary:
			x = e.X
		case *Compare:
			x = e.Operands[0]
		case *Cast:
			x = e.X
		case *Cond:
			x = e.Then
		case *Selector:
			x = e.X
		case *Index:
			x = e.X
		case *Slice:
			x = e.X
		case *Call:
			x = e.Fun
		case *SchemaExpr:
			x = e.Schema
		default:
			return
		}
	}
}

// unified writes the value of a unification, the name of which must not be
// taken for a basic type.
func (p *printer) unified(x *SchemaExpr) {
	name := schemaName(x.Schema)
	if first, _, _ := strings.Cut(name, "."); isBasicName(first) && !IsReserved(first) {
		p.text("$")
	}
	p.expr(x)
}

func (p *printer) assign(s *Assign) {
	p.begin(s.Targets[0].Name.Text)
	for i, t := range s.Targets {
		p.target(t)
		if i == 0 && s.Type != nil {
			p.text(": ")
			p.typ(s.Type)
		}
		p.text(" = ")
	}
	p.expr(s.Value)
}

func (p *printer) ifStmt(s *If) {
	p.text("if ")
	for {
		p.expr(s.Cond)
		p.block(s.Then)
		next, ok := elseIf(s)
		if !ok {
			break
		}
		p.line()
		p.text("elif ")
		s = next
	}
	if len(s.Else) > 0 {
		p.line()
		p.text("else")
		p.block(s.Else)
	}
}

func (p *printer) check(c *Check) {
	p.expr(c.Cond)
	if c.Guard != nil {
		p.text(" if ")
		p.expr(c.Guard)
	}
	if c.Message != nil {
		p.text(", ")
		p.expr(c.Message)
	}
}

func (p *printer) decorators(list []*Call) {
	for _, d := range list {
		p.text("@")
		if len(d.Args)+len(d.Keywords) == 0 && schemaName(d.Fun) != "" {
			p.expr(d.Fun)
		} else {
			p.expr(d)
		}
		p.line()
	}
}

func (p *printer) schema(s *Schema) {
	p.decorators(s.Decorators)
	p.text(s.Kind.String(), " ", spell(s.Name.Text))
	if len(s.Params) > 0 {
		p.text("[")
		list(p, s.Params, ", ", p.param)
		p.text("]")
	}
	parents := s.Mixins
	if s.Kind != RULE {
		parents = nil
		if s.Base != nil {
			parents = []Expr{s.Base}
		}
	}
	if len(parents) > 0 {
		p.text("(")
		list(p, parents, ", ", p.expr)
		p.text(")")
	}
	if s.For != nil {
		p.text(" for ")
		p.expr(s.For)
	}
	p.text(":")
	p.level++
	p.schemaBody(s)
	p.level--
}

func (p *printer) schemaBody(s *Schema) {
	if s.Doc != "" {
		p.line()
		p.doc(s.Doc)
	}
	if s.Kind == RULE {
		p.checks(s)
		return
	}
	if len(s.Mixins) > 0 {
		p.line()
		p.text("mixin [")
		list(p, s.Mixins, ", ", p.expr)
		p.text("]")
	}
	if s.Index != nil {
		p.line()
		p.index(s.Index)
	}
	for _, item := range s.Body {
		p.line()
		p.item(item)
	}
	if len(s.Checks) > 0 {
		p.line()
		p.text("check:")
		p.level++
		p.checks(s)
		p.level--
	}
}

func (p *printer) checks(s *Schema) {
	for _, c := range s.Checks {
		p.line()
		p.check(c)
	}
}

// item writes a statement of a schema, where a list would begin an index
// signature unless its first line is empty.
func (p *printer) item(s Stmt) {
	if s, ok := s.(*ExprStmt); ok {
		switch x := s.X.(type) {
		case *List:
			p.longList(x)
			return
		case *ListComp:
			p.longListComp(x)
			return
		}
	}
	p.stmt(s)
}

func (p *printer) attr(a *Attr) {
	p.decorators(a.Decorators)
	if isIdentifier(a.Name.Text) {
		p.text(spell(a.Name.Text))
	} else {
		p.text(quoted(a.Name.Text))
	}
	if a.Optional {
		p.text("?")
	}
	p.text(": ")
	if x, ok := a.Value.(*SchemaExpr); ok && a.Op == COLON {
		p.unified(x)
		return
	}
	p.typ(a.Type)
	if a.Value == nil {
		return
	}
	p.text(" ")
	if a.Op != ASSIGN {
		p.text(a.Op.String())
	}
	p.text("= ")
	p.expr(a.Value)
}

func (p *printer) index(sig *IndexSignature) {
	p.text("[")
	if sig.Name != nil {
		p.text(spell(sig.Name.Text), ": ")
	}
	if sig.Open {
		p.text("...")
	}
	p.typ(sig.Key)
	p.text("]: ")
	p.typ(sig.Value)
	if sig.Init != nil {
		p.text(" = ")
		p.expr(sig.Init)
	}
}

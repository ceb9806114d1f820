package syntax

import (
	"math"
	"strconv"
	"strings"
)

func (p *printer) expr(x Expr) {
	switch x := x.(type) {
	case *Ident:
		p.text(spell(x.Name))
	case *Selector, *Index, *Slice, *Call, *SchemaExpr:
		p.suffixed(x)
	case *Unary:
		p.text(x.Op.String())
		if x.Op == NOT {
			p.text(" ")
		}
		p.expr(x.X)
	case *Binary:
		p.expr(x.X)
		p.text(" ", x.Op.String(), " ")
		p.expr(x.Y)
	case *Compare:
		p.expr(x.Operands[0])
		for i, op := range x.Ops {
			p.text(" ", op.String(), " ")
			p.expr(x.Operands[i+1])
		}
	case *Cast:
		p.expr(x.X)
		p.text(" as ", castName(x.Type))
	case *Cond:
		p.expr(x.Then)
		p.text(" if ")
		p.expr(x.If)
		p.text(" else ")
		p.expr(x.Else)
	case *Paren:
		p.text("(")
		p.expr(x.X)
		p.text(")")
	case *Number:
		p.text(numeral(x))
	case *String:
		if p.inString {
			p.text(quotedInside(x.Value))
		} else {
			p.text(quoted(x.Value))
		}
	case *Interpolation:
		p.interpolation(x)
	case *Constant:
		p.text(x.Kind.String())
	case *Lambda:
		p.lambda(x)
	case *Quantifier:
		p.quantifier(x)
	default:
		p.collection(x)
	}
}

// castName writes the type of a conversion, which is read as an expression.
func castName(t Type) string {
	named, ok := t.(*NamedType)
	if !ok {
		return ""
	}
	name := spell(named.Path[0].Text)
	for _, n := range named.Path[1:] {
		name += "." + n.Text
	}
	return name
}

// suffixed writes an operand and what is selected from it or done with it.
func (p *printer) suffixed(x Expr) {
	optional := func(yes bool) {
		if yes {
			p.text("?")
		}
	}
	switch x := x.(type) {
	case *Selector:
		p.expr(x.X)
		optional(x.Optional)
		p.text(".", x.Name.Text)
	case *Index:
		p.expr(x.X)
		optional(x.Optional)
		p.text("[")
		p.expr(x.I)
		p.text("]")
	case *Slice:
		p.expr(x.X)
		optional(x.Optional)
		p.text("[")
		if x.Lo != nil {
			p.expr(x.Lo)
		}
		p.text(":")
		if x.Hi != nil {
			p.expr(x.Hi)
		}
		if x.Step != nil {
			p.text(":")
			p.expr(x.Step)
		}
		p.text("]")
	case *Call:
		p.expr(x.Fun)
		p.args(x.Args, x.Keywords)
	case *SchemaExpr:
		p.expr(x.Schema)
		if len(x.Args)+len(x.Keywords) > 0 {
			p.args(x.Args, x.Keywords)
		}
		p.text(" ")
		p.config(x.Config)
	}
}

func (p *printer) args(args []Expr, keywords []Keyword) {
	p.text("(")
	list(p, args, ", ", p.expr)
	if len(args) > 0 && len(keywords) > 0 {
		p.text(", ")
	}
	list(p, keywords, ", ", func(k Keyword) {
		p.text(spell(k.Name.Text), "=")
		p.expr(k.Value)
	})
	p.text(")")
}

// lambda writes a function. A comma keeps its body from being the config of a
// default.
func (p *printer) lambda(x *Lambda) {
	p.text("lambda")
	for i, param := range x.Params {
		if i > 0 {
			p.text(",")
		}
		p.text(" ")
		p.param(param)
		if i == len(x.Params)-1 && param.Default != nil && x.Result == nil {
			p.text(",")
		}
	}
	if x.Result != nil {
		p.text(" -> ")
		p.typ(x.Result)
	}
	p.text(" {")
	if len(x.Body) == 1 {
		if s, ok := x.Body[0].(*ExprStmt); ok && small(s.X) {
			p.text(" ")
			p.stmt(s)
			p.text(" }")
			return
		}
	}
	if len(x.Body) > 0 {
		lines(p, x.Body, p.stmt)
		p.line()
	}
	p.text("}")
}

func (p *printer) quantifier(x *Quantifier) {
	p.text(x.Op.String(), " ")
	list(p, x.Vars, ", ", func(n *Name) { p.text(spell(n.Text)) })
	p.text(" in ")
	p.expr(x.Over)
	p.text(" { ")
	p.expr(x.Body)
	if x.If != nil {
		p.text(" if ")
		p.expr(x.If)
	}
	p.text(" }")
}

func numeral(n *Number) string {
	if !n.IsFloat {
		return strconv.FormatUint(uint64(n.Int), 10) + n.Suffix
	}
	if math.IsInf(n.Float, 0) {
		return "1e999"
	}
	s := strconv.FormatFloat(n.Float, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// collection writes a list, a dict, or what is inside one.
func (p *printer) collection(x Expr) {
	switch x := x.(type) {
	case *Star:
		p.text("*")
		p.expr(x.X)
	case *IfElem:
		p.ifElem(x)
	case *List:
		if !small(x) {
			p.longList(x)
			return
		}
		p.text("[")
		list(p, x.Elems, ", ", p.expr)
		p.text("]")
	case *ListComp:
		if _, ok := x.Elem.(*IfElem); ok {
			p.longListComp(x)
			return
		}
		p.text("[")
		p.expr(x.Elem)
		p.fors(x.Fors)
		p.text("]")
	case *DictComp:
		p.dictComp(x)
	case *Config:
		p.config(x)
	}
}

// longList writes a list over several lines, none of its elements on the first.
func (p *printer) longList(x *List) {
	p.text("[")
	lines(p, x.Elems, p.expr)
	p.line()
	p.text("]")
}

func (p *printer) longListComp(x *ListComp) {
	p.text("[")
	lines(p, []Expr{x.Elem}, p.expr)
	p.line()
	p.text("   ")
	p.fors(x.Fors)
	p.line()
	p.text("]")
}

func (p *printer) fors(clauses []*For) {
	for _, f := range clauses {
		p.text(" for ")
		list(p, f.Vars, ", ", func(n *Name) { p.text(spell(n.Text)) })
		p.text(" in ")
		p.expr(f.Over)
		for _, cond := range f.Ifs {
			p.text(" if ")
			p.expr(cond)
		}
	}
}

func (p *printer) ifElem(x *IfElem) {
	p.text("if ")
	for {
		p.expr(x.Cond)
		p.text(":")
		lines(p, x.Then, p.expr)
		if len(x.Else) != 1 {
			break
		}
		next, ok := x.Else[0].(*IfElem)
		if !ok {
			break
		}
		p.line()
		p.text("elif ")
		x = next
	}
	if len(x.Else) > 0 {
		p.line()
		p.text("else:")
		lines(p, x.Else, p.expr)
	}
}

func (p *printer) config(x *Config) {
	switch {
	case len(x.Entries) == 0:
		p.text("{}")
	case small(x):
		p.text("{")
		list(p, x.Entries, ", ", p.entry)
		p.text("}")
	default:
		p.text("{")
		lines(p, x.Entries, p.entry)
		p.line()
		p.text("}")
	}
}

func (p *printer) dictComp(x *DictComp) {
	p.text("{")
	p.entry(x.Entry)
	p.fors(x.Fors)
	p.text("}")
}

func (p *printer) entry(e *Entry) {
	switch {
	case e.If != nil:
		p.ifEntry(e.If)
		return
	case e.Star != nil:
		p.text("**")
		p.expr(e.Star)
		return
	case e.Path != nil:
		p.path(e.Path)
	default:
		p.expr(e.Key)
	}
	if e.Op == COLON {
		p.text(": ")
	} else {
		p.text(" ", e.Op.String(), " ")
	}
	p.expr(e.Value)
}

// path writes a key such as a.b[0].
func (p *printer) path(steps []Expr) {
	for i, step := range steps {
		name, ok := step.(*Ident)
		switch {
		case i == 0:
			p.expr(step)
			continue
		case ok:
			p.text(".", name.Name)
			continue
		}
		p.text("[")
		if paren, ok := step.(*Paren); ok {
			step = paren.X
			if _, ok := step.(*Ident); !ok { // only a bare name was put in parentheses
				step = paren
			}
		}
		p.expr(step)
		p.text("]")
	}
}

func (p *printer) ifEntry(c *IfConf) {
	p.text("if ")
	for {
		p.expr(c.Cond)
		p.text(":")
		lines(p, c.Then, p.entry)
		if len(c.Else) != 1 || c.Else[0].If == nil {
			break
		}
		p.line()
		p.text("elif ")
		c = c.Else[0].If
	}
	if len(c.Else) > 0 {
		p.line()
		p.text("else:")
		lines(p, c.Else, p.entry)
	}
}

// maxSmall is how many parts may be on one line.
const maxSmall = 12

// small reports whether a tree has few parts, and none that needs lines of its
// own.
func small(x Expr) bool {
	count := 0
	Walk(x, func(n Node) bool {
		count++
		switch n := n.(type) {
		case *IfElem, *Lambda, *Quantifier:
			count = maxSmall + 1
		case *Config:
			for _, e := range n.Entries {
				if e.If != nil {
					count = maxSmall + 1
				}
			}
		}
		return count <= maxSmall
	})
	return count <= maxSmall
}

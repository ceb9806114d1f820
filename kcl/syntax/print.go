package syntax

import (
	"io"
	"strings"
)

// Format returns the canonical text of a file, without its comments. Parsing
// the text gives the same tree again.
func Format(f *File) string {
	p := &printer{}
	p.node(f)
	return p.out.String()
}

// Print writes the canonical text of a tree that Parse made, as Format does.
// Text that goes over several lines is indented as at the start of a file.
func Print(w io.Writer, n Node) error {
	p := &printer{}
	p.node(n)
	_, err := io.WriteString(w, p.out.String())
	return err
}

// printer writes a tree. Names that are keywords are written with a $, so that
// they mean the same in every place.
type printer struct {
	out   strings.Builder
	level int // of indentation

	inString bool // in an expression of an interpolation
}

func (p *printer) text(list ...string) {
	for _, s := range list {
		p.out.WriteString(s)
	}
}

// line ends a line and indents the next.
func (p *printer) line() {
	p.text("\n", p.margin())
}

func (p *printer) margin() string { return strings.Repeat("    ", p.level) }

func (p *printer) node(n Node) {
	switch n := n.(type) {
	case *File:
		if n.Doc != "" {
			p.doc(n.Doc)
			p.line()
		}
		for _, s := range n.Body {
			p.stmt(s)
			p.line()
		}
	case Stmt:
		p.stmt(n)
	case Type:
		p.typ(n)
	case Expr:
		p.expr(n)
	case *Name:
		p.text(spell(n.Text))
	case *Target:
		p.target(n)
	case *Param:
		p.param(n)
	case *Entry:
		p.entry(n)
	case *For:
		p.fors([]*For{n})
	case *Check:
		p.check(n)
	case *IndexSignature:
		p.index(n)
	}
}

// spell writes a name, or names with dots between them. The word type is a
// name but where a statement begins.
func spell(name string) string {
	first, rest, dotted := strings.Cut(name, ".")
	if IsReserved(first) {
		first = "$" + first
	}
	if dotted {
		return first + "." + rest
	}
	return first
}

// list writes items with a separator between them.
func list[T any](p *printer, items []T, sep string, write func(T)) {
	for i, item := range items {
		if i > 0 {
			p.text(sep)
		}
		write(item)
	}
}

// lines writes items on lines of their own, indented.
func lines[T any](p *printer, items []T, write func(T)) {
	p.level++
	for _, item := range items {
		p.line()
		write(item)
	}
	p.level--
}

func (p *printer) target(t *Target) {
	p.text(spell(t.Name.Text))
	for _, step := range t.Path {
		if step.Name != nil {
			p.text(".", step.Name.Text)
			continue
		}
		p.text("[")
		p.expr(step.Index)
		p.text("]")
	}
}

func (p *printer) param(n *Param) {
	p.text(spell(n.Name.Text))
	if n.Type != nil {
		p.text(": ")
		p.typ(n.Type)
	}
	if n.Default != nil {
		p.text(" = ")
		p.expr(n.Default)
	}
}

func (p *printer) typ(t Type) {
	switch t := t.(type) {
	case *NamedType:
		p.namedType(t)
	case *LiteralType:
		p.expr(t.Value)
	case *ListType:
		p.text("[")
		if t.Elem != nil {
			p.typ(t.Elem)
		}
		p.text("]")
	case *DictType:
		p.text("{")
		if t.Key != nil {
			p.typ(t.Key)
		}
		p.text(":")
		if t.Value != nil {
			p.typ(t.Value)
		}
		p.text("}")
	case *UnionType:
		list(p, t.Types, " | ", p.typ)
	case *FuncType:
		p.text("(")
		list(p, t.Params, ", ", p.typ)
		p.text(")")
		if t.Result != nil {
			p.text(" -> ")
			p.typ(t.Result)
		}
	}
}

// namedType writes the name of a type. One that begins as a basic type does
// not end there needs a $.
func (p *printer) namedType(t *NamedType) {
	first := t.Path[0].Text
	switch {
	case isBasicName(first) && len(t.Path) > 1:
		p.text("$", first)
	case isBasicName(first):
		p.text(first)
	default:
		p.text(spell(first))
	}
	for _, name := range t.Path[1:] {
		p.text(".", name.Text)
	}
}

// doc writes a documentation string on lines of its own. Reading it takes away
// the indentation that the lines share, with that of the closing quotes when
// these are on a line of their own.
func (p *printer) doc(s string) {
	if s == "" {
		return
	}
	if !strings.Contains(s, "\n") {
		p.text(`"""`, docEscapes(s), `"""`)
		return
	}
	margin := p.margin()
	if margin == "" && sharedIndent(s) > 0 {
		margin = "    "
	}
	p.text(`"""`)
	for line := range strings.SplitSeq(s, "\n") {
		p.text("\n")
		if line != "" {
			p.text(margin, docEscapes(line))
		}
	}
	if strings.HasSuffix(s, "\n") {
		p.text(margin)
	}
	p.text(`"""`)
}

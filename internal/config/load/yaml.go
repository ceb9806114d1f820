package load

import (
	"errors"
	"math"
	"strings"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/yaml"
	"github.com/berth-oci/berth/kcl/syntax"
)

// parseYAML reads a YAML text of one document.
func (doc *document) parseYAML() syntax.Expr {
	file, err := yaml.Parse([]byte(doc.src.Text))
	c := &yamlConverter{document: doc, anchors: map[string]anchor{}}
	if err != nil {
		doc.faults = append(doc.faults, c.syntaxError(err))
		return nil
	}
	var body ast.Node
	for _, d := range file.Docs {
		switch d.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentNode, *ast.CommentGroupNode, *ast.NullNode:
			continue
		}
		if body != nil {
			doc.report(c.place(d.Body.GetToken()), diag.Errorf(diag.Syntax, "a config is one document; here a second one begins").
				WithHint("put each config into a file of its own"))
			return nil
		}
		body = d.Body
	}
	if body == nil {
		doc.faults = append(doc.faults, emptyConfig(doc.src))
		return nil
	}
	return c.expr(body)
}

// yamlConverter turns nodes of a YAML document into KCL expressions.
type yamlConverter struct {
	*document
	anchors map[string]anchor
	size    int // nodes so far, those behind aliases as often as they are used
}

// anchor is a value with a name.
type anchor struct {
	value syntax.Expr
	size  int
}

// maxSize bounds the nodes of a document with its aliases resolved.
const maxSize = 100_000

// syntaxError says what the parser could not read, and what is mostly behind it.
func (c *yamlConverter) syntaxError(err error) *diag.Diagnostic {
	var limit *yaml.LimitError
	if errors.As(err, &limit) {
		start := c.src.Offset(limit.Line, 1) + limit.Column - 1
		return diag.Errorf(diag.LimitExceeded, "%w", err).At(c.at(start, start+1).Span())
	}
	var e goccy.Error
	if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
		return diag.Errorf(diag.Syntax, "not YAML: %s", firstLine(err.Error())).At(c.at(0, 0).Span())
	}
	tok := e.GetToken()
	d := diag.Errorf(diag.Syntax, "not YAML: %s", firstLine(e.GetMessage())).At(c.place(tok).Span())
	line := c.src.Line(tok.Position.Line)
	content := strings.TrimLeft(line, " \t")
	indentation := line[:len(line)-len(content)]
	_, value, _ := strings.Cut(content, ": ")
	switch value = strings.TrimLeft(value, " "); {
	case strings.Contains(indentation, "\t"):
		start := c.src.Offset(tok.Position.Line, 1) + strings.IndexByte(indentation, '\t')
		d.Span = c.at(start, start+1).Span()
		d.Hint = "YAML cannot be indented with tabs; use spaces"
	case value != "" && strings.IndexByte("@`%", value[0]) >= 0:
		d.Hint = "quote the value, which begins with " + value[:1]
	case value != "" && strings.IndexByte("\"'[{|>&*!", value[0]) < 0 && strings.Contains(value, ": "):
		d.Hint = "quote the value, which has a colon in it"
	case value != "" && strings.IndexByte("\"'", value[0]) >= 0:
		d.Hint = "close the quotes; a quote inside is doubled in '...' and gets a backslash in \"...\""
	default:
		d.Hint = "keys of one block begin in the same column, and what belongs to a key further right"
	}
	return d
}

// place returns the place of a token.
func (c *yamlConverter) place(t *token.Token) syntax.Range {
	if t == nil || t.Position == nil {
		return c.at(0, 0)
	}
	start := c.src.Offset(t.Position.Line, t.Position.Column)
	if t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
		return c.at(start, start+quotedLength(c.src.Text[start:]))
	}
	text := firstLine(strings.TrimSpace(t.Origin))
	if text == "" {
		text = firstLine(t.Value)
	}
	if t.Type == token.ImplicitNullType { // not written at all
		text = ""
	}
	return c.at(start, start+max(len(text), 1))
}

// quotedLength returns the length of the quoted scalar that a text begins with,
// as far as its first line goes.
func quotedLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\n':
			return i
		case text[0] == '"' && text[i] == '\\':
			i++
		case text[i] != text[0]:
		case text[0] == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		default:
			return i + 1
		}
	}
	return len(text)
}

func (c *yamlConverter) expr(n ast.Node) syntax.Expr {
	r := c.place(n.GetToken())
	if !c.grow(1, r) || !c.enter(r) {
		return &syntax.Bad{Range: r}
	}
	defer c.leave()
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n.Values, r)
	case *ast.MappingValueNode:
		return c.mapping([]*ast.MappingValueNode{n}, r)
	case *ast.SequenceNode:
		list := &syntax.List{Range: r}
		for _, v := range n.Values {
			list.Elems = append(list.Elems, c.expr(v))
		}
		return list
	case *ast.LiteralNode:
		c.scalars[r.Start] = scalar{text: n.Value.Value, quoted: true}
		return &syntax.String{Range: r, Value: n.Value.Value}
	case *ast.StringNode:
		if t := n.GetToken(); t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
			c.scalars[r.Start] = scalar{text: n.Value, quoted: true}
			return &syntax.String{Range: r, Value: n.Value}
		}
		return c.plain(n.Value, r)
	case *ast.NullNode:
		if n.GetToken().Type == token.ImplicitNullType {
			return c.plain("", r)
		}
		return c.plain(n.GetToken().Value, r)
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return c.plain(n.GetToken().Value, r)
	case *ast.AnchorNode:
		before := c.size
		x := c.expr(n.Value)
		c.anchors[n.Name.String()] = anchor{x, c.size - before}
		return x
	case *ast.AliasNode:
		return c.alias(n)
	case *ast.TagNode:
		return c.tagged(n)
	}
	return c.report(r, diag.Errorf(diag.Syntax, "a config cannot hold %s", n.Type()))
}

// grow counts n nodes and reports when there are too many.
func (c *yamlConverter) grow(n int, at syntax.Range) bool {
	before := c.size
	c.size += n
	if c.size > maxSize && before <= maxSize {
		c.report(at, diag.Errorf(diag.LimitExceeded, "the document has too many values, those behind aliases counted each time (limit %d)", maxSize))
	}
	return c.size <= maxSize
}

// alias returns the value that an alias stands for. What the value is wrong for
// is where the alias stands; its parts are where they are written.
func (c *yamlConverter) alias(n *ast.AliasNode) syntax.Expr {
	name := n.Value.String()
	star := c.place(n.GetToken())
	r := c.at(star.Start, star.Start+1+len(name))
	known, ok := c.anchors[name]
	if !ok {
		d := diag.Errorf(diag.Syntax, "no anchor %s is defined above", name)
		var names []string
		for name := range c.anchors {
			names = append(names, name)
		}
		if near := diag.Nearest(name, names); near != "" {
			d.Hint = "did you mean *" + near + "?"
		} else {
			d.Hint = "an anchor is written &" + name + " before its value; quote a text that begins with *"
		}
		return c.report(r, d)
	}
	if !c.grow(known.size, r) {
		return &syntax.Bad{Range: r}
	}
	if s, ok := c.scalars[known.value.At().Start]; ok {
		c.scalars[r.Start] = s
	}
	switch x := known.value.(type) {
	case *syntax.String:
		return &syntax.String{Range: r, Value: x.Value}
	case *syntax.Number:
		copied := *x
		copied.Range = r
		return &copied
	case *syntax.Constant:
		return constant(r, x.Kind)
	}
	return known.value
}

// tagged converts a value with a tag of the core schema.
func (c *yamlConverter) tagged(n *ast.TagNode) syntax.Expr {
	tag := n.Start.Value
	if n.Value == nil {
		return c.report(c.place(n.Start), diag.Errorf(diag.Syntax, "nothing stands after the tag %s", tag))
	}
	if tok := n.Value.GetToken(); tag == "!!str" {
		if _, ok := n.Value.(ast.ScalarNode); ok {
			r := c.place(tok)
			c.scalars[r.Start] = scalar{text: tok.Value, quoted: true}
			return &syntax.String{Range: r, Value: tok.Value}
		}
	}
	x := c.expr(n.Value)
	fits := false
	switch v := x.(type) {
	case *syntax.Bad:
		fits = true
	case *syntax.Config:
		fits = tag == "!!map"
	case *syntax.List:
		fits = tag == "!!seq"
	case *syntax.Number:
		if tag == "!!float" && !v.IsFloat {
			return &syntax.Number{Range: v.Range, IsFloat: true, Float: float64(v.Int)}
		}
		fits = tag == "!!float" || tag == "!!int" && !v.IsFloat
	case *syntax.Constant:
		fits = tag == "!!null" && v.Kind == syntax.NONE || tag == "!!bool" && v.Kind != syntax.NONE
	}
	if !fits {
		c.report(c.place(n.Start), diag.Errorf(diag.Syntax, "the tag %s does not go with this value", tag).
			WithHint("leave the tag out; only those of plain values are known, as in !!str 5"))
	}
	return x
}

// plain converts a scalar without quotes.
func (c *yamlConverter) plain(text string, r syntax.Range) syntax.Expr {
	c.scalars[r.Start] = scalar{text: text}
	v, err := yaml.Scalar(text)
	if err != nil {
		return c.outOfRange(r)
	}
	switch v := v.(type) {
	case nil:
		return constant(r, syntax.NONE)
	case bool:
		return boolean(r, v)
	case int64:
		if yaml.Ambiguous(text) {
			return c.report(r, diag.Errorf(diag.Syntax, "%s is one number to YAML 1.1 and another to YAML 1.2", text).
				WithHint("write it without the leading zero, as 0o%s if it is octal, or in quotes if it is a text", strings.TrimLeft(text, "+-0")))
		}
		return &syntax.Number{Range: r, Int: v}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return c.report(r, diag.Errorf(diag.Syntax, "a config cannot hold %s", text).WithHint("write a number, or quotes around a text"))
		}
		return &syntax.Number{Range: r, IsFloat: true, Float: v}
	}
	return &syntax.String{Range: r, Value: text}
}

// mapping converts a mapping to a config whose entries override defaults. What
// it merges in gives way to its own keys, wherever << stands.
func (c *yamlConverter) mapping(values []*ast.MappingValueNode, r syntax.Range) syntax.Expr {
	e := c.entries()
	var merged []*syntax.Config
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, c.merged(v)...)
			continue
		}
		key, at, ok := c.key(v.Key)
		value := c.expr(v.Value)
		if ok {
			e.add(key, at, value)
		}
	}
	for _, m := range merged {
		e.mergeIn(m)
	}
	return e.config(r)
}

// merged returns the mappings that a merge key names.
func (c *yamlConverter) merged(v *ast.MappingValueNode) []*syntax.Config {
	x := c.expr(v.Value)
	list := []syntax.Expr{x}
	if l, ok := x.(*syntax.List); ok {
		list = l.Elems
	}
	var configs []*syntax.Config
	for _, x := range list {
		switch x := x.(type) {
		case *syntax.Config:
			configs = append(configs, x)
		case *syntax.Bad: // reported
		default:
			c.report(x.At(), diag.Errorf(diag.Syntax, "<< merges mappings, and this is none").WithHint("write <<: *NAME for a mapping with the anchor &NAME"))
		}
	}
	return configs
}

// key returns the text of a key.
func (c *yamlConverter) key(n ast.MapKeyNode) (string, syntax.Range, bool) {
	var node ast.Node = n
	if k, ok := n.(*ast.MappingKeyNode); ok {
		node = k.Value
	}
	tok := node.GetToken()
	at := c.place(tok)
	switch node := node.(type) {
	case *ast.StringNode:
		if v, _ := yaml.Scalar(node.Value); v == any(node.Value) || tok.Type != token.StringType {
			return node.Value, at, true
		}
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		if v, _ := yaml.Scalar(tok.Value); v == any(tok.Value) {
			return tok.Value, at, true
		}
	default:
		c.report(at, diag.Errorf(diag.Syntax, "a key must be a text").WithHint("write a plain key"))
		return "", at, false
	}
	c.report(at, diag.Errorf(diag.Syntax, "a key must be a text, and %s is none", tok.Value).WithHint("quote it: %q", tok.Value))
	return "", at, false
}

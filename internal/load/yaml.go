package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/yaml"
	"github.com/berth-oci/berth/kcl/syntax"
)

// parseYAML reads a YAML or JSON config into the KCL program that means the
// same: an instance of the schema with the document as its config. Everything
// else is then alike for all formats.
func parseYAML(src *syntax.Source, schemaName string) (*syntax.File, diag.List) {
	if format(src) == "json" {
		if d := checkJSON(src); d != nil {
			return nil, diag.List{d}
		}
	}
	c := &yamlConverter{src: src, anchors: map[string]syntax.Expr{}}
	doc, err := yaml.Parse([]byte(src.Text))
	if err != nil {
		return nil, diag.List{c.syntaxError(err)}
	}
	var body ast.Node
	for _, d := range doc.Docs {
		switch {
		case d.Body == nil:
		case body != nil:
			return nil, diag.List{diag.Errorf(diag.Syntax, "a config is one document; here a second one begins").At(c.at(d.Body.GetToken()).Span())}
		default:
			body = d.Body
		}
	}
	if body == nil {
		return nil, diag.List{diag.Errorf(diag.NoConfig, "the config is empty").At(syntax.Range{Source: src}.Span()).
			WithHint("berth init writes one to start from")}
	}
	config, ok := c.expr(body).(*syntax.Config)
	if !ok {
		if len(c.faults) == 0 {
			c.fault(body.GetToken(), "the config must be a mapping of attributes to values")
		}
		return nil, c.faults
	}
	if schemaName == "" {
		schemaName = impliedSchema(config)
	}
	head := syntax.Range{Source: src, Start: config.Start, End: config.Start}
	if len(config.Entries) > 0 {
		head = config.Entries[0].Range
	}
	x := &syntax.SchemaExpr{Range: head, Schema: &syntax.Ident{Range: head, Name: schemaName}, Config: config}
	return &syntax.File{Source: src, Body: []syntax.Stmt{&syntax.ExprStmt{Range: head, X: x}}}, c.faults
}

// impliedSchema returns the schema that a document without one is checked by.
func impliedSchema(config *syntax.Config) string {
	byType := map[string]string{
		"distribution": "DistributionRegistryConfig", "zot": "ZotRegistryConfig",
		"harbor": "HarborRegistryConfig", "artifactory": "ArtifactoryRegistryConfig",
	}
	byBlock := map[string]string{"zot_features": "zot", "harbor_config": "harbor", "artifactory_config": "artifactory"}
	implied := "OCIRegistryConfig"
	for _, e := range config.Entries {
		key, _ := e.Key.(*syntax.String)
		if key == nil {
			continue
		}
		if typ, ok := e.Value.(*syntax.String); ok && key.Value == "type" && byType[typ.Value] != "" {
			return byType[typ.Value]
		}
		if typ := byBlock[key.Value]; typ != "" {
			implied = byType[typ]
		}
	}
	return implied
}

// checkJSON makes sure that a .json file is JSON and not merely YAML.
func checkJSON(src *syntax.Source) *diag.Diagnostic {
	dec := json.NewDecoder(strings.NewReader(src.Text))
	var v any
	err := dec.Decode(&v)
	if err == nil {
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			at := int(dec.InputOffset())
			return diag.Errorf(diag.Syntax, "text after the end of the JSON value").At(syntax.Range{Source: src, Start: at, End: at + 1}.Span())
		}
		return nil
	}
	offset := len(src.Text)
	var syntaxErr *json.SyntaxError
	if errors.As(err, &syntaxErr) {
		offset = max(int(syntaxErr.Offset)-1, 0)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || offset >= len(strings.TrimRight(src.Text, " \t\r\n")) {
		return diag.Errorf(diag.Syntax, "the file ends in the middle of a JSON value").
			At(syntax.Range{Source: src, Start: len(src.Text), End: len(src.Text)}.Span()).WithHint("close every brace, bracket and string")
	}
	return diag.Errorf(diag.Syntax, "not JSON: %s", err).At(syntax.Range{Source: src, Start: offset, End: offset + 1}.Span())
}

// yamlConverter turns nodes of a YAML document into KCL expressions.
type yamlConverter struct {
	src     *syntax.Source
	anchors map[string]syntax.Expr
	faults  diag.List
	depth   int
}

func (c *yamlConverter) syntaxError(err error) *diag.Diagnostic {
	var depth *yaml.DepthError
	if errors.As(err, &depth) {
		start := c.src.Offset(depth.Line, 1) + depth.Column - 1
		return diag.Errorf(diag.LimitExceeded, "%w", err).At(syntax.Range{Source: c.src, Start: start, End: start + 1}.Span())
	}
	var e goccy.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return diag.Errorf(diag.Syntax, "not YAML: %s", firstLine(err.Error())).At(syntax.Range{Source: c.src}.Span())
	}
	tok := e.GetToken()
	d := diag.Errorf(diag.Syntax, "not YAML: %s", firstLine(e.GetMessage())).At(c.at(tok).Span())
	if line := c.src.Line(tok.Position.Line); strings.Contains(line, "\t") {
		d.Hint = "YAML cannot be indented with tabs; use spaces"
		d.Span = c.tab(tok.Position.Line).Span()
	}
	return d
}

// tab returns the place of the first tab of a line.
func (c *yamlConverter) tab(line int) syntax.Range {
	start := c.src.Offset(line, 1)
	start += strings.IndexByte(c.src.Line(line), '\t')
	return syntax.Range{Source: c.src, Start: start, End: start + 1}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// at returns the place of a token.
func (c *yamlConverter) at(t *token.Token) syntax.Range {
	if t == nil || t.Position == nil {
		return syntax.Range{Source: c.src}
	}
	start := c.src.Offset(t.Position.Line, t.Position.Column)
	text := firstLine(strings.TrimSpace(t.Origin))
	if text == "" {
		text = firstLine(t.Value)
	}
	return syntax.Range{Source: c.src, Start: start, End: min(start+max(len(text), 1), len(c.src.Text))}
}

func (c *yamlConverter) fault(t *token.Token, format string, args ...any) syntax.Expr {
	c.faults = append(c.faults, diag.Errorf(diag.Syntax, format, args...).At(c.at(t).Span()))
	return &syntax.Bad{Range: c.at(t)}
}

// maxNesting bounds how deep a document may nest.
const maxNesting = 200

func (c *yamlConverter) expr(n ast.Node) syntax.Expr {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxNesting {
		return c.fault(n.GetToken(), "nested too deeply (limit %d)", maxNesting)
	}
	r := c.at(n.GetToken())
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n.Values, c.at(n.GetToken()))
	case *ast.MappingValueNode:
		return c.mapping([]*ast.MappingValueNode{n}, r)
	case *ast.SequenceNode:
		list := &syntax.List{Range: r}
		for _, v := range n.Values {
			list.Elems = append(list.Elems, c.expr(v))
		}
		return list
	case *ast.StringNode:
		return &syntax.String{Range: r, Value: n.Value}
	case *ast.LiteralNode:
		return &syntax.String{Range: r, Value: n.Value.Value}
	case *ast.BoolNode:
		if n.Value {
			return &syntax.Constant{Range: r, Kind: syntax.TRUE}
		}
		return &syntax.Constant{Range: r, Kind: syntax.FALSE}
	case *ast.NullNode:
		return &syntax.Constant{Range: r, Kind: syntax.NONE}
	case *ast.IntegerNode:
		return c.integer(n, r)
	case *ast.FloatNode:
		return &syntax.Number{Range: r, IsFloat: true, Float: n.Value}
	case *ast.AnchorNode:
		x := c.expr(n.Value)
		c.anchors[n.Name.String()] = x
		return x
	case *ast.AliasNode:
		if x, ok := c.anchors[n.Value.String()]; ok {
			return x
		}
		return c.fault(n.Value.GetToken(), "no anchor %s is defined above", n.Value.String())
	case *ast.TagNode:
		if n.Start.Value == "!!str" {
			return &syntax.String{Range: c.at(n.Value.GetToken()), Value: n.Value.GetToken().Value}
		}
		return c.expr(n.Value)
	}
	return c.fault(n.GetToken(), "a config cannot hold %s", n.Type())
}

func (c *yamlConverter) integer(n *ast.IntegerNode, r syntax.Range) syntax.Expr {
	switch v := n.Value.(type) {
	case int64:
		return &syntax.Number{Range: r, Int: v}
	case uint64:
		if v < 1<<63 {
			return &syntax.Number{Range: r, Int: int64(v)}
		}
	}
	if v, err := strconv.ParseInt(fmt.Sprint(n.Value), 10, 64); err == nil {
		return &syntax.Number{Range: r, Int: v}
	}
	return c.fault(n.GetToken(), "%s does not fit a 64-bit integer", n.GetToken().Value)
}

// mapping converts a mapping to a config whose entries override defaults.
func (c *yamlConverter) mapping(values []*ast.MappingValueNode, r syntax.Range) syntax.Expr {
	config := &syntax.Config{Range: r}
	seen := map[string]bool{}
	for _, v := range values {
		key := v.Key.GetToken()
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			config.Entries = append(config.Entries, &syntax.Entry{Range: c.at(key), Star: c.expr(v.Value)})
			continue
		}
		if seen[key.Value] {
			c.fault(key, "%s is given twice", key.Value)
			continue
		}
		seen[key.Value] = true
		at := c.at(key)
		value := c.expr(v.Value)
		if inner, ok := value.(*syntax.Config); ok {
			// What is wrong with a block as a whole is wrong at its key.
			copied := *inner
			copied.Range = at
			value = &copied
		}
		config.Entries = append(config.Entries, &syntax.Entry{
			Range: at, Key: &syntax.String{Range: at, Value: key.Value}, Op: syntax.ASSIGN, Value: value,
		})
	}
	if len(config.Entries) > 0 {
		config.Range = config.Entries[0].Range
	}
	return config
}

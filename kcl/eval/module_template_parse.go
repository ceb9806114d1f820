package eval

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type nodeKind int

const (
	textNode    nodeKind = iota
	valueNode            // {{x}}
	blockNode            // {{#x}}...{{/x}}
	partialNode          // {{> x}}, {{#> x}}...{{/x}}
	inlineNode           // {{#*inline "x"}}...{{/inline}}
)

type templateNode struct {
	kind    nodeKind
	text    string // or the name of an inline partial
	raw     bool   // not escaped
	call    *templateCall
	names   []string // as |a b|
	body    []templateNode
	inverse []templateNode
}

// templateCall is a literal, a path, or a helper with its values.
type templateCall struct {
	isLiteral bool
	literal   any
	isParam   bool // a value of another call: a helper's name alone is a path there
	path      string
	params    []*templateCall
	hash      []hashPair
}

type hashPair struct {
	name  string
	value *templateCall
}

// templateToken is text, or what is between braces.
type templateToken struct {
	text  string
	tag   bool
	raw   bool // triple braces
	trimL bool
	trimR bool
	stand bool // alone on its line if the text around allows it
}

func parseTemplate(source string) ([]templateNode, error) {
	tokens, err := scanTemplate(source)
	if err != nil {
		return nil, err
	}
	trimTemplate(tokens)
	p := &templateParser{tokens: tokens}
	nodes, end, err := p.until(0)
	if err == nil && end != "" {
		err = fmt.Errorf("{{%s}} ends nothing", end)
	}
	return nodes, err
}

// scanTemplate parts a template into text and tags. Comments become empty tags.
func scanTemplate(s string) ([]templateToken, error) {
	var tokens []templateToken
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			tokens = append(tokens, templateToken{text: text.String()})
			text.Reset()
		}
	}
	for s != "" {
		i := strings.Index(s, "{{")
		if i < 0 {
			text.WriteString(s)
			break
		}
		if before := s[:i]; strings.HasSuffix(before, `\`) && !strings.HasSuffix(before, `\\`) {
			text.WriteString(before[:i-1] + "{{")
			s = s[i+2:]
			continue
		}
		text.WriteString(strings.TrimSuffix(s[:i], `\`))
		flush()
		token, size, err := scanTag(s[i:])
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
		s = s[i+size:]
	}
	flush()
	return tokens, nil
}

// scanTag reads the tag at the start of s and returns its size.
func scanTag(s string) (templateToken, int, error) {
	open, end := "{{", "}}"
	if strings.HasPrefix(s, "{{{{") {
		return templateToken{}, 0, errors.New("raw blocks {{{{...}}}} are not supported; write \\{{ for text")
	}
	if strings.HasPrefix(s, "{{{") {
		open, end = "{{{", "}}}"
	}
	t := templateToken{tag: true, raw: open == "{{{"}
	body := s[len(open):]
	body, t.trimL = strings.CutPrefix(body, "~")
	start := len(s) - len(body)
	if strings.HasPrefix(body, "!--") {
		end = "--}}"
		if i := strings.Index(body, "--~}}"); i >= 0 && !strings.Contains(body[:i], end) {
			end = "--~}}"
		}
	}
	i := strings.Index(body, end)
	if i < 0 {
		return t, 0, fmt.Errorf("%q has no end", s[:min(len(s), 20)])
	}
	t.text = body[:i]
	if end == "--~}}" {
		t.trimR = true
	} else {
		t.text, t.trimR = strings.CutSuffix(t.text, "~")
	}
	if strings.HasPrefix(t.text, "!") {
		t.text = "!"
	}
	t.text = strings.TrimSpace(t.text)
	t.stand = !t.raw && (t.text == "^" || strings.HasPrefix(t.text, "else") || t.text != "" && strings.IndexByte("#/!>^", t.text[0]) >= 0)
	return t, start + i + len(end), nil
}

// trimTemplate takes away white space beside tags with ~, and the lines that
// hold a block's tag or a comment and nothing else.
func trimTemplate(tokens []templateToken) {
	const blank = " \t"
	texts := make([]string, len(tokens))
	for i, t := range tokens {
		texts[i] = t.text
	}
	for i, t := range tokens {
		if !t.tag {
			continue
		}
		before := i == 0
		if i > 0 && !tokens[i-1].tag {
			line := strings.TrimRight(texts[i-1], blank)
			before = strings.HasSuffix(line, "\n") || line == "" && i == 1
		}
		after := i == len(tokens)-1
		if i+1 < len(tokens) && !tokens[i+1].tag {
			line := strings.TrimLeft(texts[i+1], blank)
			after = strings.HasPrefix(line, "\n") || strings.HasPrefix(line, "\r\n") || line == "" && i+2 == len(tokens)
		}
		alone := t.stand && before && after
		if i > 0 && !tokens[i-1].tag {
			prev := &tokens[i-1].text
			if t.trimL {
				*prev = strings.TrimRight(*prev, " \t\r\n")
			} else if alone {
				*prev = strings.TrimRight(*prev, blank)
			}
		}
		if i+1 < len(tokens) && !tokens[i+1].tag {
			next := &tokens[i+1].text
			if t.trimR {
				*next = strings.TrimLeft(*next, " \t\r\n")
			} else if alone {
				rest := strings.TrimLeft(*next, blank)
				*next = strings.TrimPrefix(strings.TrimPrefix(rest, "\r"), "\n")
			}
		}
	}
}

type templateParser struct {
	tokens []templateToken
	pos    int
}

// until reads nodes up to a tag that ends or parts a block, which it returns
// without its braces.
func (p *templateParser) until(depth int) (nodes []templateNode, end string, err error) {
	if depth > maxNesting {
		return nil, "", errors.New("the template nests too deeply")
	}
	for p.pos < len(p.tokens) {
		t := p.tokens[p.pos]
		p.pos++
		node := templateNode{kind: textNode, text: t.text}
		switch {
		case !t.tag:
		case t.text == "!":
			continue
		case strings.HasPrefix(t.text, "/") || t.text == "else" || t.text == "^" || strings.HasPrefix(t.text, "else "):
			return nodes, t.text, nil
		case strings.HasPrefix(t.text, "#"):
			node, err = p.block(strings.TrimSpace(t.text[1:]), depth)
		case strings.HasPrefix(t.text, ">"):
			node = templateNode{kind: partialNode}
			node.call, _, err = parseCall(t.text[1:])
		default:
			node = templateNode{kind: valueNode, raw: t.raw || strings.HasPrefix(t.text, "&")}
			node.call, _, err = parseCall(strings.TrimPrefix(t.text, "&"))
			if err == nil && node.call.isLiteral {
				err = fmt.Errorf("{{%s}} is a literal, not a name", t.text)
			}
		}
		if err != nil {
			return nil, "", err
		}
		nodes = append(nodes, node)
	}
	return nodes, "", nil
}

// block reads a block of which the opening tag has the given text.
func (p *templateParser) block(open string, depth int) (node templateNode, err error) {
	node.kind = blockNode
	closing := ""
	switch {
	case strings.HasPrefix(open, ">"):
		node.kind = partialNode
		open = open[1:]
	case strings.HasPrefix(open, "*"):
		node.kind, closing = inlineNode, "inline"
		open = open[1:]
	}
	if node.call, node.names, err = parseCall(open); err != nil {
		return node, err
	}
	if node.kind == inlineNode {
		if node.call.path != "inline" || len(node.call.params) != 1 || !node.call.params[0].isLiteral {
			return node, errors.New("expected {{#*inline \"name\"}}")
		}
		node.text = templateText(node.call.params[0].literal)
	}
	if closing == "" {
		closing = node.call.path
	}
	return node, p.bodies(&node, closing, depth)
}

// bodies reads what is in a block, and behind {{else}}.
func (p *templateParser) bodies(node *templateNode, closing string, depth int) error {
	body, end, err := p.until(depth + 1)
	if err != nil {
		return err
	}
	node.body = body
	chain, isChain := strings.CutPrefix(end, "else ")
	switch {
	case end == "/"+closing:
		if node.kind == partialNode && node.body == nil {
			node.body = []templateNode{}
		}
		return nil
	case end == "else" || end == "^":
		node.inverse, end, err = p.until(depth + 1)
		if err == nil && end != "/"+closing {
			err = fmt.Errorf("{{#%s}} ends with {{%s}}", closing, end)
		}
		return err
	case isChain:
		inner := templateNode{kind: blockNode}
		if inner.call, inner.names, err = parseCall(chain); err != nil {
			return err
		}
		err = p.bodies(&inner, closing, depth+1)
		node.inverse = []templateNode{inner}
		return err
	case end == "":
		return fmt.Errorf("{{#%s}} has no end", closing)
	}
	return fmt.Errorf("{{#%s}} ends with {{%s}}", closing, end)
}

// parseCall reads a name with its values, and the names behind as.
func parseCall(s string) (*templateCall, []string, error) {
	r := &callReader{rest: s}
	c, err := r.call("")
	if err != nil {
		return nil, nil, err
	}
	var names []string
	if rest, ok := strings.CutPrefix(r.rest, "as |"); ok {
		list, _, found := strings.Cut(rest, "|")
		if names = strings.Fields(list); !found || len(names) == 0 {
			return nil, nil, errors.New("expected as |name|")
		}
		r.rest = ""
	}
	if r.rest != "" {
		return nil, nil, fmt.Errorf("%q is not expected", r.rest)
	}
	return c, names, nil
}

type callReader struct {
	rest  string
	depth int
}

func (r *callReader) space() { r.rest = strings.TrimLeft(r.rest, " \t\r\n") }

// call reads a name and values up to the end, or to the given closing character.
func (r *callReader) call(closing string) (*templateCall, error) {
	if r.depth++; r.depth > maxNesting {
		return nil, errors.New("the call nests too deeply")
	}
	defer func() { r.depth-- }()
	c, err := r.operand()
	if err != nil {
		return nil, err
	}
	c.isParam = false
	for {
		r.space()
		if r.rest == "" || strings.HasPrefix(r.rest, "as |") || closing != "" && strings.HasPrefix(r.rest, closing) {
			return c, nil
		}
		name := r.rest[:len(r.rest)-len(strings.TrimLeftFunc(r.rest, isPathRune))]
		if rest, ok := strings.CutPrefix(r.rest[len(name):], "="); ok && name != "" {
			r.rest = rest
			v, err := r.operand()
			if err != nil {
				return nil, err
			}
			c.hash = append(c.hash, hashPair{name, v})
			continue
		}
		v, err := r.operand()
		if err != nil {
			return nil, err
		}
		c.params = append(c.params, v)
	}
}

func isPathRune(r rune) bool { return r > ' ' && !strings.ContainsRune("{}()|=~\"'!#&,;`\\^*+%", r) }

// operand reads a literal, a path or a call in parentheses.
func (r *callReader) operand() (*templateCall, error) {
	r.space()
	if rest, ok := strings.CutPrefix(r.rest, "("); ok {
		r.rest = rest
		c, err := r.call(")")
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(r.rest, ")") {
			return nil, errors.New("a parenthesis has no end")
		}
		r.rest = r.rest[1:]
		return c, nil
	}
	if r.rest != "" && (r.rest[0] == '"' || r.rest[0] == '\'') {
		text, rest, ok := strings.Cut(r.rest[1:], r.rest[:1])
		if !ok {
			return nil, errors.New("a str has no end")
		}
		r.rest = rest
		return &templateCall{isLiteral: true, literal: text}, nil
	}
	end := 0
	for end < len(r.rest) {
		if r.rest[end] == '[' {
			n := strings.IndexByte(r.rest[end:], ']')
			if n < 0 {
				return nil, errors.New("[ has no end")
			}
			end += n + 1
			continue
		}
		n := len(r.rest[end:]) - len(strings.TrimLeftFunc(r.rest[end:], func(c rune) bool { return c != '[' && isPathRune(c) }))
		if n == 0 {
			break
		}
		end += n
	}
	path := r.rest[:end]
	r.rest = r.rest[end:]
	switch path {
	case "":
		return nil, errors.New("a name is missing")
	case "true", "false":
		return &templateCall{isLiteral: true, literal: path == "true"}, nil
	case "null":
		return &templateCall{isLiteral: true}, nil
	}
	if n, err := strconv.ParseInt(path, 10, 64); err == nil {
		return &templateCall{isLiteral: true, literal: n}, nil
	}
	if f, err := strconv.ParseFloat(path, 64); err == nil && strings.IndexByte("-0123456789", path[0]) >= 0 {
		return &templateCall{isLiteral: true, literal: f}, nil
	}
	for i, step := range templateSteps(path) {
		if step == "" && i > 0 || i > 0 && step == ".." && templateSteps(path)[i-1] != ".." && templateSteps(path)[i-1] != "@.." {
			return nil, fmt.Errorf("%s is no path", path)
		}
	}
	return &templateCall{path: path, isParam: true}, nil
}

// templateSteps parts a path at . and /, but not within brackets.
func templateSteps(path string) []string {
	var steps []string
	for path != "" {
		switch {
		case strings.HasPrefix(path, "["):
			inner, rest, _ := strings.Cut(path[1:], "]")
			steps, path = append(steps, inner), rest
		case strings.HasPrefix(path, "..") || strings.HasPrefix(path, "@.."):
			n := strings.Index(path, "..") + 2
			steps, path = append(steps, path[:n]), path[n:]
		case path == "." || strings.HasPrefix(path, "./"):
			steps, path = append(steps, "."), path[1:]
		default:
			n := strings.IndexAny(path, "./")
			if n < 0 {
				n = len(path)
			}
			steps, path = append(steps, path[:n]), path[n:]
		}
		if path != "" {
			if path[0] != '.' && path[0] != '/' {
				continue
			}
			if path = path[1:]; path == "" {
				steps = append(steps, "")
			}
		}
	}
	return steps
}

package eval

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/kcl/syntax"
)

// yamlModule encodes values and decodes documents.
func yamlModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"encode":           func(c *call) Value { return c.newStr(c.ev.encodeYAML(c.value(0, "data"), c.yamlEncoding(1), c.at)) },
		"encode_all":       func(c *call) Value { return c.newStr(c.yamlTexts(c.list(0, "data"), c.yamlEncoding(1))) },
		"decode":           yamlDecode,
		"decode_all":       yamlDecodeAll,
		"validate":         yamlValidate,
		"dump_to_file":     yamlDump,
		"dump_all_to_file": yamlDumpAll,
	}
}

// yamlEncoding reads the options of an encoder, of which argument i is the first.
func (c *call) yamlEncoding(i int) encoding {
	return encoding{sortKeys: c.flag(i, "sort_keys"), hidePrivate: c.flag(i+1, "ignore_private"), leaveOutNone: c.flag(i+2, "ignore_none")}
}

// yamlText writes v as interpolation shows it with #yaml.
func (ev *evaluator) yamlText(v Value, at syntax.Range) string {
	return ev.encodeYAML(v, encoding{}, at)
}

// encodeYAML writes v as one document.
func (ev *evaluator) encodeYAML(v Value, enc encoding, at syntax.Range) string {
	var b strings.Builder
	WriteYAML(&b, ev.encode(v, enc, at))
	return b.String()
}

// yamlTexts writes several documents with a separator and an empty line between them.
func (c *call) yamlTexts(values []Value, enc encoding) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString("\n---\n")
		}
		if tooLong(&b) {
			break
		}
		b.WriteString(c.ev.encodeYAML(v, enc, c.at))
	}
	return b.String()
}

func yamlDump(c *call) Value {
	return c.writeFile(c.text(1, "filename"), c.ev.encodeYAML(c.value(0, "data"), c.yamlEncoding(2), c.at), Undefined{})
}

func yamlDumpAll(c *call) Value {
	return c.writeFile(c.text(1, "filename"), c.yamlTexts(c.list(0, "data"), c.yamlEncoding(2)), Undefined{})
}

func yamlDecode(c *call) Value {
	docs, err := c.yamlDocuments(c.text(0, "value"), true)
	switch {
	case err != nil:
		return c.errorf("%v", err)
	case len(docs) > 1:
		return c.errorf("the text has %d documents; use decode_all", len(docs))
	}
	return docs[0]
}

func yamlDecodeAll(c *call) Value {
	docs, err := c.yamlDocuments(c.text(0, "value"), false)
	if err != nil {
		return c.errorf("%v", err)
	}
	return c.newList(docs)
}

func yamlValidate(c *call) Value {
	_, err := c.yamlDocuments(c.text(0, "value"), false)
	return Bool(err == nil)
}

// yamlVersion matches a directive that the parser does not know; versions 1.1
// and 1.2 have the same syntax.
var yamlVersion = lazyregexp.New(`(?m)^(%YAML +)1\.2( *(?:#.*)?\r?)$`)

// yamlDocuments reads all documents of a text; an empty one has one, None.
func (c *call) yamlDocuments(s string, viaJSON bool) ([]Value, error) {
	if c.read(s, readSize/2); c.failed {
		return []Value{bad{}}, nil
	}
	dec := yaml.NewDecoder(strings.NewReader(yamlVersion().ReplaceAllString(strings.TrimPrefix(s, "\ufeff"), "${1}1.1$2")))
	var docs []Value
	for {
		var node yaml.Node
		err := dec.Decode(&node)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
		}
		most := min(maxSize, 100*len(s)+1000)
		r := yamlReader{left: most, viaJSON: viaJSON, open: map[*yaml.Node]bool{}}
		v, err := r.value(&node, maxNesting+1)
		if err != nil {
			return nil, err
		}
		if !c.ev.grow(most-r.left, c.at) {
			return []Value{bad{}}, nil
		}
		docs = append(docs, v)
	}
	if len(docs) == 0 {
		docs = []Value{None{}}
	}
	return docs, nil
}

// yamlReader makes values of nodes. Aliases are followed, so a small document
// may stand for a large value: left counts what it may still be.
type yamlReader struct {
	left    int
	viaJSON bool                // floats are read as JSON's are
	open    map[*yaml.Node]bool // that are being read: an alias to one has no end
}

func (r *yamlReader) value(n *yaml.Node, depth int) (Value, error) {
	if r.left--; r.left < 0 || depth < 0 {
		return nil, fmt.Errorf("line %d: the document nests or repeats too much", n.Line)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.value(n.Content[0], depth)
	case yaml.AliasNode:
		if r.open[n.Alias] {
			return nil, fmt.Errorf("line %d: *%s is part of itself", n.Line, n.Value)
		}
		return r.value(n.Alias, depth)
	case yaml.ScalarNode:
		v, err := taggedScalar(n)
		if f, ok := v.(Float); ok && r.viaJSON {
			v = Float(readFloat(jsonFloat(float64(f))))
		}
		return v, err
	}
	if tag := n.ShortTag(); n.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(tag, "!!") {
		return nil, fmt.Errorf("line %d: %s is not known", n.Line, tag)
	}
	r.open[n] = true
	defer delete(r.open, n)
	if n.Kind == yaml.SequenceNode {
		l := listOf()
		for _, elem := range n.Content {
			v, err := r.value(elem, depth-1)
			if err != nil {
				return nil, err
			}
			l.Elems = append(l.Elems, v)
		}
		return l, nil
	}
	d := &Dict{}
	for pair := range slices.Chunk(n.Content, 2) {
		key := pair[0]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key is a str", key.Line)
		}
		v, err := r.value(pair[1], depth-1)
		if err != nil {
			return nil, err
		}
		d.set(&Entry{Key: key.Value, Value: v, Op: syntax.COLON})
	}
	return d, nil
}

// taggedScalar reads a scalar by its tag, else by what a plain one looks like.
func taggedScalar(n *yaml.Node) (Value, error) {
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	if n.Style&yaml.TaggedStyle == 0 {
		if !plain {
			return String(n.Value), nil
		}
		v := resolveScalar(n.Value)
		if v == nil {
			return nil, fmt.Errorf("line %d: the int %s is out of range", n.Line, n.Value)
		}
		return v, nil
	}
	v := resolveScalar(n.Value)
	var ok bool
	switch tag := n.ShortTag(); tag {
	case "!!int":
		_, ok = v.(Int)
	case "!!float":
		if f, isNumber := numberOf(v); isNumber {
			v = Float(f)
		}
		_, ok = v.(Float)
	case "!!bool":
		_, ok = v.(Bool)
	case "!!null":
		_, ok = v.(None)
		ok = ok && n.Value != ""
	default:
		if !strings.HasPrefix(tag, "!!") {
			return nil, fmt.Errorf("line %d: %s is not known", n.Line, tag)
		}
		return String(n.Value), nil
	}
	if !ok {
		return nil, fmt.Errorf("line %d: %s is no %s", n.Line, quote(n.Value, '"'), strings.TrimPrefix(n.ShortTag(), "!!"))
	}
	return v, nil
}

func numberOf(v Value) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return number(v)
}

// resolveScalar reads a plain scalar by the core schema of YAML 1.2. An int
// that does not fit a float's range of whole numbers is nil.
func resolveScalar(s string) Value {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return None{}
	case "true", "True", "TRUE":
		return Bool(true)
	case "false", "False", "FALSE":
		return Bool(false)
	case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
		return None{} // JSON, by way of which the reference runtime reads, has no such numbers
	}
	unsigned := strings.TrimPrefix(s, "+")
	if len(unsigned) < len(s) && strings.HasPrefix(unsigned, "-") || strings.HasPrefix(unsigned, "+") {
		return String(s)
	}
	if n, ok := yamlInt(unsigned); ok {
		return n
	}
	if f, ok := parseFloat(unsigned); ok && !zeroPadded(s) && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return Float(f)
	}
	return String(s)
}

// zeroPadded reports whether s has digits and is no number: 0123.
func zeroPadded(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) > 1 && s[0] == '0' && strings.Trim(s, "0123456789") == ""
}

// yamlInt reads an int. One beyond 64 bits is a float, one beyond 65 nil.
func yamlInt(s string) (Value, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	base := 10
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if rest, ok := strings.CutPrefix(digits, prefix); ok {
			digits, base = rest, b
		}
	}
	if digits == "" || zeroPadded(s) && base == 10 || strings.ContainsAny(digits, "+-_") {
		return nil, false
	}
	if negative {
		digits = "-" + digits
	}
	if n, err := strconv.ParseInt(digits, base, 64); err == nil {
		return Int(n), true
	}
	if n, err := strconv.ParseUint(digits, base, 64); err == nil {
		return Float(n), true
	}
	if n, ok := new(big.Int).SetString(digits, base); ok && len(digits) <= 128 && n.BitLen() <= 128 {
		return nil, true
	}
	return nil, false
}

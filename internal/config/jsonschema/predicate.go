package jsonschema

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
)

// predicate is a condition on one value.
type predicate struct {
	schema object         // of the values for which it holds
	exact  bool           // of no others
	holds  func(any) bool // for a constant, nil for None, or undefined
}

// undefined is the value of an attribute that has none.
type undefined struct{}

// subject returns the path to the value that an expression names, and its type.
// An empty path is the element of a quantifier.
func (t *translator) subject(x syntax.Expr) (path []string, shape eval.TypeShape, ok bool) {
	switch x := x.(type) {
	case *syntax.Ident:
		if x.Name == t.element && t.element != "" {
			return nil, t.shape, true
		}
		if t.element != "" || !t.schema.Declares(x.Name) {
			return nil, shape, false
		}
		return []string{x.Name}, eval.Shape(attribute(t.schema, x.Name).Type), true
	case *syntax.Selector:
		path, shape, ok := t.subject(x.X)
		if !ok || shape.Schema == nil || !shape.Schema.Declares(x.Name.Text) {
			return nil, shape, false
		}
		return append(path, x.Name.Text), eval.Shape(attribute(shape.Schema, x.Name.Text).Type), true
	case *syntax.Paren:
		return t.subject(x.X)
	}
	return nil, shape, false
}

// place says of an instance what a predicate says of the value at a path.
func (t *translator) place(path []string, p *predicate) rule {
	if len(path) == 0 {
		return rule{p.schema, p.exact}
	}
	schema := t.schema
	if t.element != "" {
		schema = t.shape.Schema
	}
	return below(schema, path, p)
}

// below is place for an instance of the given schema. An attribute that is not
// given has its default.
func below(s *eval.Schema, path []string, p *predicate) rule {
	a := attribute(s, path[0])
	value := rule{p.schema, p.exact}
	if len(path) > 1 {
		inner := below(eval.Shape(a.Type).Schema, path[1:], p)
		if inner.schema == nil {
			return rule{}
		}
		value = rule{object{"allOf": []object{{"type": "object"}, inner.schema}}, inner.exact}
		if p.holds(undefined{}) { // what a missing block does not have
			value.schema = object{"anyOf": []object{{"type": "null"}, inner.schema}}
		}
	}
	r := rule{object{"properties": object{path[0]: value.schema}}, value.exact}
	holds, known := absent(s, path, p)
	switch {
	case !known:
		r.exact = false
	case !holds:
		r.schema["required"] = []string{path[0]}
	}
	return r
}

// absent evaluates a predicate where the first attribute of the path is not
// given; known is false where its default is not a constant.
func absent(s *eval.Schema, path []string, p *predicate) (holds, known bool) {
	a := attribute(s, path[0])
	v, constant := eval.ConstantValue(a.Default)
	x, instance := a.Default.(*syntax.SchemaExpr)
	switch {
	case a.Default == nil && !a.Optional: // reported as missing
		return true, true
	case a.Default == nil:
		return p.holds(undefined{}), true
	case len(path) == 1 && constant:
		return p.holds(v), true
	case len(path) > 1 && instance && len(x.Config.Entries) == 0 && eval.Shape(a.Type).Schema != nil:
		return absent(eval.Shape(a.Type).Schema, path[1:], p)
	}
	return false, false
}

// predicate translates a condition on one value; nil for any other.
func (t *translator) predicate(x syntax.Expr) (*predicate, []string) {
	switch x := x.(type) {
	case *syntax.Ident, *syntax.Selector:
		if path, shape, ok := t.subject(x); ok {
			return truthy(shape), path
		}
	case *syntax.Compare:
		return t.comparison(x)
	case *syntax.Call:
		return t.call(x)
	}
	return nil, nil
}

// truthy holds for values that count as true.
func truthy(shape eval.TypeShape) *predicate {
	p := &predicate{exact: true, holds: func(v any) bool {
		_, none := v.(undefined)
		return !none && v != nil && v != false && v != "" && v != int64(0) && v != 0.0
	}}
	switch {
	case shape.Basic == "bool":
		p.schema = object{"const": true}
	case shape.Schema != nil:
		p.schema = object{"type": "object"}
	default:
		p.schema = object{"not": object{"enum": []any{nil, false, 0, "", []any{}, object{}}}}
	}
	return p
}

// comparison translates a < b, chains of such, and membership in a list.
func (t *translator) comparison(x *syntax.Compare) (*predicate, []string) {
	var all *predicate
	var path []string
	for i, op := range x.Ops {
		p, at := t.compare(op, x.Operands[i], x.Operands[i+1])
		if p == nil || all != nil && !slices.Equal(path, at) {
			return nil, nil
		}
		if path = at; all == nil {
			all = p
			continue
		}
		first := all
		all = &predicate{
			schema: object{"allOf": []object{first.schema, p.schema}}, exact: first.exact && p.exact,
			holds: func(v any) bool { return first.holds(v) && p.holds(v) },
		}
	}
	return all, path
}

var mirrored = map[syntax.Kind]syntax.Kind{
	syntax.LT: syntax.GT, syntax.GT: syntax.LT, syntax.LE: syntax.GE, syntax.GE: syntax.LE, syntax.EQ: syntax.EQ, syntax.NE: syntax.NE,
}

func (t *translator) compare(op syntax.Kind, left, right syntax.Expr) (*predicate, []string) {
	if _, ok := t.constant(left); ok {
		if op, ok := mirrored[op]; ok {
			return t.compare(op, right, left)
		}
	}
	c, ok := t.constant(right)
	if !ok {
		return nil, nil
	}
	if call, ok := left.(*syntax.Call); ok && isName(call.Fun, "len") && len(call.Args) == 1 {
		path, shape, ok := t.subject(call.Args[0])
		n, isInt := c.(int64)
		if !ok || !isInt {
			return nil, nil
		}
		return length(shape, op, n), path
	}
	path, _, ok := t.subject(left)
	if !ok {
		return nil, nil
	}
	switch op {
	case syntax.EQ:
		return member([]any{c}), path
	case syntax.NE:
		return inverse(member([]any{c})), path
	case syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		return bound(op, c), path
	}
	list, ok := c.([]any)
	switch {
	case ok && op == syntax.IN:
		return member(list), path
	case ok && op == syntax.NOT_IN:
		return inverse(member(list)), path
	}
	return nil, nil
}

// member holds for the values of a list.
func member(list []any) *predicate {
	enum := slices.DeleteFunc(slices.Clone(list), func(v any) bool { _, is := v.(undefined); return is })
	p := &predicate{schema: object{"enum": enum}, exact: true, holds: func(v any) bool { return slices.Contains(list, v) }}
	if len(enum) == 0 {
		p.schema = object{"not": object{}}
	}
	return p
}

func inverse(p *predicate) *predicate {
	r := not(rule{p.schema, p.exact})
	return &predicate{r.schema, r.exact, func(v any) bool { return !p.holds(v) }}
}

// bound holds for numbers on one side of another.
func bound(op syntax.Kind, c any) *predicate {
	key := map[syntax.Kind]string{syntax.LT: "exclusiveMaximum", syntax.LE: "maximum", syntax.GT: "exclusiveMinimum", syntax.GE: "minimum"}[op]
	limit, ok := number(c)
	if !ok {
		return nil
	}
	return &predicate{object{"type": "number", key: c}, true, func(v any) bool {
		n, ok := number(v)
		return ok && compared(op, n, limit)
	}}
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return math.NaN(), false
}

func compared(op syntax.Kind, a, b float64) bool {
	switch op {
	case syntax.LT:
		return a < b
	case syntax.LE:
		return a <= b
	case syntax.GT:
		return a > b
	case syntax.GE:
		return a >= b
	case syntax.EQ:
		return a == b
	}
	return a != b
}

// length holds for texts, lists and dicts of a size. KCL counts the bytes of a
// text and JSON Schema its characters: only being empty is the same for both.
func length(shape eval.TypeShape, op syntax.Kind, n int64) *predicate {
	kind, unit := "string", "Length"
	switch {
	case shape.List != nil:
		kind, unit = "array", "Items"
	case shape.Dict != nil:
		kind, unit = "object", "Properties"
	case shape.Basic != "str":
		return nil
	}
	least, most := int64(0), int64(math.MaxInt64)
	switch op {
	case syntax.GT:
		least = n + 1
	case syntax.GE:
		least = n
	case syntax.LT:
		most = n - 1
	case syntax.LE:
		most = n
	case syntax.EQ:
		least, most = n, n
	case syntax.NE:
		if n != 0 {
			return nil
		}
		least = 1
	default:
		return nil
	}
	p := &predicate{schema: object{"type": kind}, exact: kind != "string" || least <= 1 && (most == 0 || most == math.MaxInt64)}
	if kind == "string" && least > 1 { // a character has up to four bytes
		least = (least + 3) / 4
	}
	if least > 0 {
		p.schema["min"+unit] = least
	}
	if most < math.MaxInt64 {
		p.schema["max"+unit] = max(most, 0)
	}
	p.holds = func(v any) bool {
		s, ok := v.(string)
		return ok && compared(op, float64(len(s)), float64(n))
	}
	return p
}

// call translates regex.match, startswith and endswith.
func (t *translator) call(x *syntax.Call) (*predicate, []string) {
	fun, ok := x.Fun.(*syntax.Selector)
	if !ok {
		return nil, nil
	}
	text, expr := fun.X, ""
	switch {
	case isName(fun.X, "regex") && fun.Name.Text == "match" && len(x.Args) == 2:
		text = x.Args[0]
		c, _ := t.constant(x.Args[1])
		if expr, ok = c.(string); !ok || !portable(expr) {
			return nil, nil
		}
	case len(x.Args) == 1 && (fun.Name.Text == "startswith" || fun.Name.Text == "endswith"):
		c, _ := t.constant(x.Args[0])
		affix, ok := c.(string)
		if !ok {
			return nil, nil
		}
		if expr = "^" + regexp.QuoteMeta(affix); fun.Name.Text == "endswith" {
			expr = regexp.QuoteMeta(affix) + "$"
		}
	default:
		return nil, nil
	}
	path, shape, ok := t.subject(text)
	re, err := regexp.Compile(expr)
	if !ok || err != nil || shape.Basic != "str" {
		return nil, nil
	}
	return &predicate{object{"type": "string", "pattern": expr}, true, func(v any) bool {
		s, ok := v.(string)
		return ok && re.MatchString(s)
	}}, path
}

// notECMA is what patterns may have in KCL and not in JSON Schema, or with
// another meaning.
var notECMA = regexp.MustCompile(`\(\?[^:]|\\[AzZQEpPCaxh<>]|\[\[:|\\[0-9]|[*+?}]\+`)

func portable(pattern string) bool {
	_, err := regexp.Compile(pattern)
	return err == nil && !notECMA.MatchString(strings.ReplaceAll(pattern, `\\`, ""))
}

func isName(x syntax.Expr, name string) bool {
	id, ok := x.(*syntax.Ident)
	return ok && id.Name == name
}

// constant returns the value of an expression that is one: a literal, a list of
// such, or a name that stands for one.
func (t *translator) constant(x syntax.Expr) (any, bool) {
	switch x := x.(type) {
	case *syntax.Paren:
		return t.constant(x.X)
	case *syntax.Unary:
		v, ok := t.constant(x.X)
		switch n := v.(type) {
		case int64:
			return -n, ok && x.Op == syntax.SUB
		case float64:
			return -n, ok && x.Op == syntax.SUB
		}
		return nil, false
	case *syntax.Constant:
		if x.Kind == syntax.UNDEFINED {
			return undefined{}, true
		}
	case *syntax.List:
		list := []any{}
		for _, e := range x.Elems {
			v, ok := t.constant(e)
			if _, nested := v.([]any); !ok || nested {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	case *syntax.Ident:
		named := t.constants[t.source][x.Name]
		if _, again := named.(*syntax.Ident); named == nil || again || x.Name == t.element || t.schema.Declares(x.Name) {
			return nil, false
		}
		return t.constant(named)
	}
	return eval.ConstantValue(x)
}

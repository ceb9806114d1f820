package jsonschema

import (
	"slices"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// rule is what JSON Schema says of a condition. It holds wherever the condition
// does, and is exact when it holds nowhere else.
type rule struct {
	schema object // nil for one that says nothing
	exact  bool
}

// checks adds the checks of a schema to its definition, each with its message,
// and notes the ones that are not expressed in full.
func (g *generator) checks(s *eval.Schema, def object) {
	var all []object
	for _, c := range s.Checks() {
		t := &translator{generator: g, schema: s, source: c.Source}
		r := t.rule(c.Cond)
		if c.Guard != nil {
			r = t.implies(c.Guard, r)
		}
		message := c.Cond.At().Text()
		if m, ok := c.Message.(*syntax.String); ok {
			message = m.Value
		}
		if !r.exact && !slices.Contains(g.missed, message) {
			g.missed = append(g.missed, message)
		}
		if r.schema == nil || into(def["properties"].(object), r.schema) {
			continue
		}
		all = append(all, join(object{"$comment": message}, r.schema))
	}
	if all != nil {
		def["allOf"] = all
	}
}

// into moves a rule about the value of one attribute to where the attribute is
// described, if nothing there says the like.
func into(properties, schema object) bool {
	inner, ok := schema["properties"].(object)
	if !ok || len(schema) != 1 || len(inner) != 1 {
		return false
	}
	for name, value := range inner {
		p, _ := properties[name].(object)
		value := value.(object)
		if p == nil || p["type"] == nil {
			return false
		}
		for key, v := range value {
			if key != "type" && p[key] != nil || key == "type" && p[key] != v && !(v == "number" && p[key] == "integer") {
				return false
			}
		}
		for key, v := range value {
			if key != "type" {
				p[key] = v
			}
		}
	}
	return true
}

// join returns both objects as one; their keys differ.
func join(a, b object) object {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// translator turns the conditions of one check into rules about an instance, or
// in the body of a quantifier about one element.
type translator struct {
	*generator
	schema  *eval.Schema
	source  *syntax.Source
	element string         // the variable of a quantifier; "" outside
	shape   eval.TypeShape // of the element
}

// constants returns the names that each source may use for a constant.
func constants(p *program.Program) map[*syntax.Source]map[string]syntax.Expr {
	all := map[*syntax.Source]map[string]syntax.Expr{}
	for _, pkg := range p.Packages {
		names := map[string]syntax.Expr{}
		for _, f := range pkg.Files {
			all[f.Source] = names
			for _, stmt := range f.Body {
				a, ok := stmt.(*syntax.Assign)
				if !ok || len(a.Targets) != 1 || len(a.Targets[0].Path) > 0 {
					continue
				}
				name := a.Targets[0].Name.Text
				if _, again := names[name]; again {
					names[name] = nil
					continue
				}
				names[name] = a.Value
			}
		}
	}
	return all
}

// rule translates a condition.
func (t *translator) rule(x syntax.Expr) rule {
	switch x := x.(type) {
	case *syntax.Paren:
		return t.rule(x.X)
	case *syntax.Constant:
		if x.Kind == syntax.TRUE {
			return rule{exact: true}
		}
	case *syntax.Unary:
		if x.Op == syntax.NOT {
			return not(t.rule(x.X))
		}
	case *syntax.Binary:
		switch x.Op {
		case syntax.AND:
			return and(t.rule(x.X), t.rule(x.Y))
		case syntax.OR:
			// `not a or b` reads best as: if a then b.
			if n, ok := firstOf(x.X).(*syntax.Unary); ok && n.Op == syntax.NOT {
				return t.implies(n.X, t.rest(x))
			}
			return or(t.rule(x.X), t.rule(x.Y))
		}
	case *syntax.Cond:
		cond := t.rule(x.If)
		return and(implies(cond, t.rule(x.Then)), implies(not(cond), t.rule(x.Else)))
	case *syntax.Quantifier:
		return t.quantifier(x)
	}
	if p, subject := t.predicate(x); p != nil {
		return t.place(subject, p)
	}
	return rule{}
}

// firstOf returns the first operand of a chain of or.
func firstOf(x syntax.Expr) syntax.Expr {
	if b, ok := x.(*syntax.Binary); ok && b.Op == syntax.OR {
		return firstOf(b.X)
	}
	return x
}

// rest translates a chain of or without its first operand.
func (t *translator) rest(x *syntax.Binary) rule {
	if b, ok := x.X.(*syntax.Binary); ok && b.Op == syntax.OR {
		return or(t.rest(b), t.rule(x.Y))
	}
	return t.rule(x.Y)
}

func (t *translator) implies(cond syntax.Expr, then rule) rule { return implies(t.rule(cond), then) }

// implies returns the rule: if cond then r.
func implies(cond, r rule) rule {
	switch {
	case r.schema == nil: // whatever the condition
		return rule{exact: r.exact}
	case !cond.exact: // it may not hold where its rule does
		return rule{}
	case cond.schema == nil:
		return r
	}
	return rule{object{"if": cond.schema, "then": r.schema}, r.exact}
}

func and(a, b rule) rule {
	exact := a.exact && b.exact
	switch {
	case a.schema == nil:
		return rule{b.schema, exact}
	case b.schema == nil:
		return rule{a.schema, exact}
	}
	// Bounds of the same value make one rule.
	if name, p, ok := only(a.schema); ok {
		if other, q, ok := only(b.schema); ok && name == other && apart(p, q) {
			return rule{object{"properties": object{name: join(p, q)}}, exact}
		}
	}
	return rule{object{"allOf": append(parts("allOf", a.schema), parts("allOf", b.schema)...)}, exact}
}

func or(a, b rule) rule {
	if a.schema == nil || b.schema == nil {
		return rule{exact: a.schema == nil && a.exact || b.schema == nil && b.exact}
	}
	return rule{object{"anyOf": append(parts("anyOf", a.schema), parts("anyOf", b.schema)...)}, a.exact && b.exact}
}

// not inverts an exact rule; the opposite of another one is not known.
func not(r rule) rule {
	switch {
	case !r.exact:
		return rule{}
	case r.schema == nil:
		return rule{object{"not": object{}}, true}
	}
	if inner, ok := r.schema["not"].(object); ok && len(r.schema) == 1 {
		return rule{inner, true}
	}
	return rule{object{"not": r.schema}, true}
}

// parts returns what a list of alternatives or conjuncts consists of.
func parts(key string, schema object) []object {
	if list, ok := schema[key].([]object); ok && len(schema) == 1 {
		return list
	}
	return []object{schema}
}

// only returns the attribute that a rule is about, if it is about one value.
func only(schema object) (string, object, bool) {
	properties, ok := schema["properties"].(object)
	if !ok || len(schema) != 1 || len(properties) != 1 {
		return "", nil, false
	}
	for name, p := range properties {
		return name, p.(object), true
	}
	return "", nil, false
}

// apart reports whether two descriptions can be joined.
func apart(p, q object) bool {
	for k, v := range q {
		if old, ok := p[k]; ok && (k != "type" || old != v) {
			return false
		}
	}
	return true
}

// quantifier translates `all x in xs {...}` and `any`.
func (t *translator) quantifier(x *syntax.Quantifier) rule {
	path, shape, ok := t.subject(x.Over)
	if !ok || x.If != nil || x.Op != syntax.ALL && x.Op != syntax.ANY {
		return rule{}
	}
	inner := *t
	var p predicate
	switch last := x.Vars[len(x.Vars)-1].Text; {
	case shape.List != nil:
		inner.element, inner.shape = last, eval.Shape(shape.List)
		r := inner.rule(x.Body)
		if len(x.Vars) > 1 || r.schema == nil {
			return rule{exact: false}
		}
		p.exact = r.exact
		if p.schema = (object{"type": "array", "items": r.schema}); x.Op == syntax.ANY {
			p.schema = object{"type": "array", "contains": r.schema}
		}
	case shape.Dict != nil && x.Op == syntax.ALL:
		keys := inner
		inner.element, inner.shape = last, eval.Shape(shape.Dict)
		keys.element, keys.shape = x.Vars[0].Text, eval.TypeShape{Basic: "str"}
		if len(x.Vars) == 1 {
			inner.element = "" // the only variable is the key
		}
		if r := inner.rule(x.Body); r.schema != nil {
			p = predicate{schema: object{"type": "object", "additionalProperties": r.schema}, exact: r.exact}
		} else if r := keys.rule(x.Body); r.schema != nil {
			p = predicate{schema: object{"type": "object", "propertyNames": r.schema}, exact: r.exact}
		}
	}
	if p.schema == nil {
		return rule{}
	}
	p.holds = func(any) bool { return x.Op == syntax.ALL }
	return t.place(path, &p)
}

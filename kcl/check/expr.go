package check

import (
	"math"
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// expr checks an expression and returns the type of its value: any where
// nothing is known of it, as after a fault.
func (c *checker) expr(x syntax.Expr) *typ {
	if !c.enter() {
		return anyType
	}
	defer c.leave()
	switch x := x.(type) {
	case *syntax.Ident, *syntax.Selector:
		return c.name(x)
	case *syntax.Number:
		return numberType(x)
	case *syntax.String:
		return strLit(x.Value)
	case *syntax.Constant:
		return constType(x.Kind)
	case *syntax.Paren:
		return c.expr(x.X)
	case *syntax.Interpolation:
		return c.interpolation(x)
	case *syntax.Index:
		return c.index(c.expr(x.X), x.I, x.Range)
	case *syntax.Slice:
		return c.slice(x)
	case *syntax.Call:
		return c.call(x)
	case *syntax.Unary:
		return c.unary(x)
	case *syntax.Binary:
		return c.operation(x)
	case *syntax.Compare:
		return c.compare(x)
	case *syntax.Cast:
		return c.cast(x)
	case *syntax.Cond:
		c.expr(x.If)
		return join(c.expr(x.Then), c.expr(x.Else))
	case *syntax.List:
		return c.list(x.Elems)
	case *syntax.Star:
		return c.star(x)
	case *syntax.IfElem:
		return c.ifElem(x)
	case *syntax.ListComp:
		return c.listComp(x)
	case *syntax.DictComp:
		return c.dictComp(x)
	case *syntax.Config:
		return c.entries(x.Entries)
	case *syntax.SchemaExpr:
		return c.schemaExpr(x)
	case *syntax.Lambda:
		return c.lambda(x)
	case *syntax.Quantifier:
		return c.quantifier(x)
	}
	return anyType
}

// optional checks an expression that need not be there.
func (c *checker) optional(x syntax.Expr) {
	if x != nil {
		c.expr(x)
	}
}

func strLit(text string) *typ { return &typ{kind: kindStrLit, text: text} }

func numberType(n *syntax.Number) *typ {
	switch {
	case n.Suffix != "":
		return &typ{kind: kindMultiplier, text: n.Text()}
	case n.IsFloat:
		return &typ{kind: kindFloatLit, bits: int64(math.Float64bits(n.Float))}
	}
	return &typ{kind: kindIntLit, bits: n.Int}
}

func constType(k syntax.Kind) *typ {
	switch k {
	case syntax.TRUE:
		return trueType
	case syntax.FALSE:
		return falseType
	}
	return noneType
}

// name checks a name, or the selection of a member.
func (c *checker) name(x syntax.Expr) *typ {
	if names := path(x); names != nil {
		return c.resolvePath(names)
	}
	sel, ok := x.(*syntax.Selector)
	if !ok || sel.Name == nil {
		return anyType
	}
	t := c.expr(sel.X)
	if t.kind == kindModule && sel.Optional {
		c.report(diag.WrongType, sel.Name.Range, "the names of a package cannot be optional").WithHint("write .%s", sel.Name.Text)
		return anyType
	}
	t = c.member(t, sel.Name.Text, sel.Name.Range)
	// The reference binds the names of methods too, so it has no word for a
	// later use of such a name on its own.
	if t.kind == kindFunc && c.lookup(sel.Name.Text) == nil {
		c.bind(sel.Name.Text, anyType, sel.Name.Range)
	}
	return t
}

func (c *checker) interpolation(x *syntax.Interpolation) *typ {
	for _, part := range x.Parts {
		if part.X == nil {
			continue
		}
		if part.Format != "" && part.Format != "json" && part.Format != "yaml" {
			c.report(diag.Syntax, part.X.At(), "there is no format %s", part.Format).WithHint("the formats are #json and #yaml")
		}
		c.expr(part.X)
	}
	return strType
}

// within checks what is inside a list or an entry, for which the innermost
// expected type says what is expected there.
func (c *checker) within(key string, check func() *typ) *typ {
	c.expected = append(c.expected, c.expectedAt(key))
	t := check()
	c.expected = c.expected[:len(c.expected)-1]
	return t
}

// elementKey is the key under which an element of a list is looked up.
const elementKey = "[]"

func (c *checker) list(elems []syntax.Expr) *typ {
	return c.within(elementKey, func() *typ {
		if c.sameSchema(elems) {
			return listOf(c.instances(elems))
		}
		types := make([]*typ, len(elems))
		for i, elem := range elems {
			types[i] = c.expr(elem)
		}
		return listOf(join(types...))
	})
}

// manyInstances is the length from which on the reference takes a list of
// instances of one schema for a list of anything.
const manyInstances = 11

func (c *checker) sameSchema(elems []syntax.Expr) bool {
	if len(elems) < manyInstances {
		return false
	}
	var first *schema
	for _, elem := range elems {
		x, ok := elem.(*syntax.SchemaExpr)
		if !ok {
			return false
		}
		names := path(x.Schema)
		if len(names) == 0 || c.lookup(names[0].Text) == nil {
			return false
		}
		t := c.resolvePath(names)
		if t.kind != kindSchema || first != nil && t.schema != first {
			return false
		}
		first = t.schema
	}
	return true
}

func (c *checker) instances(elems []syntax.Expr) *typ {
	for _, elem := range elems {
		x := elem.(*syntax.SchemaExpr)
		if t := c.resolvePath(path(x.Schema)); x.Config != nil {
			c.expected = append(c.expected, t)
			c.expr(x.Config)
			c.expected = c.expected[:len(c.expected)-1]
		}
	}
	return anyType
}

// star checks `*x` in a list and returns the type of the elements it adds.
func (c *checker) star(x *syntax.Star) *typ {
	t := c.expr(x.X)
	elem, ok := unpacked(t)
	if !ok {
		c.report(diag.WrongType, x.Range, "only a list or dict can be unpacked with *, not %s", describe(t))
	}
	return elem
}

func unpacked(t *typ) (*typ, bool) {
	switch t.kind {
	case kindAny, kindNone:
		return t, true
	case kindList:
		return t.elem, true
	case kindDict, kindSchema:
		return t.keyType(), true
	case kindUnion:
		types, all := make([]*typ, len(t.union.types)), true
		for i, u := range t.union.types {
			var ok bool
			types[i], ok = unpacked(u)
			all = all && ok
		}
		return join(types...), all
	}
	return anyType, false
}

// ifElem checks an if-entry of a list and returns the type of its elements.
func (c *checker) ifElem(x *syntax.IfElem) *typ {
	c.expr(x.Cond)
	types := make([]*typ, 0, len(x.Then)+1)
	switch {
	case len(x.Else) == 0:
		types = append(types, anyType)
	default:
		elif, ok := x.Else[0].(*syntax.IfElem)
		var t *typ
		if ok && len(x.Else) == 1 {
			t = c.ifElem(elif)
		} else { // a list of its own for the reference
			t = c.list(x.Else)
		}
		if t.kind == kindList {
			t = t.elem
		}
		types = append(types, t)
	}
	for _, elem := range x.Then {
		types = append(types, c.expr(elem))
	}
	return join(types...)
}

// loop binds the variables of a comprehension clause.
func (c *checker) loop(vars []*syntax.Name, over syntax.Expr, t *typ) {
	for _, v := range vars {
		if v != nil {
			c.loops = append(c.loops, v.Text)
			c.bind(v.Text, anyType, v.Range)
		}
	}
	if t.isAny() || len(vars) == 0 || slices.Contains(vars, nil) {
		return
	}
	var first, second []*typ
	t.all(func(u *typ) bool {
		switch {
		case u.kind == kindList && len(vars) > 1:
			first, second = append(first, intType), append(second, u.elem)
		case u.kind == kindList:
			first = append(first, u.elem)
		case u.isConfig():
			first, second = append(first, u.keyType()), append(second, u.valueType())
		case u.isStr() && len(vars) > 1:
			first, second = append(first, intType), append(second, strType)
		case u.isStr():
			first = append(first, strType)
		case !u.isAny():
			c.report(diag.WrongType, over.At(), "%s is not a list, dict or string to go over", describe(u))
		}
		return true
	})
	if len(first) > 0 {
		c.infer(vars[0].Text, join(first...))
	}
	if len(second) > 0 && len(vars) > 1 {
		c.infer(vars[1].Text, join(second...))
	}
}

func (c *checker) clauses(fors []*syntax.For) {
	for _, f := range fors {
		if f == nil || f.Over == nil {
			continue
		}
		c.loop(f.Vars, f.Over, c.expr(f.Over))
		for _, cond := range f.Ifs {
			c.expr(cond)
		}
	}
}

func (c *checker) listComp(x *syntax.ListComp) *typ {
	return c.within(elementKey, func() *typ {
		c.push()
		defer c.pop()
		c.clauses(x.Fors)
		if star, ok := x.Elem.(*syntax.Star); ok {
			c.report(diag.WrongType, star.Range, "a comprehension cannot unpack its elements")
		}
		return listOf(c.expr(x.Elem))
	})
}

func (c *checker) dictComp(x *syntax.DictComp) *typ {
	c.push()
	defer c.pop()
	c.clauses(x.Fors)
	e := x.Entry
	if e == nil || e.Key == nil {
		return dictOf(anyType, anyType)
	}
	key := c.expr(e.Key)
	c.checkKey(key, e.Key)
	if name, known := entryKey(e.Key); known {
		return dictOf(key, c.within(name, func() *typ { return c.expr(e.Value) }))
	}
	return dictOf(key, c.expr(e.Value))
}

func (c *checker) quantifier(x *syntax.Quantifier) *typ {
	over := c.expr(x.Over)
	c.push()
	defer c.pop()
	if x.Over != nil {
		c.loop(x.Vars, x.Over, over)
	}
	c.optional(x.If)
	body := c.expr(x.Body)
	switch x.Op {
	case syntax.ALL, syntax.ANY:
		return boolType
	case syntax.FILTER:
		return over
	}
	return listOf(body)
}

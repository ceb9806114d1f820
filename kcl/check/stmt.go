package check

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// stmts checks the statements of a block and returns the type of the last.
func (c *checker) stmts(list []syntax.Stmt) *typ {
	t := anyType
	for _, stmt := range list {
		t = c.stmt(stmt)
	}
	return t
}

func (c *checker) stmt(stmt syntax.Stmt) *typ {
	if !c.enter() {
		return anyType
	}
	defer c.leave()
	switch stmt := stmt.(type) {
	case *syntax.Import:
		if c.level > 0 && c.body != nil {
			c.report(diag.ImportFailed, stmt.Range, "an import cannot stand in a schema").WithHint("move it to the top of the file")
		}
	case *syntax.Assign:
		return c.assignStmt(stmt)
	case *syntax.AugAssign:
		return c.augAssign(stmt)
	case *syntax.Unify:
		return c.unify(stmt, stmt.Target, stmt.Value)
	case *syntax.TypeAlias:
		if c.level > 0 {
			c.declareAlias(stmt)
		}
	case *syntax.Assert:
		c.expr(stmt.Cond)
		c.optional(stmt.Guard)
		if stmt.Message != nil {
			c.must(stmt.Message, strType, "the message of an assertion")
		}
	case *syntax.If:
		c.expr(stmt.Cond)
		return join(c.stmts(stmt.Then), c.stmts(stmt.Else))
	case *syntax.ExprStmt:
		return c.expr(stmt.X)
	case *syntax.Schema:
		c.schemaStmt(stmt)
	case *syntax.Attr:
		c.attrStmt(stmt)
	}
	return anyType
}

// hidden reports whether a name may be given another value.
func hidden(name string) bool { return strings.HasPrefix(name, "_") }

// given remembers that a statement of the package gives a name a value.
func (c *checker) given(t *syntax.Target, value syntax.Expr) {
	_, config := value.(*syntax.SchemaExpr)
	if c.level > 0 {
		return
	}
	if _, known := c.pkg.globals[t.Name.Text]; !known || config || hidden(t.Name.Text) {
		c.pkg.globals[t.Name.Text] = t.Range
	}
}

func (c *checker) assignStmt(stmt *syntax.Assign) *typ {
	c.loops = c.loops[:0]
	value := stmt.Value
	if merged, ok := c.pkg.source.Unified[stmt]; ok {
		if merged == nil {
			return anyType
		}
		value = merged
	}
	var t *typ
	for _, target := range stmt.Targets {
		if target == nil || target.Name == nil || target.Name.Text == "" {
			continue
		}
		c.given(target, value)
		if c.level == 0 && c.pkg.twice[target.Name.Text] {
			c.expr(value)
			continue
		}
		before := len(c.faults)
		if len(target.Path) > 0 {
			c.need(target.Name.Text, target.Name.Range)
		}
		want := c.target(target, true)
		if t == nil {
			t = c.valueFor(want, value, len(target.Path) == 0)
		}
		at := place{targetName(target), value, target.Range}
		if stmt.Type != nil {
			c.checkDeclared(target, stmt.Type, t, want, at, before)
		}
		c.assign(t, want, at, before)
		if len(target.Path) == 0 && stmt.Type == nil && want.isAny() && !t.isAny() {
			c.infer(target.Name.Text, t)
			if c.body != nil {
				c.body.own[target.Name.Text] = widen(t)
			}
		}
	}
	if t == nil {
		t = c.expr(value)
	}
	return t
}

// targetName names what an assignment gives a value.
func targetName(t *syntax.Target) string {
	switch n := len(t.Path); {
	case n == 0:
		return t.Name.Text
	case t.Path[n-1].Name != nil:
		return t.Path[n-1].Name.Text
	}
	return t.Range.Text()
}

// valueFor checks a value for what has type want. Configs in it are held
// against want if that is what the whole value is for.
func (c *checker) valueFor(want *typ, value syntax.Expr, whole bool) *typ {
	if !whole || !structured(want) {
		return c.expr(value)
	}
	c.expected = append(c.expected, want)
	t := c.expr(value)
	c.expected = c.expected[:len(c.expected)-1]
	return t
}

// structured reports whether a type says something of configs.
func structured(t *typ) bool {
	return t.kind == kindSchema || t.kind == kindList || t.kind == kindDict || t.kind == kindUnion
}

// checkDeclared holds a value against the type that its assignment declares,
// and that against the type that the name had.
func (c *checker) checkDeclared(target *syntax.Target, decl syntax.Type, t, want *typ, at place, before int) {
	if want.kind == kindSchema && len(target.Path) == 0 {
		return
	}
	declared := c.typeOf(decl)
	name := target.Name.Text
	f := c.scope.names.get(name)
	if f != nil && !f.typ.isAny() {
		if !narrows(f.typ, declared) && len(c.faults) == before {
			c.report(diag.WrongType, target.Name.Range, "%s cannot become %s: it is %s", name, declared, f.typ)
		}
		declared = f.typ
	}
	if f != nil {
		f.typ = declared
	}
	c.assign(t, declared, at, before)
}

func (c *checker) augAssign(stmt *syntax.AugAssign) *typ {
	t := stmt.Target
	if t == nil || t.Name == nil || t.Name.Text == "" {
		return c.expr(stmt.Value)
	}
	name := t.Name.Text
	before := len(c.faults)
	_, config := stmt.Value.(*syntax.SchemaExpr)
	if first, known := c.pkg.globals[name]; known && !config && !hidden(name) {
		c.immutable(name, t.Name.Range, first)
	} else if c.level == 0 {
		c.pkg.globals[name] = t.Range
	}
	left := c.target(t, false)
	right := c.expr(stmt.Value)
	result := anyType
	if len(c.faults) == before {
		result = c.binary(stmt.Op, left, right, stmt.Range)
	}
	want := c.target(t, true)
	c.assign(result, want, place{targetName(t), stmt.Value, t.Range}, before)
	return result
}

func (c *checker) immutable(name string, at, first syntax.Range) {
	d := c.report(diag.Immutable, at, "cannot change %s, which has a value already", name)
	d.Hint = "choose another name, or call it _" + name + " to make it mutable and hidden"
	d.Related = []diag.Related{{Span: first.Span(), Message: "first set here"}}
}

// unify checks `name: Schema {...}`, a statement or an attribute.
func (c *checker) unify(stmt syntax.Stmt, name *syntax.Name, value *syntax.SchemaExpr) *typ {
	if merged, ok := c.pkg.source.Unified[stmt]; ok {
		if merged == nil {
			return anyType
		}
		value = merged
	}
	if name == nil || name.Text == "" || value == nil {
		return anyType
	}
	before := len(c.faults)
	c.store = true
	want := c.resolve(name.Text, name.Range)
	c.store = false
	c.expected = append(c.expected, want)
	t := c.schemaExpr(value)
	c.expected = c.expected[:len(c.expected)-1]
	c.assign(t, want, place{name.Text, value, name.Range}, before)
	if want.isAny() && !t.isAny() {
		c.infer(name.Text, t)
	}
	return want
}

package check

import (
	"fmt"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// call checks `f(...)` and returns the type of its result.
func (c *checker) call(x *syntax.Call) *typ {
	t := c.expr(x.Fun)
	what := callee(x.Fun)
	switch {
	case t.isAny():
		f := c.laterLambda(x.Fun)
		if f == nil {
			f = &function{variadic: true}
		}
		c.arguments(what, x.Fun, x.Args, x.Keywords, f)
	case t.kind == kindFunc:
		c.arguments(what, x.Fun, x.Args, x.Keywords, t.fn)
		return t.fn.result
	case t.kind == kindSchema && !t.instance:
		c.arguments("schema "+t.schema.name, x.Fun, x.Args, x.Keywords, t.schema.fn)
		return t.schema.inst
	default:
		d := c.report(diag.WrongType, x.Range, "%s cannot be called", describe(t))
		if t.kind == kindSchema {
			d.Message = "an instance of " + d.Message
		}
	}
	return anyType
}

// callee names what is called as messages do.
func callee(f syntax.Expr) string {
	switch f := unwrap(f).(type) {
	case *syntax.Ident:
		return f.Name
	case *syntax.Selector:
		if f.Name != nil {
			return f.Name.Text
		}
	}
	return "the lambda"
}

// laterLambda finds the parameters of a global lambda that is defined below.
func (c *checker) laterLambda(f syntax.Expr) *function {
	id, ok := f.(*syntax.Ident)
	if !ok || c.pkg.lambdas[id.Name] == nil {
		return nil
	}
	for s := c.scope; s != c.pkg.scope; s = s.parent {
		if s == nil || s.names.get(id.Name) != nil {
			return nil
		}
	}
	return c.pkg.lambdas[id.Name]
}

// arguments holds those of a call against the parameters.
func (c *checker) arguments(what string, fun syntax.Expr, args []syntax.Expr, keywords []syntax.Keyword, f *function) {
	for i, arg := range args {
		if i < len(f.params) {
			c.argument(arg, f.params[i])
			continue
		}
		c.expr(arg)
		if !f.variadic {
			c.report(diag.WrongType, arg.At(), "%s takes %s, not %d", what, count(len(f.params)), len(args))
			break
		}
	}
	given := make(map[string]bool, len(keywords))
	for _, k := range keywords {
		if k.Name == nil {
			continue
		}
		name := k.Name.Text
		if given[name] {
			c.report(diag.Conflict, k.Name.Range, "argument %s is given twice", name)
		}
		given[name] = true
		found := false
		for _, p := range f.params {
			if found = p.name == name; found {
				c.argument(k.Value, p)
				break
			}
		}
		if !found && !f.variadic {
			d := c.report(diag.UnknownName, k.Name.Range, "%s has no parameter %s", what, name)
			c.suggest(d, name, paramNames(f))
		}
	}
	if f.variadic {
		return
	}
	need, got := 0, len(args)
	missing := ""
	for i, p := range f.params {
		if p.optional {
			continue
		}
		need++
		switch {
		case given[p.name]:
			got++
		case i >= len(args) && missing == "":
			missing = p.name
		}
	}
	if got < need {
		d := c.report(diag.WrongType, fun.At(), "%s needs %s, not %d", what, count(need), got)
		if missing != "" {
			d.Hint = "give " + missing
		}
	}
}

func count(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

func paramNames(f *function) []string {
	names := make([]string, len(f.params))
	for i, p := range f.params {
		names[i] = p.name
	}
	return names
}

// argument checks one argument of a call.
func (c *checker) argument(x syntax.Expr, p param) {
	before := len(c.faults)
	t := c.only(p.typ, x)
	if len(c.faults) > before || x == nil || c.fits(t, p.typ, place{"argument " + p.name, x, x.At()}) || len(c.faults) > before {
		return
	}
	d := c.wrong(t, p.typ, "argument "+p.name, x.At())
	if p.at.Source != nil {
		d.Related = append(d.Related, diag.Related{Span: p.at.Span(), Message: "the parameter is declared here"})
	}
}

// only checks a value for what has type want and for nothing around it.
func (c *checker) only(want *typ, x syntax.Expr) *typ {
	if !structured(want) {
		want = nil
	}
	c.expected = append(c.expected, want)
	t := c.expr(x)
	c.expected = c.expected[:len(c.expected)-1]
	return t
}

// schemaExpr checks `S(...) {...}`.
func (c *checker) schemaExpr(x *syntax.SchemaExpr) *typ {
	if x == nil || x.Schema == nil {
		return anyType
	}
	names := path(x.Schema)
	if names == nil {
		c.expr(x.Schema)
		return anyType
	}
	t := c.resolvePath(names)
	switch t.kind {
	case kindAny:
		return anyType
	case kindDict:
		right := c.only(t, config(x))
		return c.binary(syntax.OR_BIT, t, right, x.Range)
	case kindSchema:
		if !t.instance && c.body == nil && !c.partial[x] {
			c.missing(t.schema, x)
		}
		c.only(t, config(x))
		if !t.instance {
			c.arguments("schema "+t.schema.name, x.Schema, x.Args, x.Keywords, t.schema.fn)
		} else if len(x.Args)+len(x.Keywords) > 0 {
			c.report(diag.WrongType, x.Schema.At(), "an instance of %s takes no arguments", t.schema.name)
		}
		return t.schema.inst
	}
	c.report(diag.WrongType, x.Schema.At(), "%s is not a schema", describe(t))
	return anyType
}

// missing reports required attributes that an instance does not get. It looks
// only where that is plain to see: at schemas that consist of attributes, and
// at configs that name what they give.
func (c *checker) missing(s *schema, x *syntax.SchemaExpr) {
	if s.unclear || s.def.Base != nil || len(s.def.Mixins) > 0 || s.def.Index != nil || s.is(syntax.MIXIN) || s.is(syntax.RULE) {
		return
	}
	for _, stmt := range s.def.Body {
		if _, ok := stmt.(*syntax.Attr); !ok {
			return
		}
	}
	given := map[string]bool{}
	if x.Config != nil {
		for _, e := range x.Config.Entries {
			if e == nil || e.If != nil || e.Star != nil {
				return
			}
			key := e.Key
			if len(e.Path) > 0 {
				key = e.Path[0]
			}
			name, known := entryKey(key)
			if !known || name == "" {
				return
			}
			given[name] = true
		}
	}
	for _, name := range s.order {
		if a := s.attrs[name]; !a.optional && !a.value && !given[name] {
			c.reportOnce(fault{diag.MissingAttr, x.Range, name}, "attribute %s of %s is required", name, s.name).
				WithHint("add %s: %s", name, a.typ)
		}
	}
}

// config returns the config of a schema expression, which may be missing.
func config(x *syntax.SchemaExpr) syntax.Expr {
	if x.Config == nil {
		return &syntax.Config{Range: x.Range}
	}
	return x.Config
}

// lambda checks a lambda and returns its signature.
func (c *checker) lambda(x *syntax.Lambda) *typ {
	c.checkParams(x.Params)
	f := &function{params: c.params(x.Params, true), result: anyType}
	for _, p := range x.Params {
		if p != nil {
			c.optional(p.Default)
		}
	}
	if x.Result != nil {
		f.result = c.typeOf(x.Result)
	}
	c.push()
	for _, p := range f.params {
		c.bind(p.name, p.typ, p.at)
	}
	result := c.lambdaBody(x, f.result)
	c.pop()
	if x.Result == nil && !result.isAny() {
		f.result = result
	}
	return funcOf(f)
}

// lambdaBody checks the statements of a lambda; the last one is its result.
func (c *checker) lambdaBody(x *syntax.Lambda, want *typ) *typ {
	if len(x.Body) == 0 {
		return anyType
	}
	last := x.Body[len(x.Body)-1]
	switch last.(type) {
	case *syntax.ExprStmt, *syntax.Assign, *syntax.AugAssign, *syntax.Assert:
	default:
		c.report(diag.Syntax, last.At(), "the last statement of a lambda must be its result").
			WithHint("end it with an expression, as in: a if cond else b")
	}
	c.stmts(x.Body[:len(x.Body)-1])
	before := len(c.faults)
	if stmt, ok := last.(*syntax.ExprStmt); ok {
		t := c.only(want, stmt.X)
		if stmt.X != nil {
			c.assign(t, want, place{"the result of the lambda", stmt.X, stmt.X.At()}, before)
		}
		return t
	}
	t := c.stmt(last)
	at := last.At()
	if x.Result != nil {
		at = onLine(last, x.Result.At())
	}
	c.assign(t, want, place{name: "the result of the lambda", line: at}, before)
	return t
}

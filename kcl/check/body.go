package check

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// schemaStmt checks the body of a schema that was built.
func (c *checker) schemaStmt(def *syntax.Schema) {
	if def.Name == nil {
		return
	}
	name := def.Name.Text
	if first, known := c.pkg.globals[name]; known || c.level > 0 {
		d := c.report(diag.Immutable, def.Name.Range, "%s is defined twice", name)
		if known {
			d.Related = []diag.Related{{Span: first.Span(), Message: "first here"}}
		}
	} else {
		c.pkg.globals[name] = def.Name.Range
	}
	t := c.need(name, def.Name.Range)
	if t.kind != kindSchema || t.schema.def != def || t.schema.unclear {
		return
	}
	s := t.schema
	c.body = &schemaBody{schema: s, own: map[string]*typ{}}
	defer func() { c.body = nil }()
	c.checkParams(def.Params)
	c.push()
	defer c.pop()
	for _, p := range s.fn.params {
		c.bind(p.name, p.typ, p.at)
	}
	if s.is(syntax.RULE) {
		c.checks(def.Checks)
		return
	}
	if def.Index != nil && s.index != nil {
		c.indexDefault(s, def.Index)
	}
	for _, name := range assigned(def.Body, nil) {
		if c.scope.names.get(name.Text) == nil {
			c.bind(name.Text, anyType, name.Range)
		}
	}
	c.stmts(def.Body)
	c.checks(def.Checks)
}

func (c *checker) indexDefault(s *schema, sig *syntax.IndexSignature) {
	if sig.Name != nil {
		c.bind(sig.Name.Text, s.index.key, sig.Name.Range)
	}
	if sig.Init == nil {
		return
	}
	before := len(c.faults)
	t := c.valueFor(s.index.value, sig.Init, s.index.value.kind == kindSchema)
	c.assign(t, s.index.value, place{"the default of the index signature", sig.Init, sig.Range}, before)
}

func (c *checker) checks(list []*syntax.Check) {
	for _, check := range list {
		if check.Message != nil {
			c.must(check.Message, strType, "the message of a check")
		}
		c.optional(check.Guard)
		c.expr(check.Cond)
	}
}

// attrStmt checks the default of an attribute.
func (c *checker) attrStmt(decl *syntax.Attr) {
	if decl.Name == nil {
		return
	}
	c.loops = c.loops[:0]
	name := decl.Name.Text
	if c.body == nil { // outside of a schema: the parser took a declaration for one
		c.optional(decl.Value)
		return
	}
	if value, ok := decl.Value.(*syntax.SchemaExpr); ok && decl.Op == syntax.COLON {
		c.unify(decl, decl.Name, value)
		return
	}
	want := orAny(c.body.attrType(name))
	c.bind(name, want, decl.Name.Range)
	if decl.Value == nil {
		return
	}
	before := len(c.faults)
	t := c.valueFor(want, decl.Value, true)
	if decl.Op == syntax.OR_BIT && len(c.faults) == before {
		t = c.binary(syntax.OR_BIT, t, want, onLine(decl.Value, decl.Name.Range))
	}
	c.assign(t, want, place{name, decl.Value, decl.Name.Range}, before)
}

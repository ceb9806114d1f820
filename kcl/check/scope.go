package check

import (
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/builtin"
	"github.com/berth-oci/berth/kcl/syntax"
)

// scope is a chain of names: those of a comprehension, config, lambda or
// schema body, then those of the package, then the builtin ones.
type scope struct {
	parent *scope
	names  fields
}

func (c *checker) push() {
	c.scope = &scope{parent: c.scope}
	c.level++
}

func (c *checker) pop() {
	c.scope = c.scope.parent
	c.level--
	c.loops = c.loops[:0]
}

// bind sets a name of the innermost scope.
func (c *checker) bind(name string, t *typ, at syntax.Range) { c.scope.names.set(name, t, at) }

// lookup finds the type of a name, nil if there is none.
func (c *checker) lookup(name string) *typ {
	for s := c.scope; s != nil; s = s.parent {
		if f := s.names.get(name); f != nil {
			return f.typ
		}
	}
	if t, ok := c.builtins[name]; ok {
		return t
	}
	m, ok := builtin.Find(builtin.Functions(), name)
	if !ok {
		return nil
	}
	if c.builtins == nil {
		c.builtins = map[string]*typ{}
	}
	c.builtins[name] = memberType(m)
	return c.builtins[name]
}

// need is lookup for a name that must be there.
func (c *checker) need(name string, at syntax.Range) *typ {
	if t := c.lookup(name); t != nil {
		return t
	}
	c.unknown(name, at)
	return anyType
}

func (c *checker) unknown(name string, at syntax.Range) {
	d := c.report(diag.UnknownName, at, "name %s is not defined", name)
	if c.suggestions >= maxSuggestions {
		return
	}
	names := builtin.Names(builtin.Functions())
	for s := c.scope; s != nil; s = s.parent {
		for _, f := range s.names.list {
			names = append(names, f.name)
		}
	}
	if !c.suggest(d, name, names) && builtin.IsModule(name) {
		d.Hint = "add import " + name
	}
}

// infer sets the type of a name that was bound without one.
func (c *checker) infer(name string, t *typ) {
	if f := c.scope.names.get(name); f != nil {
		f.typ = widen(t)
	}
}

func (c *checker) isLoopVar(name string) bool { return slices.Contains(c.loops, name) }

// resolve finds the type of a single name, or binds it where it is assigned
// to. In a schema the attributes come first.
func (c *checker) resolve(name string, at syntax.Range) *typ {
	switch {
	case c.body != nil && c.store:
		return c.storeInBody(name, at)
	case c.body != nil:
		return c.resolveInBody(name, at)
	case c.store && c.scope.names.get(name) == nil:
		c.bind(name, anyType, at)
		return anyType
	}
	return c.need(name, at)
}

func (c *checker) storeInBody(name string, at syntax.Range) *typ {
	t := c.body.attrType(name)
	if c.scope.names.get(name) == nil || t == nil {
		c.bind(name, anyType, at)
		if t == nil {
			c.body.own[name] = anyType
		}
		return anyType
	}
	return t
}

func (c *checker) resolveInBody(name string, at syntax.Range) *typ {
	found := c.lookup(name)
	if c.isLoopVar(name) {
		return orAny(found)
	}
	t := c.body.attrType(name)
	if t != nil && !t.isAny() {
		return t
	}
	s := c.body.schema
	if t == nil && !s.is(syntax.MIXIN) {
		for _, m := range s.mixins {
			if a := m.attr(name); a != nil {
				return a.typ
			}
		}
	}
	// A mixin may use attributes of the schemas that it will be part of, but
	// what begins in upper case is a schema. Of a rule nothing is known.
	open := s.is(syntax.RULE) || s.is(syntax.MIXIN) && (name[0] < 'A' || name[0] > 'Z')
	if t == nil && found == nil && !open {
		c.unknown(name, at)
	}
	return orAny(found)
}

func orAny(t *typ) *typ {
	if t == nil {
		return anyType
	}
	return t
}

// path returns the names of an expression such as a.b.c, nil for any other.
func path(x syntax.Expr) []*syntax.Name {
	switch x := x.(type) {
	case *syntax.Ident:
		return []*syntax.Name{{Range: x.Range, Text: x.Name}}
	case *syntax.Selector:
		if names := path(x.X); names != nil && !x.Optional && x.Name != nil {
			return append(names, x.Name)
		}
	}
	return nil
}

// resolvePath finds the type of a.b.c.
func (c *checker) resolvePath(names []*syntax.Name) *typ {
	if len(names) == 0 || names[0] == nil || names[0].Text == "" {
		return anyType
	}
	t := c.resolve(names[0].Text, names[0].Range)
	for _, name := range names[1:] {
		if name == nil {
			return anyType
		}
		if c.store {
			c.checkAttr(name.Text, t, name.Range)
		}
		t = c.member(t, name.Text, name.Range)
	}
	return t
}

// target finds the type of what an assignment assigns to.
func (c *checker) target(t *syntax.Target, store bool) *typ {
	if t == nil || t.Name == nil || t.Name.Text == "" {
		return anyType
	}
	c.store = store
	result := c.resolve(t.Name.Text, t.Name.Range)
	c.store = false
	for _, step := range t.Path {
		if step.Name != nil {
			c.checkAttr(step.Name.Text, result, step.Name.Range)
			result = c.member(result, step.Name.Text, step.Name.Range)
			continue
		}
		if key, ok := step.Index.(*syntax.String); ok {
			c.checkAttr(key.Value, result, key.Range)
		}
		result = c.index(result, step.Index, t.Range)
	}
	return result
}

package check

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// declareGlobals binds what the statements of the package give values: names
// are known in the whole package, with the types that are declared.
func (c *checker) declareGlobals() {
	for _, f := range c.pkg.source.Files {
		for _, stmt := range f.Body {
			if alias, ok := stmt.(*syntax.TypeAlias); ok {
				c.declareAlias(alias)
			}
		}
		c.declareIn(f.Body)
	}
	for _, d := range c.pkg.redeclared { // the last declaration counts, for those before it too
		c.redeclare(d.name, d.typ)
	}
}

func (c *checker) declareIn(list []syntax.Stmt) {
	for _, stmt := range list {
		switch stmt := stmt.(type) {
		case *syntax.Assign:
			if merged, ok := c.pkg.source.Unified[stmt]; ok && merged == nil {
				continue
			}
			for _, target := range stmt.Targets {
				if target != nil && target.Name != nil && target.Name.Text != "" {
					c.declareGlobal(target, stmt.Type)
				}
			}
		case *syntax.Unify:
			if merged, ok := c.pkg.source.Unified[stmt]; ok && merged == nil {
				continue
			}
			if stmt.Target != nil && stmt.Value != nil {
				c.bind(stmt.Target.Text, c.resolvePath(path(stmt.Value.Schema)), stmt.Target.Range)
			}
		case *syntax.If:
			c.declareIn(stmt.Then)
			c.declareIn(stmt.Else)
		}
	}
}

func (c *checker) declareGlobal(target *syntax.Target, decl syntax.Type) {
	name := target.Name.Text
	old := c.scope.names.get(name)
	if old != nil && !hidden(name) {
		c.immutable(name, target.Name.Range, old.at)
		if old.typ.kind != kindSchema && old.typ.kind != kindModule {
			old.typ = anyType
			c.pkg.twice[name] = true
		}
		return
	}
	t := anyType
	if old != nil {
		t = old.typ
	}
	if decl != nil {
		t = c.typeOf(decl)
		if hidden(name) {
			c.pkg.redeclared = append(c.pkg.redeclared, declaration{target.Name, t})
		}
		c.redeclare(target.Name, t)
		return
	}
	c.bind(name, t, target.Name.Range)
}

// declaration is a declared type of a name that may have several.
type declaration struct {
	name *syntax.Name
	typ  *typ
}

// redeclare gives a name a type that must be part of the one it has.
func (c *checker) redeclare(name *syntax.Name, t *typ) {
	if old := c.scope.names.get(name.Text); old != nil && !narrows(t, old.typ) {
		c.report(diag.WrongType, name.Range, "%s cannot become %s: it is %s", name.Text, t, old.typ)
	}
	c.bind(name.Text, t, name.Range)
}

// declareLambdas remembers the parameters of lambdas that are global, so that
// calls above them can be checked too. A name that is given two values has no
// parameters that could be relied on.
func (c *checker) declareLambdas() {
	seen := map[string]bool{}
	for _, f := range c.pkg.source.Files {
		for _, stmt := range f.Body {
			stmt, ok := stmt.(*syntax.Assign)
			if !ok || len(stmt.Targets) != 1 || stmt.Targets[0] == nil || stmt.Targets[0].Name == nil || len(stmt.Targets[0].Path) > 0 {
				continue
			}
			name := stmt.Targets[0].Name.Text
			lambda, ok := stmt.Value.(*syntax.Lambda)
			switch {
			case seen[name]:
				delete(c.pkg.lambdas, name)
			case ok && stmt.Type == nil:
				c.pkg.lambdas[name] = &function{params: c.params(lambda.Params, true), result: anyType}
			}
			seen[name] = true
		}
	}
}

// declareAlias binds the name of a type.
func (c *checker) declareAlias(stmt *syntax.TypeAlias) {
	if stmt.Name == nil || stmt.Name.Text == "" {
		return
	}
	t := c.typeOf(stmt.Type)
	if reserved[stmt.Name.Text] {
		c.report(diag.Immutable, stmt.Name.Range, "%s is a type of the language: choose another name", stmt.Name.Text)
	}
	c.bind(stmt.Name.Text, t, stmt.Name.Range)
}

// reserved are the names of types that no other type may have.
var reserved = map[string]bool{"any": true, "int": true, "float": true, "str": true, "bool": true}

// params returns the parameters of a lambda or a schema. Those of a lambda
// that have the type of a schema take instances.
func (c *checker) params(list []*syntax.Param, lambda bool) []param {
	params := make([]param, 0, len(list))
	for _, p := range list {
		if p == nil || p.Name == nil {
			continue
		}
		t := c.typeOf(p.Type)
		if lambda && t.kind == kindSchema {
			t = t.schema.inst
		}
		params = append(params, param{p.Name.Text, t, p.Default != nil, p.Name.Range})
	}
	return params
}

// checkParams reports parameters without default after one with a default.
func (c *checker) checkParams(list []*syntax.Param) {
	needed := false
	for i := len(list) - 1; i >= 0; i-- {
		switch p := list[i]; {
		case p == nil:
		case p.Default == nil:
			needed = true
		case needed:
			c.report(diag.Conflict, p.Range, "a parameter without default comes after one with a default").
				WithHint("put the parameters without default first")
		}
	}
}

// typeOf returns what a type expression means; any where there is none.
func (c *checker) typeOf(t syntax.Type) *typ {
	if !c.enter() {
		return anyType
	}
	defer c.leave()
	switch t := t.(type) {
	case *syntax.NamedType:
		if len(t.Path) == 1 && t.Path[0] != nil && reserved[t.Path[0].Text] {
			return notation(t.Path[0].Text)
		}
		store := c.store
		c.store = false
		found := c.resolvePath(t.Path)
		c.store = store
		return found
	case *syntax.LiteralType:
		if x, ok := t.Value.(*syntax.Constant); ok && x.Kind != syntax.TRUE && x.Kind != syntax.FALSE {
			c.report(diag.UnknownName, t.Range, "%s is not a type", t.Text()).WithHint("every type but a literal one takes None")
			return anyType
		}
		return orAny(constantType(t.Value))
	case *syntax.ListType:
		return listOf(c.typeOf(t.Elem))
	case *syntax.DictType:
		return dictOf(c.typeOf(t.Key), c.typeOf(t.Value))
	case *syntax.UnionType:
		types := make([]*typ, 0, len(t.Types))
		for _, part := range t.Types {
			if u := c.typeOf(part); u.kind == kindUnion {
				types = append(types, u.union.types...)
			} else {
				types = append(types, u)
			}
		}
		return unionOf(types)
	case *syntax.FuncType:
		f := &function{result: c.typeOf(t.Result)}
		for _, p := range t.Params {
			f.params = append(f.params, param{typ: c.typeOf(p)})
		}
		return funcOf(f)
	}
	return anyType
}

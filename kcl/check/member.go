package check

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/builtin"
	"github.com/berth-oci/berth/kcl/syntax"
)

// member finds the type of a member of a value, of a package or of a module.
func (c *checker) member(t *typ, name string, at syntax.Range) *typ {
	switch t.kind {
	case kindAny, kindUnion: // what a union has depends on which member it is
		return anyType
	case kindStr, kindStrLit:
		if found := c.builtinMember("", builtin.Methods(), name); found != nil {
			return found
		}
		c.suggest(c.report(diag.UnknownName, at, "a str has no method %s", name), name, builtin.Names(builtin.Methods()))
		return anyType
	case kindDict:
		if f := t.entries.get(name); f != nil {
			return f.typ
		}
		return t.elem
	case kindSchema:
		return c.schemaMember(t, name, at)
	case kindModule:
		return c.moduleMember(t, name, at)
	}
	c.report(diag.WrongType, at, "%s has no attribute %s", describe(t), name)
	return anyType
}

func (c *checker) schemaMember(t *typ, name string, at syntax.Range) *typ {
	s := t.schema
	if a := s.attr(name); a != nil {
		return a.typ
	}
	if s.is(syntax.MIXIN) || s.index != nil || s.vague() {
		return anyType
	}
	if name == "instances" && !t.instance {
		return funcOf(&function{params: []param{{name: "full_pkg", typ: boolType, optional: true}}, result: listOf(anyType)})
	}
	c.suggest(c.report(diag.UnknownAttr, at, "%s has no attribute %s", s.name, name), name, s.names())
	return anyType
}

func (c *checker) moduleMember(t *typ, name string, at syntax.Range) *typ {
	if t.module.system != "" {
		table := builtin.Module(t.module.system)
		if found := c.builtinMember(t.module.system, table, name); found != nil {
			return found
		}
		c.suggest(c.report(diag.UnknownName, at, "package %s has no %s", t.module.system, name), name, builtin.Names(table))
		return anyType
	}
	p := c.packages[t.module.pkg]
	if p == nil || !p.checked { // not found, or part of a circle: reported
		return anyType
	}
	f := p.scope.names.get(name)
	if f != nil && f.typ.kind != kindModule && !strings.HasPrefix(name, "_") {
		return f.typ
	}
	d := c.report(diag.UnknownName, at, "package %s has no %s", t.module.pkg.Path, name)
	switch {
	case f != nil && f.typ.kind == kindModule:
		d.Hint = name + " is a package that it imports: import that here"
	case f != nil:
		d.Hint = "names that begin with _ are hidden from other packages"
	default:
		var names []string
		for _, f := range p.scope.names.list {
			if f.typ.kind != kindModule {
				names = append(names, f.name)
			}
		}
		c.suggest(d, name, names)
	}
	return anyType
}

// builtinMember finds the type of a method of str or a member of a system
// module; it remembers those that were found.
func (c *checker) builtinMember(of string, table []builtin.Member, name string) *typ {
	key := of + "." + name
	if t, ok := c.members[key]; ok {
		return t
	}
	m, ok := builtin.Find(table, name)
	if !ok {
		return nil
	}
	t := memberType(m)
	c.members[key] = t
	return t
}

// memberType returns the type that a table of package builtin gives.
func memberType(m builtin.Member) *typ {
	if m.IsValue || m.IsType {
		return notation(m.Result)
	}
	f := &function{variadic: m.Variadic, result: notation(m.Result)}
	for _, p := range m.Params {
		f.params = append(f.params, param{name: p.Name, typ: notation(p.Type), optional: p.Optional})
	}
	return funcOf(f)
}

// notation reads a type as package builtin writes it.
func notation(text string) *typ {
	switch text {
	case "any":
		return anyType
	case "None":
		return noneType
	case "bool":
		return boolType
	case "int":
		return intType
	case "float":
		return floatType
	case "str":
		return strType
	case "number_multiplier":
		return multiplierType
	}
	if params, result, ok := strings.Cut(text, " -> "); ok {
		f := &function{result: notation(result)}
		for _, p := range strings.FieldsFunc(strings.Trim(params, "()"), func(r rune) bool { return r == ',' || r == ' ' }) {
			f.params = append(f.params, param{typ: notation(p)})
		}
		return funcOf(f)
	}
	if strings.Contains(text, " | ") {
		var types []*typ
		for _, part := range strings.Split(text, " | ") {
			types = append(types, notation(part))
		}
		return unionOf(types)
	}
	inner := text[1 : len(text)-1]
	if text[0] == '[' {
		return listOf(notation(inner))
	}
	key, value, _ := strings.Cut(inner, ":")
	return dictOf(notation(key), notation(value))
}

// index finds the type of x[i] where x has type t; at is where x is.
func (c *checker) index(t *typ, i syntax.Expr, at syntax.Range) *typ {
	switch {
	case t.isAny():
		return t
	case t.isStr() || t.kind == kindList:
		c.must(i, intType, "an index")
		if t.kind == kindList {
			return t.elem
		}
		return strType
	case t.isConfig():
		key := c.expr(i)
		switch {
		case key.isAny() || key.kind == kindNone:
			return t.valueType()
		case !key.isKey():
			c.report(diag.WrongType, at, "%s cannot be indexed with %s", describe(t), describe(key))
			return anyType
		case key.kind == kindStrLit:
			return c.member(t, key.text, at)
		}
		return t.valueType()
	}
	c.report(diag.WrongType, at, "%s cannot be indexed", describe(t))
	return anyType
}

// slice finds the type of x[lo:hi:step].
func (c *checker) slice(x *syntax.Slice) *typ {
	t := c.expr(x.X)
	switch {
	case t.isAny():
		return t
	case t.isStr() || t.kind == kindList:
		for _, bound := range []syntax.Expr{x.Lo, x.Hi, x.Step} {
			if bound != nil {
				c.must(bound, intType, "a bound of a slice")
			}
		}
		if t.kind == kindList {
			return t
		}
		return strType
	}
	c.report(diag.WrongType, x.Range, "%s cannot be sliced", describe(t))
	return anyType
}

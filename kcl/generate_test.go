package kcl_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator writes small KCL programs at random: schemas, instances, merges and
// the expressions in them, most of them right.
type generator struct {
	*rand.Rand
	out     strings.Builder
	schemas []*shape
	globals []typed
}

// typed is a name that an expression may use.
type typed struct{ name, typ string }

// shape is a schema that the program has declared.
type shape struct {
	name  string
	attrs []typed
}

// The types of which there are expressions.
var types = []string{"int", "str", "bool", "float", "[int]", "[str]", "{str:int}"}

// wrong is how many of a hundred expressions have another type than they should.
const wrong = 1

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// generate returns the program of a seed.
func generate(seed uint64) string {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	for range g.IntN(3) {
		g.schema()
	}
	for range 1 + g.IntN(4) {
		g.statement()
	}
	return g.out.String()
}

func (g *generator) line(indent int, format string, args ...any) {
	fmt.Fprintf(&g.out, strings.Repeat("    ", indent)+format+"\n", args...)
}

// schema declares a schema, maybe one that inherits from another.
func (g *generator) schema() {
	s := &shape{name: string(rune('A' + len(g.schemas)))}
	head := s.name
	if len(g.schemas) > 0 && g.chance(50) {
		base := pick(g, g.schemas...)
		head += "(" + base.name + ")"
		s.attrs = slices.Clone(base.attrs)
	}
	g.line(0, "schema %s:", head)
	for range 1 + g.IntN(3) {
		g.attribute(s)
	}
	if len(s.attrs) > 0 && g.chance(20) {
		g.line(1, "if %s:", g.expr("bool", 1, s.attrs))
		a := pick(g, s.attrs...)
		g.line(2, "%s = %s", a.name, g.expr(a.typ, 1, s.attrs))
	}
	if g.chance(40) {
		g.line(1, "check:")
		for range 1 + g.IntN(2) {
			guard := ""
			if g.chance(30) {
				guard = " if " + g.expr("bool", 1, s.attrs)
			}
			g.line(2, "%s%s, %s", g.expr("bool", 2, s.attrs), guard, g.expr("str", 1, s.attrs))
		}
	}
	g.line(0, "")
	g.schemas = append(g.schemas, s)
}

// attribute declares an attribute, or sets one that is inherited.
func (g *generator) attribute(s *shape) {
	if len(s.attrs) > 0 && g.chance(25) {
		a := pick(g, s.attrs...)
		switch {
		case a.typ[0] == '[' && g.chance(40):
			g.line(1, "%s += %s", a.name, g.expr(a.typ, 1, s.attrs))
		case g.chance(50):
			g.line(1, "%s = %s", a.name, g.expr(a.typ, 1, s.attrs))
		default:
			g.line(1, "%s: %s = %s", a.name, a.typ, g.expr(a.typ, 1, s.attrs))
		}
		return
	}
	a := typed{fmt.Sprintf("%c%d", 'a'+rune(len(g.schemas)), len(s.attrs)), pick(g, types...)}
	mark := pick(g, "", "", "", "?")
	if len(g.schemas) > 0 && g.chance(20) {
		nested := pick(g, g.schemas...)
		g.line(1, "%s%s: %s = %s", a.name, mark, nested.name, g.instance(nested, 1, s.attrs))
		return
	}
	if g.chance(70) {
		g.line(1, "%s%s: %s = %s", a.name, mark, a.typ, g.expr(a.typ, 2, s.attrs))
	} else {
		g.line(1, "%s%s: %s", a.name, mark, a.typ)
	}
	s.attrs = append(s.attrs, a)
}

func (g *generator) statement() {
	n := len(g.globals)
	name := fmt.Sprintf("%sg%d", pick(g, "", "", "", "_"), n)
	if len(g.schemas) > 0 && g.chance(60) {
		s := pick(g, g.schemas...)
		switch g.IntN(4) {
		case 0:
			g.line(0, "%s: %s %s", name, s.name, g.config(s, 0, g.globals))
			g.line(0, "%s: %s %s", name, s.name, g.config(s, 0, g.globals))
		case 1:
			g.line(0, "%s = %s | %s", name, g.instance(s, 0, g.globals), pick(g, g.config(s, 0, g.globals), g.instance(s, 0, g.globals)))
		default:
			g.line(0, "%s = %s", name, g.instance(s, 0, g.globals))
		}
		for _, a := range s.attrs {
			if g.chance(30) {
				g.globals = append(g.globals, typed{name + "." + a.name, a.typ})
			}
		}
		g.globals = append(g.globals, typed{name, "any"})
		return
	}
	typ := pick(g, types...)
	switch g.IntN(6) {
	case 0:
		g.line(0, "%s: %s = %s", name, typ, g.expr(typ, 3, g.globals))
	case 1:
		g.line(0, "%s = lambda x: int, y = 2 -> int {", name)
		g.line(1, "z = %s", g.expr("int", 1, append(slices.Clone(g.globals), typed{"x", "int"}, typed{"y", "int"})))
		g.line(1, "z + x")
		g.line(0, "}")
		g.line(0, "r%d = %s(%s)", n, name, g.expr("int", 1, g.globals))
		typ = "any"
	default:
		g.line(0, "%s = %s", name, g.expr(typ, 3, g.globals))
	}
	g.globals = append(g.globals, typed{name, typ})
}

func (g *generator) instance(s *shape, depth int, scope []typed) string {
	return s.name + " " + g.config(s, depth, scope)
}

// config writes the entries of an instance.
func (g *generator) config(s *shape, depth int, scope []typed) string {
	var entries []string
	for _, a := range s.attrs {
		if !g.chance(60) {
			continue
		}
		value := g.expr(a.typ, 1, scope)
		entry := a.name + pick(g, " = ", " = ", ": ") + value
		switch {
		case a.typ[0] == '[' && g.chance(20):
			entry = a.name + " += " + value
		case a.typ[0] == '{' && g.chance(20):
			entry = a.name + "." + pick(g, "k", "m") + " = " + g.expr("int", 1, scope)
		case g.chance(5):
			entry = "**{" + entry + "}"
		case g.chance(3):
			entry = "zz = 1"
		}
		entries = append(entries, entry)
	}
	if depth > 0 || g.chance(60) {
		return "{" + strings.Join(entries, ", ") + "}"
	}
	for i, e := range entries {
		if g.chance(10) {
			entries[i] = "if " + g.expr("bool", 1, scope) + ":\n        " + e
		}
	}
	return "{\n    " + strings.Join(entries, "\n    ") + "\n}"
}

// expr writes an expression of a type.
func (g *generator) expr(typ string, depth int, scope []typed) string {
	if g.chance(wrong) {
		typ = pick(g, types...)
	}
	if names := slices.DeleteFunc(slices.Clone(scope), func(t typed) bool { return t.typ != typ }); len(names) > 0 && g.chance(40) {
		return pick(g, names...).name
	}
	if depth == 0 {
		return g.literal(typ)
	}
	if g.chance(8) {
		return fmt.Sprintf("(%s if %s else %s)", g.expr(typ, depth-1, scope), g.expr("bool", depth-1, scope), g.expr(typ, depth-1, scope))
	}
	e := func(t string) string { return g.expr(t, depth-1, scope) }
	switch typ {
	case "int":
		return pick(g, g.literal(typ), g.literal(typ),
			fmt.Sprintf("(%s %s %s)", e("int"), pick(g, "+", "-", "*", "//", "%", "&", "|", "^"), e("int")),
			"len("+e(pick(g, "str", "[int]", "[str]", "{str:int}"))+")", "int("+e(pick(g, "float", "int", "bool"))+")",
			"abs("+e("int")+")", "sum("+e("[int]")+")", "("+e("{str:int}")+").k", e("str")+".count("+e("str")+")", e("str")+".find("+e("str")+")")
	case "float":
		return pick(g, g.literal(typ), fmt.Sprintf("(%s %s %s)", e("float"), pick(g, "+", "-", "*", "/"), e(pick(g, "float", "int"))), "float("+e("int")+")")
	case "bool":
		return pick(g, g.literal(typ), fmt.Sprintf("%s %s %s", e("int"), pick(g, "<", "<=", "==", "!=", ">", ">="), e("int")),
			fmt.Sprintf("(%s %s %s)", e("bool"), pick(g, "and", "or"), e("bool")), "not ("+e("bool")+")",
			e("int")+pick(g, " in ", " not in ")+e("[int]"), e("str")+" in "+e(pick(g, "[str]", "{str:int}")),
			fmt.Sprintf("%s x in %s {x %s %s}", pick(g, "all", "any"), e("[int]"), pick(g, ">", "=="), g.literal("int")),
			e("str")+"."+pick(g, "startswith", "endswith")+"("+e("str")+")", e("str")+" == "+e("str"), e("[int]")+" == "+e("[int]"))
	case "str":
		return pick(g, g.literal(typ), "("+e("str")+" + "+e("str")+")", "str("+e(pick(g, types...))+")",
			fmt.Sprintf(`"<${%s}>"`, strings.ReplaceAll(g.expr(pick(g, "int", "bool", "[int]"), 0, scope), `"`, `'`)),
			e("str")+"."+pick(g, "upper", "lower", "strip", "title", "capitalize")+"()",
			e("str")+".replace("+e("str")+", "+e("str")+")", `",".join(`+e("[str]")+")", "typeof("+e(pick(g, types...))+")",
			e("str")+"["+pick(g, "0", "-1", "1:", ":-1", "::2", "5")+"]", "("+e("str")+" * 2)")
	case "[int]":
		return pick(g, g.literal(typ), "["+e("int")+", "+e("int")+"]", "("+e("[int]")+" + "+e("[int]")+")",
			fmt.Sprintf("[x %s %s for x in %s]", pick(g, "+", "*"), g.literal("int"), e("[int]")),
			fmt.Sprintf("[x for x in %s if x %s %s]", e("[int]"), pick(g, ">", "!="), g.literal("int")),
			"[v for k, v in "+e("{str:int}")+"]", "sorted("+e("[int]")+")", e("[int]")+"["+pick(g, "1:", ":1", "::-1", ":")+"]",
			"[*"+e("[int]")+", "+e("int")+"]", fmt.Sprintf("map x in %s {x * 2}", e("[int]")), "("+e("[int]")+" | "+e("[int]")+")", "("+e("[int]")+" * 2)")
	case "[str]":
		return pick(g, g.literal(typ), "["+e("str")+", "+e("str")+"]", e("str")+`.split("`+pick(g, "a", "-", ",")+`")`, "[k for k in "+e("{str:int}")+"]",
			"[str(x) for x in "+e("[int]")+"]", "["+e("str")+"\n]", "["+e("str")+" if "+e("bool")+" else "+e("str")+"]")
	}
	return pick(g, g.literal(typ), "{k = "+e("int")+", m: "+e("int")+"}", "("+e(typ)+" | "+e(typ)+")", "{**"+e(typ)+", n = "+e("int")+"}",
		"{str(x): x for x in "+e("[int]")+"}", "{k: v + 1 for k, v in "+e(typ)+"}", "{k = "+e("int")+", if "+e("bool")+": l = 1}")
}

func (g *generator) literal(typ string) string {
	switch typ {
	case "int":
		return pick(g, "0", "1", "2", "7", "-3", "100", "0x1f")
	case "float":
		return pick(g, "0.5", "1.0", "2.25", "-1.5", "1e3")
	case "bool":
		return pick(g, "True", "False")
	case "str":
		return pick(g, `""`, `"a"`, `"abc"`, `"a-b"`, `"Äö"`, `'x y'`, `r"\d"`, `"1"`)
	case "[int]":
		return pick(g, "[]", "[1]", "[3, 1, 2]")
	case "[str]":
		return pick(g, "[]", `["a"]`, `["b", "a"]`)
	}
	return pick(g, "{}", "{k = 1}", `{"k": 2, m = 3}`)
}

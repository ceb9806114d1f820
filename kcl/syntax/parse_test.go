package syntax

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPrecedence holds how operators group; the records hold only some of
// their values.
func TestPrecedence(t *testing.T) {
	for text, want := range map[string]string{
		"a + b * c":                 "(a + (b * c))",
		"a - b - c":                 "((a - b) - c)",
		"a ** b ** c":               "((a ** b) ** c)",
		"-a ** b":                   "((- a) ** b)",
		"a ** -b":                   "(a ** (- b))",
		"not a == b":                "((not a) == b)",
		"a == b < c":                "(a == (b < c))",
		"a < b == c":                "(a < b == c)",
		"a < b < c":                 "(a < b < c)",
		"a in b == c":               "(a in b == c)",
		"a == b in c":               "(a == (b in c))",
		"a is not b not in c":       "(a is not b not in c)",
		"a not in b is not c":       "(a not in (b is not c))",
		"a and b or c and d":        "((a and b) or (c and d))",
		"a | b ^ c & d << e + f":    "(a | (b ^ (c & (d << (e + f)))))",
		"a | b == c":                "((a | b) == c)",
		"a + b as c":                "((a + b) as c)",
		"a or b as c as d.e":        "(((a or b) as c) as d.e)",
		"a if b else c if d else e": "(a if b else (c if d else e))",
		"a + b if c or d else e":    "((a + b) if (c or d) else e)",
		"-a.b[c](d)":                "(- a.b[c](d))",
	} {
		x, faults := ParseExpr(NewSource("x.k", text))
		if got := grouped(x); len(faults) > 0 || got != want {
			t.Errorf("%s: got %s %v, want %s", text, got, faults, want)
		}
	}
}

// grouped writes an expression with parentheses around every operation.
func grouped(x Expr) string {
	switch x := x.(type) {
	case *Unary:
		return fmt.Sprintf("(%s %s)", x.Op, grouped(x.X))
	case *Binary:
		return fmt.Sprintf("(%s %s %s)", grouped(x.X), x.Op, grouped(x.Y))
	case *Compare:
		s := grouped(x.Operands[0])
		for i, op := range x.Ops {
			s += " " + op.String() + " " + grouped(x.Operands[i+1])
		}
		return "(" + s + ")"
	case *Cast:
		return fmt.Sprintf("(%s as %s)", grouped(x.X), x.Type.At().Text())
	case *Cond:
		return fmt.Sprintf("(%s if %s else %s)", grouped(x.Then), grouped(x.If), grouped(x.Else))
	}
	return x.At().Text()
}

// TestEveryError makes sure that each error of a text is reported, at its
// place, and nothing that follows from it.
func TestEveryError(t *testing.T) {
	for text, want := range map[string][]string{
		"a = 1 +\nb = 2\nc = * 3\nd = [1\n":                                                                       {"1:8", "3:5", "4:7"},
		"if True:\n    a = = 1\n    b = 2\n    if b:\n        c = = 3\nd = = 4\n":                                 {"2:9", "5:13", "6:5"},
		"schema S:\n    a: int = = 1\n    b: int\n    c: = 1\n    check:\n        a > \n        b < = 1\nd = )\n": {"2:14", "4:8", "6:12", "7:13", "8:5"},
		"a = {\n    b = = 1\n    c = 2\n    d = [1,,2]\n    e = {\n        f = ?\n    }\n}\ng = 3\n":              {"2:9", "4:12", "6:13"},
		"f = lambda x {\n    y = = 1\n    z = 2\n    w = = 3\n}\ng = = 1\n":                                       {"2:9", "4:9", "6:5"},
		"a = {\n    x = 1\n\nschema S:\n    b: int\n\nc = = 1\n":                                                  {"4:10", "7:5"},
		"a = [1, (2]\nb = 1\n":                           {"1:11"},
		"a = {b = [1, 2}\nc = 1\n":                       {"1:15"},
		"a = 1\n    b = 2\nc = 3\n":                      {"2:5"},
		"if a:\n    b = 1\n  c = 2\n    d = 3\n":         {"3:3"},
		"a = \"x\nb = 'y\n":                              {"1:5", "2:5"},
		"a = ${b}\n":                                     {"1:5"},
		"a = \"${b c} ${d\"\n":                           {"1:10"},
		"a = 1; b = 2; c = 3\n":                          {"1:6", "1:13"},
		"schema S:\n    check:\n        a\n    b: int\n": {"4:5"},
		"a: int\nb = 1\n":                                {"2:1"},
	} {
		_, faults := Parse(NewSource("x.k", text))
		var got []string
		for _, d := range faults {
			got = append(got, strings.TrimPrefix(d.Span.Start.String(), "x.k:"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\ngot %v, want %v\n%v", text, got, want, faults)
		}
	}
}

// TestLimits makes sure that what is too deep or too long is an error that
// names the limit.
func TestLimits(t *testing.T) {
	repeat := strings.Repeat
	for _, text := range []string{
		"a = " + repeat("(", 500) + "1" + repeat(")", 500),
		"a = " + repeat("[", 500) + repeat("]", 500),
		"a = " + repeat("{b = ", 500) + "1" + repeat("}", 500),
		"a: " + repeat("[", 500) + "int" + repeat("]", 500) + " = 1",
		repeat("lambda {", 500) + repeat("}", 500),
		nest(500),
		"a = 1" + repeat(" + 1", 20_000),
		"a = b" + repeat(".c", 20_000),
		"a = b" + repeat("()", 20_000),
		"a = 1" + repeat(" if b else 1", 20_000),
		"if a: b = 1" + repeat("\nelif a: b = 1", 20_000),
		repeat("a = ", 20_000) + "1",
	} {
		_, faults := Parse(NewSource("x.k", text))
		if len(faults) == 0 || !strings.Contains(faults[0].Message, "limit") {
			t.Errorf("%.20s...: %v", text, faults)
		}
	}
	if _, faults := Parse(NewSource("x.k", "a = "+repeat("(", 150)+"1"+repeat(")", 150))); len(faults) > 0 {
		t.Error(faults)
	}
	if _, faults := Parse(NewSource("x.k", repeat("a = = 1\n", 1000))); len(faults) != maxFaults {
		t.Errorf("%d faults, want %d", len(faults), maxFaults)
	}
}

package check_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/check"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// TestFaults holds spans, messages and hints, and that one cause makes one
// report.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, source string
		want         []string // line:column-column code: message (hint)
	}{
		{"unknown name", "size = 1\nx = szie", []string{`2:5-9 unknown-name: name szie is not defined (did you mean size?)`}},
		{"missing import", "x = math.sqrt(4)", []string{`1:5-9 unknown-name: name math is not defined (add import math)`}},
		{"unknown attribute", "schema S:\n    name?: str\nx = S {nmae = 1}", []string{`3:8-12 unknown-attr: S has no attribute nmae (did you mean name?)`}},
		{"two unknown attributes", "schema S:\n    a?: str\nd = {b = 1, c = 2}\nx = S {**d}", []string{
			`4:10-11 unknown-attr: S has no attribute b (did you mean a?)`, `4:10-11 unknown-attr: S has no attribute c (did you mean a?)`}},
		{"missing attributes", "schema S:\n    a: str\n    b: int\nx = S {}", []string{
			`4:5-9 missing-attr: attribute a of S is required (add a: str)`, `4:5-9 missing-attr: attribute b of S is required (add b: int)`}},
		{"wrong literal", "x: \"debug\" | \"info\" = \"inof\"", []string{`1:23-29 wrong-type: x must be "debug" | "info", not str "inof" (did you mean "info"?)`}},
		{"one element", "x: [int] = [1, \"a\"]", []string{`1:16-19 wrong-type: each element of x must be int, not str "a"`}},
		{"nested value, once", "x: {str:{str:int}} = {\n    a = {b = \"s\"}\n}", []string{`2:14-17 wrong-type: b must be int, not str "s"`}},
		{"block expected", "schema T:\n    a?: int\nschema S:\n    t: T\nx = S {t = 1}", []string{`5:12-13 wrong-type: t must be T, not int 1 (write a block of T)`}},
		{"no fault after a fault", "x = nope + 1\ny: int = x\nz = x.a.b(1)", []string{`1:5-9 unknown-name: name nope is not defined`}},
		{"immutable", "a = 1\na = 2", []string{`2:1-2 immutable: cannot change a, which has a value already (choose another name, or call it _a to make it mutable and hidden)`}},
		{"defined twice", "schema S:\n    a: int\nschema S:\n    b: int\nx = S {b = 1}", []string{`3:8-9 immutable: S is defined twice`}},
		{"circle", "schema A(B):\n    a: int\nschema B(A):\n    b: int", []string{
			`1:10-11 cycle: schema A inherits from itself`, `3:10-11 cycle: schema B inherits from itself`}},
		{"arguments", "f = lambda size: int {size}\nx = f(szie = 1)", []string{
			`2:5-6 wrong-type: f needs 1 argument, not 0 (give size)`, `2:7-11 unknown-name: f has no parameter szie (did you mean size?)`}},
		{"operator", "x = \"a\" - 1", []string{`1:5-12 wrong-type: str "a" and int 1 have no operator -`}},
		{"module member", "import math\nx = math.sqr(4)", []string{`2:10-13 unknown-name: package math has no sqr (did you mean sqrt?)`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range checked(t, c.source) {
				s := fmt.Sprintf("%d:%d-%d %s: %s", d.Span.Start.Line, d.Span.Start.Column, d.Span.End.Column, d.Code, d.Message)
				if d.Hint != "" {
					s += " (" + d.Hint + ")"
				}
				got = append(got, s)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func checked(t testing.TB, source string) diag.List {
	t.Helper()
	p, faults := program.Load([]*syntax.Source{syntax.NewSource("main.k", source)}, program.Options{})
	if err := faults.Err(); err != nil {
		t.Fatal(err)
	}
	return check.Program(p)
}

// TestPrelude lets the main package use the names of another one bare, and
// have names of its own in their place.
func TestPrelude(t *testing.T) {
	prelude, _ := syntax.Parse(syntax.NewSource("prelude.k", "schema Port:\n    number: int\n\nlimit = 10\n"))
	load := func(source string) diag.List {
		p, faults := program.Load([]*syntax.Source{syntax.NewSource("main.k", source)},
			program.Options{Prelude: []*syntax.File{prelude}, PreludeName: "base"})
		if err := faults.Err(); err != nil {
			t.Fatal(err)
		}
		return check.Program(p)
	}
	for _, source := range []string{
		"x = Port {number = limit}",
		"import base\nx = base.Port {number = base.limit}",
		"schema Port:\n    name: str\nx = Port {name = \"a\"}\nlimit = \"none\"",
	} {
		if err := load(source).Err(); err != nil {
			t.Errorf("%s\n%v", source, err)
		}
	}
	for _, source := range []string{"x = Port {number = \"a\"}", "x: str = limit", "import base\nx = base.Prt {}"} {
		if load(source).Err() == nil {
			t.Errorf("no fault in %s", source)
		}
	}
}

// config is a program with many instances, lists and dicts, about 14 lines a
// service.
func config(services int) string {
	var b strings.Builder
	b.WriteString("schema Port:\n    name: str\n    number: int\n\nschema Service:\n    name: str\n    replicas: int = 1\n    ports: [Port]\n    labels: {str:str}\n    env?: {str:str | int}\n\n")
	for i := range services {
		fmt.Fprintf(&b, "service%d = Service {\n    name = \"service-%d\"\n    replicas = %d + 1\n    ports = [\n        {name = \"http\", number = %d}\n        Port {name = \"grpc\", number = %d}\n    ]\n", i, i, i%5, 8000+i, 9000+i)
		fmt.Fprintf(&b, "    labels = {\n        app = \"a${%d}\"\n        tier = \"backend\"\n    }\n    env.PORT = %d\n}\n\n", i, 8000+i)
	}
	return b.String()
}

// TestLinear fails when the work is not in proportion to the program: one that
// is ten times as long must not take much longer than ten of them.
func TestLinear(t *testing.T) {
	for name, source := range map[string]func(n int) string{
		"instances": config,
		"list":      func(n int) string { return "x: [int | str] = [" + strings.Repeat("1, \"a\", ", 20*n) + "2]\n" },
		"distinct": func(n int) string {
			var b strings.Builder
			b.WriteString("x: [{str:int}] = [\n")
			for i := range 10 * n {
				fmt.Fprintf(&b, "    {a%d = %d}\n", i, i)
			}
			return b.String() + "]\n"
		},
		"keys": func(n int) string {
			var b strings.Builder
			b.WriteString("x: {str:{str:int}} = {\n")
			for i := range 10 * n {
				fmt.Fprintf(&b, "    k%d = {a = %d}\n", i, i)
			}
			return b.String() + "}\ny = x | x\n"
		},
		"chain": func(n int) string {
			var b strings.Builder
			b.WriteString("x0 = {a = 1}\n")
			for i := range 10 * n {
				fmt.Fprintf(&b, "x%d = {a = x%d, b = x%d}\n", i+1, i, i)
			}
			return b.String()
		},
		"faults": func(n int) string {
			var b strings.Builder
			b.WriteString("schema S:\n    name?: str\n")
			for i := range 10 * n {
				fmt.Fprintf(&b, "x%d = y%d\nz%d = S {nme%d = \"a\", name = 1}\n", i, i, i, i)
			}
			return b.String()
		},
		"schemas": func(n int) string {
			var b strings.Builder
			b.WriteString("schema S0:\n    a0: int = 0\n")
			for i := range 2 * n {
				fmt.Fprintf(&b, "schema S%d:\n    a%d: S%d\n    b: [S%d]\n", i+1, i+1, i, i)
			}
			return b.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			measure := func(n, times int) time.Duration {
				p, faults := program.Load([]*syntax.Source{syntax.NewSource("main.k", source(n))}, program.Options{})
				if err := faults.Err(); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for range times {
					if err := check.Program(p).Err(); err != nil && name != "faults" {
						t.Fatal(err)
					}
				}
				return time.Since(start)
			}
			var few, one time.Duration
			for range 20 { // a busy machine may take its time once
				if few, one = measure(30, 10), measure(300, 1); one < 4*few {
					return
				}
			}
			t.Errorf("ten programs take %v, one of ten times the length %v", few, one)
		})
	}
}

func BenchmarkProgram(b *testing.B) {
	source := config(715)
	p, _ := program.Load([]*syntax.Source{syntax.NewSource("main.k", source)}, program.Options{})
	b.ReportMetric(float64(strings.Count(source, "\n")), "lines")
	for b.Loop() {
		if err := check.Program(p).Err(); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzCheck looks for texts that make the checks panic or go on for long, also
// where they cannot be parsed completely.
func FuzzCheck(f *testing.F) {
	for _, source := range []string{
		"a = 1\nb: [int] = [a, \"x\"]\n", "schema A(B):\n    a?: A = A {}\n\nschema B(A):\n    [...str]: int\n",
		"f = lambda x: int -> str {[y for y in x if y]}(1)\n", "a: S {b.c = 1, **d, if a: e += [2]}\n_a.b[0] = all x in [1] {x}\n",
		"type T = {str:T | [U]}\nimport math as m\nx = m.sqrt(\"${m}\") as T\n", "schema S[p = 1]:\n    mixin [M]\n    @info\n    a: int = \n    check:\n        a if\n",
	} {
		f.Add(source)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, source string) {
		file, _ := syntax.Parse(syntax.NewSource("main.k", source))
		p, _ := program.Link([]*syntax.File{file}, program.Options{WorkDir: dir})
		start := time.Now()
		for _, d := range check.Program(p) {
			if d.Message == "" || d.Code == "" {
				t.Errorf("empty fault %+v", d)
			}
		}
		if spent := time.Since(start); spent > 20*time.Second {
			t.Errorf("took %v for %d bytes", spent, len(source))
		}
	})
}

package eval_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// calculate evaluates x = expr with a system module imported, and returns x as
// JSON, or the faults.
func calculate(t *testing.T, module, expr string, opts eval.Options) (string, diag.List) {
	t.Helper()
	text := "import " + module + "\nx = " + expr + "\n"
	if module == "" {
		text = "x = " + expr + "\n"
	}
	f, faults := syntax.Parse(syntax.NewSource("main.k", text))
	linked, more := program.Link([]*syntax.File{f}, program.Options{})
	if faults = append(faults, more...); faults.Err() != nil {
		t.Fatal(faults)
	}
	p, faults := eval.Run(linked, opts)
	if faults.Err() != nil {
		return "", faults
	}
	out, faults := p.Plan(eval.Plan{})
	return strings.TrimSuffix(strings.TrimPrefix(out.JSON(), `{"x": `), "}"), faults
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("MODULE_TEST", "from the environment")
	if err := os.MkdirAll(filepath.Join(dir, "sub", "deep"), 0o777); err != nil {
		t.Fatal(err)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ expr, want string }{
		{`file.write("a.txt", "one")`, `null`},
		{`file.append("a.txt", " two")`, `null`},
		{`file.append("new.txt", "x")`, `null`},
		{`file.read("a.txt")`, `"one two"`},
		{`file.readbase64("a.txt")`, `"b25lIHR3bw=="`},
		{`file.size("a.txt")`, `7`},
		{`file.exists("a.txt")`, `true`},
		{`file.exists("none.txt")`, `false`},
		{`file.abs("./a.txt")`, `"` + resolved + `/a.txt"`},
		{`file.workdir()`, `"` + dir + `"`},
		{`file.modpath()`, `"` + dir + `"`},
		{`file.current()`, `"` + dir + `/main.k"`},
		{`file.cp("a.txt", "sub/deep/b.txt")`, `null`},
		{`file.cp("sub", "copied")`, `null`},
		{`file.read("copied/deep/b.txt")`, `"one two"`},
		{`file.mv("new.txt", "moved.txt")`, `null`},
		{`file.glob("*.txt")`, `["` + dir + `/a.txt", "` + dir + `/moved.txt"]`},
		{`file.glob("**/b.txt")`, `["` + dir + `/copied/deep/b.txt", "` + dir + `/sub/deep/b.txt"]`},
		{`file.glob("sub/*")`, `["` + dir + `/sub/deep"]`},
		{`file.mkdir("m/n")`, `null`},
		{`file.mkdir("m/n", exists=True)`, `null`},
		{`file.delete("a.txt")`, `null`},
		{`file.exists("a.txt")`, `false`},
		{`file.read_env("MODULE_TEST")`, `"from the environment"`},
	} {
		got, faults := calculate(t, "file", step.expr, eval.Options{AllowFile: true, WorkDir: dir})
		if faults.Err() != nil || got != step.want {
			t.Errorf("%s = %s %v, want %s", step.expr, got, faults, step.want)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, expr := range []string{`file.read("none.txt")`, `file.delete("none")`, `file.mv("none", "x")`, `file.size("none")`, `file.abs("none")`, `file.cp("none", "x")`, `file.mkdir("moved.txt")`,
		`file.read("../a.txt")`, `file.read("sub/../moved.txt")`, `file.read("/etc/hostname")`, `file.exists("/etc")`, `file.read("link")`,
		`file.write("../a.txt", "")`, `file.cp("moved.txt", "../a.txt")`, `file.glob("/etc/*")`} {
		if _, faults := calculate(t, "file", expr, eval.Options{AllowFile: true, WorkDir: dir}); len(faults) != 1 || faults[0].Code != diag.EvalFailed {
			t.Errorf("%s: %v", expr, faults)
		}
	}
	if got, faults := calculate(t, "crypto", `crypto.filesha256("moved.txt")`, eval.Options{AllowFile: true, WorkDir: dir}); got != `"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"` {
		t.Errorf("filesha256 = %s %v", got, faults)
	}
	if got, faults := calculate(t, "json", `json.dump_to_file({a=1}, "d.json")`, eval.Options{AllowFile: true, WorkDir: dir}); faults.Err() != nil {
		t.Error(got, faults)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "d.json")); err != nil || string(data) != `{"a": 1}` {
		t.Errorf("%q %v", data, err)
	}
}

// Nothing reaches out of a program that is not allowed to.
func TestFileRefused(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ module, expr string }{
		{"file", `file.read("a")`}, {"file", `file.write("a", "b")`}, {"file", `file.append("a", "b")`}, {"file", `file.mkdir("a")`},
		{"file", `file.workdir()`}, {"file", `file.read_env("HOME")`}, {"file", `file.exists("a")`}, {"file", `file.glob("*")`},
		{"json", `json.dump_to_file({}, "a")`}, {"yaml", `yaml.dump_to_file({}, "a")`}, {"yaml", `yaml.dump_all_to_file([], "a")`},
		{"crypto", `crypto.filesha256("a")`}, {"net", `net.fqdn()`},
	} {
		_, faults := calculate(t, c.module, c.expr, eval.Options{WorkDir: dir})
		if len(faults) != 1 || faults[0].Code != diag.FileRefused || faults[0].Span.Start.Line != 2 || faults[0].Hint == "" {
			t.Errorf("%s: %v", c.expr, faults)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Error(entries, err)
	}
}

func TestTimeAndChance(t *testing.T) {
	for _, c := range []struct{ module, expr, want string }{
		{"crypto", `crypto.uuid()`, `^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`},
		{"datetime", `datetime.today()`, `^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{10}"$`},
		{"datetime", `datetime.date()`, `^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"$`},
		{"datetime", `datetime.now()`, `^"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \d{4}"$`},
		{"datetime", `datetime.now("%Y/%-m/%e|%j|%%|%H")`, `^"\d{4}/\d{1,2}/[ \d]\d\|\d{3}\|%\|\d\d"$`},
		{"datetime", `datetime.now("%.3f %3f %f")`, `^"\.\d{3} \d{3} \d{9}"$`},
		{"datetime", `datetime.ticks()`, `^\d{10}\.0$`},
	} {
		if got, faults := calculate(t, c.module, c.expr, eval.Options{}); faults.Err() != nil || !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("%s = %s %v, want %s", c.expr, got, faults, c.want)
		}
	}
	if _, faults := calculate(t, "datetime", `datetime.now("%Q")`, eval.Options{}); faults.Err() == nil {
		t.Error("%Q is a format")
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	if _, faults := calculate(t, "", `[print("a", 1, [1, "b"], end="!"), print(), print("c", None, sep="-")]`, eval.Options{Print: &b}); faults.Err() != nil {
		t.Fatal(faults)
	}
	if b.String() != "a 1 [1, b]!\nc None\n" {
		t.Errorf("printed %q", b.String())
	}
}

// No call makes data or takes time without bound.
func TestBounds(t *testing.T) {
	for _, c := range []struct{ module, expr string }{
		{"", `range(1000000000000)`},
		{"", `range(9223372036854775806, 9223372036854775807, -1)`},
		{"", `"{:99999999}".format(1)`},
		{"", `len(["".join([str(range(1000))] * 100000)] * 1000)`},
		{"", `"a".replace("", "x" * 1000000).replace("", "x" * 1000000)`},
		{"regex", `regex.match("a", "(x{1000}){1000}")`},
		{"regex", `regex.split("abc", "")`},
		{"regex", `regex.replace("a" * 1000000, "", "b" * 1000)`},
		{"json", `json.decode("[" * 100000)`},
		{"json", `json.encode({a=1}, indent=1000000000)`},
		{"yaml", `yaml.decode("[" * 100000)`},
		{"yaml", `yaml.decode("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]")`},
		{"yaml", `yaml.decode("a: &a [*a]")`},
		{"template", `template.execute("{{#*inline 'p'}}{{> p}}{{/inline}}{{> p}}", {})`},
		{"template", `template.execute("{{#each l}}" * 9 + "x" + "{{/each}}" * 9, {l=range(1000)})`},
		{"template", `template.execute("{{#each l}}{{#each @root.l}}{{#each @root.l}}x{{/each}}{{/each}}{{/each}}", {l=range(1000)})`},
	} {
		start := time.Now()
		got, faults := calculate(t, c.module, c.expr, eval.Options{})
		if faults.Err() == nil && len(got) > 1000 {
			t.Errorf("%s is accepted: %.80s", c.expr, got)
		}
		if took := time.Since(start); took > 2*time.Minute { // without a bound: hours
			t.Errorf("%s took %v", c.expr, took)
		}
	}
}

// What patterns cannot have is named, at its place, with what to do.
func TestUnsupportedPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, construct string }{
		{`a(?=b)`, "lookahead"}, {`a(?!b)`, "negative lookahead"}, {`(?<=a)b`, "lookbehind"}, {`(?<!a)b`, "negative lookbehind"},
		{`(a)\1`, "backreference"}, {`(?>a)b`, "atomic group"}, {`a++`, "possessive"},
	} {
		_, faults := calculate(t, "regex", `regex.match("ab", r"`+c.pattern+`")`, eval.Options{})
		if len(faults) != 1 || !strings.Contains(faults[0].Message, c.construct) || faults[0].Hint == "" || faults[0].Span.Start.Line != 2 {
			t.Errorf("%s: %v", c.pattern, faults)
		}
	}
}

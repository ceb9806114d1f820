package kcl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl"
	"github.com/berth-oci/berth/kcl/eval"
)

// TestRecordedText runs every recorded program that is accepted and compares
// what it outputs, byte for byte, with what the reference runtime gave.
func TestRecordedText(t *testing.T) {
	values := names(t, "testdata/known-differences.txt")
	known := names(t, "testdata/known-differences-text.txt")
	records, err := filepath.Glob("testdata/programs/*.json")
	if err != nil || len(records) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, record := range records {
		path := strings.TrimSuffix(record, ".json")
		name := filepath.Base(path)
		if values[name] {
			continue
		}
		want := read(t, record) + read(t, path+".yaml")
		got, err := output(t, path)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case got == want && known[name]:
			t.Errorf("%s agrees now; take it off known-differences-text.txt", name)
		case got != want && !known[name]:
			t.Errorf("%s:\n got %swant %s", name, got, want)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("known-differences-text.txt names %s, which has no record", name)
	}
}

// output runs a program, a file or a directory, and returns its JSON and YAML.
func output(t *testing.T, path string) (string, error) {
	t.Helper()
	result, err := kcl.Run(kcl.Options{Files: filesOf(t, path)})
	if err != nil {
		return "", err
	}
	return result.JSON() + "\n" + result.YAML() + "\n", nil
}

// TestPlan compares what options of the output make of programs. Each expected
// text is what the reference runtime gives.
func TestPlan(t *testing.T) {
	const instances = "schema S:\n    a?: int\n    b: int = 3\n    d?: S\nx = S {d = {a = 1}}\ny: [S] = [{}, [S {}][0]]\n"
	for _, test := range []struct {
		name, program string
		plan          eval.Plan
		want          string
	}{
		{"order", "b = 1\n_h = 1\na = 2\n_h = 3\n", eval.Plan{ShowHidden: true}, `{"b": 1, "_h": 3, "a": 2}`},
		{"order of configs", "schema S:\n    x?: int\nc: S {x = 1}\na = 1\nc: S {x = 1}\n", eval.Plan{}, `{"a": 1, "c": {"x": 1}}`},
		{"alone first", "if True:\n    x = 1\nb = {c = 1}\n{k = 1}\n{b = {d = 2}}\n", eval.Plan{}, `{"k": 1, "b": {"d": 2, "c": 1}, "x": 1}`},
		{"last instance", "schema S:\n    x: int\n{a = 1}\n{b = 1}\nS {x = 2}\nS {x = 3}\n{c = 1}\n", eval.Plan{}, `{"b": 1, "x": 3, "c": 1}`},
		{"instance and globals", "schema S:\n    x: int\na = 1\nS {x = 2}\n", eval.Plan{}, `{"x": 2, "a": 1}`},
		{"call", "f = lambda { {a = 1} }\nf()\n", eval.Plan{}, `{}`},
		{"call in parentheses", "f = lambda { {a = 1} }\n(f())\n", eval.Plan{}, `{"a": 1}`},
		{"undefined", "a = [Undefined, lambda { 1 }]\nb = {x = Undefined}\n", eval.Plan{}, `{"a": [], "b": {}}`},
		{"hidden", "a = {_b = 1, c = [{_d = 1}, [{_e = 2}]]}\n", eval.Plan{}, `{"a": {"c": [{}, [{}]]}}`},
		{"none", "a = None\nb = [None, {c = None}, [None]]\n", eval.Plan{DisableNone: true}, `{"b": [{}, []]}`},
		{"mixed list", "[None, {a = None, _b = 1}, [{_c = 1}]]\n", eval.Plan{DisableNone: true}, `[null, {}, [{"_c": 1}]]`},
		{"documents", "[{a = 1, _b = 1}, {c = 1}]\n", eval.Plan{}, "{\"a\": 1}\n{\"c\": 1}"},
		{"no documents", "[]\n", eval.Plan{}, ""},
		{"types", instances, eval.Plan{SchemaTypes: true},
			`{"x": {"b": 3, "d": {"a": 1, "b": 3, "_type": "S"}, "_type": "S"}, "y": [{"b": 3, "_type": "S"}, {"b": 3, "_type": "S"}]}`},
		{"undefined path", instances, eval.Plan{Paths: []string{"x.a"}}, `null`},
		{"instance path", instances, eval.Plan{Paths: []string{"x.d"}, SchemaTypes: true}, `{"a": 1, "b": 3}`},
		{"scalar paths", "a = [1, 2]\n", eval.Plan{Paths: []string{"a.1", "a"}}, `[2, [1, 2]]`},
		{"path in no dict", "[1]\n", eval.Plan{Paths: []string{"a"}}, `[1]`},
		{"sorted", "b = 1\na = {z = 1, y = [{d = 1, c = 2}]}\n", eval.Plan{SortKeys: true}, `{"a": {"y": [{"c": 2, "d": 1}], "z": 1}, "b": 1}`},
	} {
		result, err := kcl.Run(kcl.Options{Files: []string{"-"}, Stdin: strings.NewReader(test.program), Plan: test.plan})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := result.JSON(); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

// TestOverrides changes a program from outside. Each expected text is what the
// reference runtime gives, "" for a rejection.
func TestOverrides(t *testing.T) {
	const base = `schema S:
    x: int
    y?: {str:}
a = S {x = 1, y.k = 2}
b = {c = [1], "d e" = {f = 1}, h.i.j = 1}
c: S {x = 3}
`
	const a, b, c = `"a": {"x": 1, "y": {"k": 2}}`, `"b": {"c": [1], "d e": {"f": 1}, "h": {"i": {"j": 1}}}`, `"c": {"x": 3}`
	for override, want := range map[string]string{
		`a.x=5`:               `{"a": {"x": 5, "y": {"k": 2}}, ` + b + `, ` + c + `}`,
		`a.x: 5`:              `{"a": {"x": 5, "y": {"k": 2}}, ` + b + `, ` + c + `}`,
		`a.y.k=7`:             `{"a": {"x": 1, "y": {"k": 7}}, ` + b + `, ` + c + `}`,
		`a.y-`:                `{"a": {"x": 1}, ` + b + `, ` + c + `}`,
		`a:{x=9}`:             `{"a": {"x": 9, "y": {"k": 2}}, ` + b + `, ` + c + `}`,
		`a={x=9}`:             `{"a": {"x": 9}, ` + b + `, ` + c + `}`,
		`a.x-`:                "",
		`a.x="t"`:             "",
		`b.c+=[2]`:            `{` + a + `, "b": {"c": [1, 2], "d e": {"f": 1}, "h": {"i": {"j": 1}}}, ` + c + `}`,
		`b["d e"].f="x=y"`:    `{` + a + `, "b": {"c": [1], "d e": {"f": "x=y"}, "h": {"i": {"j": 1}}}, ` + c + `}`,
		`b.h.i.k=6`:           `{` + a + `, "b": {"c": [1], "d e": {"f": 1}, "h": {"i": {"j": 1, "k": 6}}}, ` + c + `}`,
		`b.h.i.j-`:            `{` + a + `, "b": {"c": [1], "d e": {"f": 1}, "h": {"i": {}}}, ` + c + `}`,
		`b.h:{i.k=3}`:         `{` + a + `, "b": {"c": [1], "d e": {"f": 1}, "h": {"i": {"j": 1, "k": 3}}}, ` + c + `}`,
		`b=-2`:                `{` + a + `, "b": "-2", ` + c + `}`,
		`b-`:                  `{` + a + `, ` + c + `}`,
		`c.x=a.x`:             `{` + a + `, ` + b + `, "c": {"x": 1}}`,
		`c=S {x = 4, y = {}}`: `{` + a + `, ` + b + `, "c": {"x": 4, "y": {}}}`,
		`new.a.b=1`:           `{` + a + `, ` + b + `, ` + c + `, "new": {"a": {"b": 1}}}`,
		`new:S {x = 1}`:       `{` + a + `, ` + b + `, ` + c + `, "new": {"x": 1}}`,
		`none-`:               `{` + a + `, ` + b + `, ` + c + `}`,
		`new+=[1]`:            "",
		`a`:                   "",
		`=1`:                  "",
		`a=`:                  "",
		`a[0]=1`:              "",
		`a["b=1`:              "",
		`a.x=nginx:1.0`:       "",
		`a.x=nowhere`:         "",
	} {
		opts := kcl.Options{Files: []string{"-"}, Stdin: strings.NewReader(base), Overrides: []string{override}}
		result, err := kcl.Run(opts)
		switch {
		case (err != nil) != (want == ""):
			t.Errorf("%s: %v", override, err)
		case err == nil && result.JSON() != want:
			t.Errorf("%s:\n got %s\nwant %s", override, result.JSON(), want)
		}
	}
}

// TestRunFaults runs what is no program.
func TestRunFaults(t *testing.T) {
	for _, test := range []struct {
		program, arguments string
		code               diag.Code
	}{
		{"a = 1\n'x'\n", "", diag.Conflict},
		{"[1]\n[2]\n", "", diag.Conflict},
		{"a = 1\n{a = 2}\n", "", diag.Conflict},
		{"a = 1", "b", diag.Usage},
		{"a = 1", "b=", diag.Usage},
		{"a = 1", "b=c=d", diag.Usage},
		{"a = ", "", diag.Syntax},
		{"import nowhere", "", diag.ImportFailed},
	} {
		opts := kcl.Options{Files: []string{"-"}, Stdin: strings.NewReader(test.program)}
		if test.arguments != "" {
			opts.Arguments = []string{test.arguments}
		}
		_, err := kcl.Run(opts)
		if err == nil || !strings.Contains(codes(err), string(test.code)) {
			t.Errorf("%q, %q: %v", test.program, test.arguments, err)
		}
	}
}

// codes returns the codes of an error's diagnostics.
func codes(err error) string {
	switch err := err.(type) {
	case *diag.Diagnostic:
		return string(err.Code)
	case *diag.Faults:
		var all []string
		for _, d := range err.List {
			all = append(all, string(d.Code))
		}
		return strings.Join(all, " ")
	}
	return ""
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// names returns the first word of each line of a list.
func names(t *testing.T, file string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, line := range strings.Split(read(t, file), "\n") {
		if name, _, ok := strings.Cut(line, " "); ok && name != "#" {
			all[name] = true
		}
	}
	return all
}

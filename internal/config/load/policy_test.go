package load_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
)

// TestPolicy checks the configs of examples/policy by the schema there: KCL and
// YAML get the same verdict, and so does what is printed of them.
func TestPolicy(t *testing.T) {
	dir := "../../../examples/policy/"
	opts := load.Options{Schema: dir + "acme.k:AcmeRegistry"}
	var values []string
	for _, name := range []string{"registry.k", "registry.yaml"} {
		config, err := load.File(dir+name, opts)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if config.Value().Schema.Name != "AcmeRegistry" {
			t.Errorf("%s is of %s", name, config.Value().Schema.Name)
		}
		values = append(values, config.GivenJSON())
	}
	if !strings.Contains(values[0], "500") || !strings.Contains(values[1], "500") {
		t.Errorf("the configs give %s and %s", values[0], values[1])
	}
	var messages [2][]string
	for i, name := range []string{"wrong.k", "wrong.yaml"} {
		_, err := load.File(dir+name, opts)
		var faults *diag.Faults
		if !errors.As(err, &faults) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, d := range faults.List {
			if d.Code != diag.CheckFailed || d.Span.Start.File != dir+name || len(d.Related) == 0 {
				t.Errorf("%s: %v is no failed check with a place", name, d)
			}
			messages[i] = append(messages[i], d.Message)
		}
	}
	if got := strings.Join(messages[0], "\n"); len(messages[0]) < 4 || got != strings.Join(messages[1], "\n") {
		t.Errorf("KCL fails\n%s\nand YAML\n%s", got, strings.Join(messages[1], "\n"))
	}
	if _, err := load.File(dir+"wrong.yaml", load.Options{}); err != nil {
		t.Errorf("without the policy: %v", err)
	}
}

// TestPrintedConfigs prints every config that there is as KCL and loads it again.
func TestPrintedConfigs(t *testing.T) {
	var names []string
	for _, pattern := range []string{"../../../examples/*/registry.*", "../../../schema/testdata/configs/*.k"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	printed := 0
	for _, name := range names {
		config, err := load.File(name, load.Options{})
		if err != nil || filepath.Base(name) == "port-default-listen.k" {
			// The exception has a block that the language left a plain dict, which
			// no literal gives: printed, it is the block with its defaults.
			continue
		}
		text := config.KCL()
		again, err := load.Text(name, filepath.Join(filepath.Dir(name), "again.k"), text, load.Options{})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if again.KCL() != text {
			t.Errorf("%s printed twice is\n%s\nand\n%s", name, text, again.KCL())
		}
		if a, b := values(config), values(again); a != b {
			t.Errorf("%s has the values\n%s\nand printed\n%s", name, a, b)
		}
		printed++
	}
	if printed < 40 {
		t.Errorf("%d configs were printed", printed)
	}
}

// values lists all values of a config.
func values(c *load.Config) string {
	var b strings.Builder
	for _, o := range c.Origins() {
		b.WriteString(o.Path + " = " + o.Value + "\n")
	}
	return b.String()
}

func TestFormatOfText(t *testing.T) {
	for text, fault := range map[string]string{
		"{\"a\": 1":             "the file ends in the middle of a JSON value",
		"{a: 1":                 "not YAML",
		"a: b\n\tc: d":          "not YAML",
		"# c\n- a\n":            "the config must be a mapping",
		"---\n":                 "the config is empty",
		"a = 1":                 "the config holds no registry",
		"import nowhere":        "there is no package nowhere",
		"x: int = 5":            "the config holds no registry",
		"\"\"\"doc\"\"\"\na=1":  "the config holds no registry",
		"schema X:\n    a: int": "the config holds no registry",
		"if True:\n    a = 1":   "the config holds no registry",
		"url: http://x=y":       "has no attribute url",
		"? a\n: b":              "has no attribute a",
	} {
		_, err := load.Text("", "<stdin>", text, load.Options{})
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %v, want %s", text, err, fault)
		}
	}
}

// numbered repeats a format for each number up to, and without, n.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostileFiles reads what is too large, too deep or no text. All end soon.
func TestHostileFiles(t *testing.T) {
	head := "deployment: remote\ntype: zot\nendpoint: e\nremote: {}\n"
	for name, test := range map[string]struct{ text, fault string }{
		"large.yaml":    {strings.Repeat("x", 16<<20+1), "more than 16 MiB"},
		"keys.yaml":     {head + strings.Repeat("k: v\n", 100_000), "too many keys (limit 10000)"},
		"lines.yaml":    {head + "username:\n" + strings.Repeat("- x\n", 200_000), "too many lines and elements"},
		"dashes.yaml":   {strings.Repeat("- ", 100_000), "sequences nest too deeply"},
		"deep.json":     {strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), "nested too deeply"},
		"nested.json":   {strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300), "nested too deeply (limit 200)"},
		"keys.json":     {`{"type": "zot"` + numbered(10_000, `,"k%d": 1`) + "}", "too many keys (limit 10000)"},
		"values.json":   {`{"remote": {"no_proxy": [1` + strings.Repeat(",[]", 100_000) + `]}}`, "too many values (limit 100000)"},
		"latin.yaml":    {"endpoint: \xe9\n", "the text is not UTF-8"},
		"utf16.k":       {"\xff\xfea\x00", "the text is not UTF-8"},
		"elements.json": {`{"remote": {"no_proxy": [1` + strings.Repeat(",1", 20_000) + `]}}`, "must be str, not int 1"},
	} {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := load.File(name, load.Options{})
		if err == nil || !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %.300v, want %s", filepath.Base(name), err, test.fault)
		}
	}
}

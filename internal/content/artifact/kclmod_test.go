package artifact

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-oci/berth/diag"
)

// writeTree makes files, by their paths, below a fresh directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadModule(t *testing.T) {
	for name, text := range map[string]string{
		"table": `# a module
[package]
name = "web-app"
edition = "v0.11.0"
version = "v1.2.0-rc.1"
description = """Ein
Paket"""
include = ["*.k", 'kcl.mod']
exclude = [ # drafts
  "draft.k", # mine
]

[dependencies]
k8s = "1.31"
`,
		"inline": "package = {name = 'web-app', version = \"v1.2.0-rc.1\", description = \"Ein\\nPaket\", include = [\"*.k\", \"kcl.mod\"], exclude = [\"draft.k\"]}\n",
		"dotted": "package.name = 'web-app'\npackage.version = 'v1.2.0-rc.1'\npackage.description = \"Ein\\nPaket\"\n" +
			"package.include = ['*.k', 'kcl.mod']\npackage.exclude = ['draft.k']\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"kcl.mod": text})
			want := Module{
				Metadata: Metadata{Name: "web-app", Version: "v1.2.0-rc.1", Description: "Ein\nPaket"},
				Include:  []string{"*.k", "kcl.mod"}, Exclude: []string{"draft.k"},
			}
			for _, over := range []Metadata{{}, {Name: "web-app", Version: "v1.2.0-rc.1", Description: "Ein\nPaket"}} {
				got, err := ReadModule(dir, over)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("with %+v: %v\n%s", over, err, diff)
				}
			}
		})
	}
}

func TestReadModuleFaults(t *testing.T) {
	const good = "[package]\nname = \"web\"\nversion = \"1.0.0\"\n"
	version := func(v string) string { return "[package]\nname = \"web\"\nversion = \"" + v + "\"\n" }
	for name, test := range map[string]struct {
		text string
		over Metadata
		want []string // line:column, then what the message and the hint hold, with | between
	}{
		"empty":           {text: "", want: []string{"1:1 no name|name = ", "1:1 no version|version = "}},
		"no package":      {text: "[dependencies]\n", want: []string{"1:1 no name", "1:1 no version"}},
		"empty package":   {text: "\n [package]\n", want: []string{"2:3 no name", "2:3 no version"}},
		"no version":      {text: "[package]\nname = \"web\"\n", want: []string{"1:2 no version|version = "}},
		"no TOML":         {text: "[package]\nname = web\n", want: []string{"2:8 |TOML"}},
		"twice":           {text: good + "name = \"web\"\n", want: []string{"4: |TOML"}},
		"package a text":  {text: "package = 'web'\n", want: []string{"1:11 not a table|[package]"}},
		"package a list":  {text: "[[package]]\nname = 'web'\n", want: []string{"1:3 not a table"}},
		"version no text": {text: "[package]\nname = \"web\"\nversion = 1.0\n", want: []string{"3:11 version must be a text|quotes"}},
		"include a text":  {text: good + "include = \"*.k\"\n", want: []string{"4:11 include must be a list"}},
		"exclude numbers": {text: good + "exclude = [\n  \"é\", 1,\n]\n", want: []string{"5:8 exclude must be a list of texts"}},
		"bad patterns": {text: good + "include = [\"kcl.mod\", \"[a\"]\nexclude = ['\\']\n",
			want: []string{`4:23 "[a" is not a pattern`, `5:12 "\\" is not a pattern`}},
		"without kcl.mod":  {text: good + "include = [\"*.k\"]\n", want: []string{`4:12 leaves out kcl.mod|add "kcl.mod"`}},
		"excludes kcl.mod": {text: good + "exclude = [\"x\", \"./kcl.*\"]\n", want: []string{"4:17 leaves out kcl.mod"}},

		"name":          {text: "[package]\nname = \"Web\"\nversion = \"1\"\n", want: []string{"2:8 name \"Web\" must be lower-case|kcl.mod"}},
		"name digit":    {text: "[package]\nname = \"1web\"\nversion = \"1\"\n", want: []string{"2:8 begin with a letter"}},
		"name dot":      {text: "[package]\nname = \"a.b\"\nversion = \"1\"\n", want: []string{"2:8 must be"}},
		"name path":     {text: "[package]\nname = \"a/b\"\nversion = \"1\"\n", want: []string{"2:8 must be"}},
		"name ending":   {text: "[package]\nname = \"a_\"\nversion = \"1\"\n", want: []string{"2:8 must be"}},
		"name empty":    {text: "[package]\nname = \"\"\nversion = \"1\"\n", want: []string{"2:8 must be"}},
		"version word":  {text: version("latest"), want: []string{`3:11 "latest" is none that kpm can order|1.2.0`}},
		"version empty": {text: version(""), want: []string{"3:11 is none that kpm"}},
		"version dots":  {text: version("1..2"), want: []string{"3:11 is none that kpm"}},
		"version end":   {text: version("1.2."), want: []string{"3:11 is none that kpm"}},
		"version under": {text: version("1.2_3"), want: []string{"3:11 is none that kpm"}},
		"version build": {text: version("1.2.0+linux"), want: []string{"3:11 cannot be a tag|1.2.0"}},
		"version tilde": {text: version("1.2.0-a~1"), want: []string{"3:11 cannot be a tag"}},
		"version large": {text: version("1.9223372036854775808"), want: []string{"3:11 too large"}},
		"version long":  {text: version("1.2-" + strings.Repeat("a", 128)), want: []string{"3:11 too long for a tag"}},
		"all at once":   {text: "[package]\nname = \"A\"\nversion = \"b\"\ninclude = [\"c\"]\n", want: []string{"2:8 ", "3:11 ", "4:12 "}},

		"other name":        {text: good, over: Metadata{Name: "app"}, want: []string{`2:8 --name asks for "app"|leave out --name`}},
		"other version":     {text: good, over: Metadata{Version: "1.0"}, want: []string{`3:11 --version asks for "1.0"|leave out --version`}},
		"other description": {text: good, over: Metadata{Description: "d"}, want: []string{"1:2 --description asks for"}},
		"kind":              {text: good, over: Metadata{Kind: "provider"}, want: []string{"1:2 no kind|--kind"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeTree(t, map[string]string{"kcl.mod": test.text})
			_, err := ReadModule(dir, test.over)
			faults, ok := errors.AsType[diag.List](err)
			if !ok || len(faults) != len(test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			for i, fault := range faults {
				place, says, _ := strings.Cut(test.want[i], " ")
				message, hint, _ := strings.Cut(says, "|")
				if fault.Code != diag.BadMetadata || !strings.HasPrefix(fault.Span.Start.String(), filepath.Join(dir, "kcl.mod")+":"+place) ||
					!strings.Contains(fault.Message, message) || !strings.Contains(fault.Hint, hint) || fault.Hint == "" {
					t.Errorf("got %s %v (%s), want %q", fault.Code, fault, fault.Hint, test.want[i])
				}
			}
		})
	}
}

func TestReadModuleWithoutFile(t *testing.T) {
	_, err := ReadModule(t.TempDir(), Metadata{Name: "web", Version: "1.0.0"})
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.BadMetadata || !strings.Contains(d.Message, "has no kcl.mod") || d.Hint == "" {
		t.Errorf("got %v, want bad-metadata that names kcl.mod", err)
	}
}

func TestModuleVersions(t *testing.T) {
	for _, version := range []string{"1", "1.2", "v1.2.3.4", "0.0.1-alpha", "1.0.0-0.3.7", "1.0.0-x-y.7.z.92", "1.2rc1", "1.2-20060102", "1-", "1.0--"} {
		if fault, _ := checkModuleVersion(version); fault != "" {
			t.Errorf("%s: %s", version, fault)
		}
	}
}

// The cases are what kpm puts into a package and what not.
func TestModuleHas(t *testing.T) {
	for _, test := range []struct {
		include, exclude []string
		has, lacks       string
	}{
		{has: "main.k a/b.k kcl.mod.lock README.md a my.tgz", lacks: ".git .git/config a/.gitignore .github x.tar x.tar.gz a.target/b"},
		{include: []string{"*.k", "kcl.mod"}, has: "main.k kcl.mod", lacks: "a/b.k a README.md"},
		{include: []string{"a/*.k", "./b", "/c", "kcl.mod"}, has: "a/b.k b c", lacks: "a b/c.k main.k"},
		{include: []string{"../x"}, lacks: "x m/x"},
		{exclude: []string{"test", "*_test.k", "a/[bc].k"}, has: "test/x.k a/x_test.k a/d.k", lacks: "test x_test.k a/b.k a/c.k"},
		{include: []string{"*.k"}, exclude: []string{"main.k"}, has: "other.k", lacks: "main.k"},
	} {
		m := Module{Include: test.include, Exclude: test.exclude}
		for rel := range strings.FieldsSeq(test.has) {
			if !m.Has(rel) {
				t.Errorf("include %q, exclude %q: no %s", test.include, test.exclude, rel)
			}
		}
		for rel := range strings.FieldsSeq(test.lacks) {
			if m.Has(rel) {
				t.Errorf("include %q, exclude %q: %s", test.include, test.exclude, rel)
			}
		}
	}
}

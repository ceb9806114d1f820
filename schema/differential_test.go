package schema_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/kcl/kcltest"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
)

const (
	seed    = 3
	configs = 3000
)

var known = []kcltest.Known{
	{
		Kind: kcltest.OtherLine, Most: 186,
		Want: `^EvaluationError: (attribute .* is required|object of type .* has no len|.* not supported between|expect )`,
		Why:  "the runtime blames the first entry of an instance, a check that cannot be evaluated, or what it evaluated last",
	},
	{
		Kind: kcltest.OtherLine, Want: `Check failed on the condition: Invalid pull policy`, Got: `attribute policy of OCIPullPolicy is required`, Most: 2, Rare: true,
		Why: "the runtime blames the check that uses the missing attribute; berth the attribute",
	},
	{
		Kind: kcltest.OtherLine, Want: `^EvaluationError: conflicting values`, Source: `\*\*_v`, Most: 7,
		Why: "the runtime blames where a dict is expanded; berth the entry in it",
	},
	{
		Kind: kcltest.OtherVerdict, Want: `^$`, Got: `is required and cannot be None`, Source: `[:,] *null`, Most: 4, Rare: true,
		Why: "the runtime takes null in data for absent; to berth it means None, in every format",
	},
	{
		Kind: kcltest.OtherValue, Most: 10,
		Why: "quirk: a dict that the runtime merges into an instance stays a dict below the first level, without the schema's defaults",
	},
}

// TestGeneratedConfigs compares berth with the reference runtime on configs
// made from the schema.
func TestGeneratedConfigs(t *testing.T) {
	kcltest.Interpreter(t)
	prelude, _ := syntax.Parse(syntax.NewSource(schema.File, schema.Source))
	bare, module := t.TempDir(), t.TempDir()
	kcltest.Write(t, filepath.Join(bare, schema.File), schema.Source)
	kcltest.Write(t, filepath.Join(module, "kcl.mod"), "[package]\nname = \"acme\"\n\n[dependencies]\noci_registry = { path = \"vendored/oci\" }\n")
	kcltest.Write(t, filepath.Join(module, "vendored/oci", schema.File), schema.Source)
	kcltest.Write(t, filepath.Join(module, "vendored/oci/kcl.mod"), schema.Mod)
	for _, dir := range []string{bare, module} {
		kcltest.Write(t, filepath.Join(dir, "site/site.k"), "domain = \"registry.acme.org\"\npath = \"/etc/ssl/ca.pem\"\n")
	}

	var cases []kcltest.Case
	g := newGenerator(seed, prelude)
	for i := range configs {
		root := g.config()
		if i%4 == 0 && strings.HasSuffix(root.schema, "RegistryConfig") {
			cases = append(cases, data(t, bare, i, root)...)
		}
		imported := i%5 == 0
		name := fmt.Sprintf("c%04d.k", i)
		c := kcltest.Case{Request: kcltest.Request{Dir: bare, Files: []string{name, schema.File}}}
		opts := program.Options{Prelude: []*syntax.File{prelude}, PreludeName: schema.Package}
		if imported {
			c.Request = kcltest.Request{Dir: module, Files: []string{name}}
			opts = program.Options{}
		}
		file := filepath.Join(c.Request.Dir, name)
		kcltest.Write(t, file, g.kcl(root, imported))
		c.Run = func() (kcltest.Outcome, error) { return kcltest.Run([]string{file}, opts) }
		cases = append(cases, c)
	}
	kcltest.Differ(t, "../kcl/testdata/oracle.py", cases, known)
}

// integralFloat finds what the runtime cannot read from YAML.
var integralFloat = regexp.MustCompile(`: -?\d+\.0\n`)

// data returns the case of a config in YAML or JSON; none where only KCL can
// say it.
func data(t *testing.T, dir string, i int, root *table) []kcltest.Case {
	text, ok := asJSON(root)
	if !ok {
		return nil
	}
	format := "json"
	if yaml := asYAML(root, "")[1:]; i%8 == 0 && !integralFloat.MatchString(yaml) {
		format, text = "yaml", yaml
	}
	name := fmt.Sprintf("c%04d.%s", i, format)
	file := filepath.Join(dir, name)
	kcltest.Write(t, file, text)
	return []kcltest.Case{{
		Request:     kcltest.Request{Dir: dir, Schema: schema.File, Name: root.schema, Data: name, Format: format},
		VerdictOnly: true,
		Run: func() (kcltest.Outcome, error) {
			if _, err := load.File(file, load.Options{Schema: root.schema}); err != nil {
				return kcltest.Outcome{Rejected: true, Text: err.Error()}, nil
			}
			return kcltest.Outcome{}, nil
		},
	}}
}

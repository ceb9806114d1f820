package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/load"
	"github.com/berth-oci/berth/kcl/kcltest"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
)

const (
	seed    = 1
	configs = 3000
)

// generated is a config on disk, and how berth runs it.
type generated struct {
	request kcltest.Request
	run     func() (kcltest.Outcome, error)
	verdict bool // only the verdict is known of the reference runtime
}

// TestGeneratedConfigs compares berth with the reference runtime on configs
// made from the schema.
func TestGeneratedConfigs(t *testing.T) {
	prelude, _ := syntax.Parse(syntax.NewSource(schema.File, schema.Source))
	bare, module := t.TempDir(), t.TempDir()
	write(t, filepath.Join(bare, schema.File), schema.Source)
	write(t, filepath.Join(module, "kcl.mod"), "[package]\nname = \"acme\"\n\n[dependencies]\noci_registry = { path = \"vendored/oci\" }\n")
	write(t, filepath.Join(module, "vendored/oci", schema.File), schema.Source)
	write(t, filepath.Join(module, "vendored/oci/kcl.mod"), schema.Mod)
	for _, dir := range []string{bare, module} {
		write(t, filepath.Join(dir, "site/site.k"), "domain = \"registry.acme.org\"\npath = \"/etc/ssl/ca.pem\"\n")
	}

	var all []generated
	g := newGenerator(seed, prelude)
	for i := range configs {
		root, _ := g.config()
		imported := i%5 == 0
		if text, ok := asJSON(root); ok && i%4 == 0 && strings.HasSuffix(root.schema, "RegistryConfig") {
			name, format := fmt.Sprintf("c%04d.json", i), "json"
			if yaml := asYAML(root, "")[1:]; i%8 == 0 && !integralFloat.MatchString(yaml) {
				name, format, text = fmt.Sprintf("c%04d.yaml", i), "yaml", yaml
			}
			all = append(all, data(bare, name, format, root.schema))
			write(t, filepath.Join(bare, name), text)
		}
		name := fmt.Sprintf("c%04d.k", i)
		c := generated{request: kcltest.Request{Dir: bare, Files: []string{name, schema.File}}}
		opts := program.Options{Prelude: []*syntax.File{prelude}, PreludeName: schema.Package}
		if imported {
			c.request = kcltest.Request{Dir: module, Files: []string{name}}
			opts = program.Options{}
		}
		file := filepath.Join(c.request.Dir, name)
		write(t, file, g.kcl(root, imported))
		c.run = func() (kcltest.Outcome, error) { return kcltest.Run([]string{file}, opts) }
		all = append(all, c)
	}
	report(t, all)
}

// data is a config in YAML or JSON.
func data(dir, name, format, schemaName string) generated {
	return generated{
		request: kcltest.Request{Dir: dir, Schema: schema.File, Name: schemaName, Data: name, Format: format},
		verdict: true,
		run: func() (kcltest.Outcome, error) {
			_, err := load.File(filepath.Join(dir, name), load.Options{Schema: schemaName})
			if err != nil {
				return kcltest.Outcome{Rejected: true, Text: err.Error()}, nil
			}
			return kcltest.Outcome{}, nil
		},
	}
}

// integralFloat finds what the runtime cannot read from YAML.
var integralFloat = regexp.MustCompile(`: -?\d+\.0\n`)

// known is a kind of config on which the two disagree, and why: what the runtime
// says, what berth says, and the config, each as a pattern.
type known struct {
	kind           kcltest.Difference
	want, got, src string
	why            string
}

var differences = []known{
	{kcltest.OtherLine, `^EvaluationError: (attribute .* is required|object of type .* has no len|.* not supported between|expect )`, ``, ``,
		"the runtime blames what it evaluated last; berth the value, or the instance that lacks it"},
	{kcltest.OtherLine, `^EvaluationError: conflicting values`, ``, `\*\*_v`, "open: the runtime blames where a dict is expanded"},
	{kcltest.OtherVerdict, `^$`, `is required and cannot be None`, `[:,] *null`, "open: the runtime takes null in data for absent"},
	{kcltest.OtherValue, ``, ``, ``, "quirk: a dict that the runtime merges into an instance stays a dict below the first level, without the schema's defaults"},
}

// report fails for each difference that is not known, and for what is known
// and no more.
func report(t *testing.T, all []generated) {
	t.Helper()
	requests := make([]kcltest.Request, len(all))
	for i, c := range all {
		requests[i] = c.request
	}
	wants := kcltest.Ask(t, "../kcl/testdata/oracle.py", requests)
	seen := make([]int, len(differences))
	agree, accepted := 0, 0
	for i, c := range all {
		got, err := c.run()
		if err != nil {
			t.Fatal(err)
		}
		want := wants[i]
		if !want.Rejected {
			accepted++
		}
		difference := kcltest.Compare(got, want)
		if difference == kcltest.Same || c.verdict && got.Rejected == want.Rejected {
			agree++
			continue
		}
		file := filepath.Join(c.request.Dir, append(c.request.Files, c.request.Data)[0])
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := slices.IndexFunc(differences, func(d known) bool {
			return d.kind == difference && regexp.MustCompile(d.want).MatchString(want.Text) &&
				regexp.MustCompile(d.got).MatchString(got.Text) && regexp.MustCompile(d.src).Match(src)
		})
		if n < 0 {
			t.Errorf("%s: %s\n got %s\nwant %s\n%s", filepath.Base(file), difference, got, want, src)
			continue
		}
		seen[n]++
	}
	for i, d := range differences {
		if seen[i] == 0 {
			t.Errorf("no config differs any more as in: %s: %s", d.kind, d.why)
		}
		t.Logf("%d: %s: %s", seen[i], d.kind, d.why)
	}
	t.Logf("%d configs, %d of them accepted: %d agree", len(all), accepted, agree)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

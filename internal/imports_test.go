package internal_test

import (
	"errors"
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/berth-oci/berth"

// rule is what some packages may import of this module, and why no more. A name that
// ends in /... stands for a package and all below it.
type rule struct {
	packages string // separated by spaces, as the others
	may      string
	why      string
}

// rules say what may import what. The first one that names a package is the one that
// counts for it; what no rule allows is forbidden. Wings come after the packages in
// them that may do less, and each wing may use those before it.
var rules = []rule{
	{"internal internal/base internal/config internal/content internal/client internal/move internal/local", "", "a wing is a place and has no code"},

	{"diag", "internal/base/redact", "every package reports with diag, so it knows none of them"},
	{"schema", "", "the schema is data that everything reads"},
	{"spec", "internal/base/redact", "the Go form of the schema is data that everything reads"},

	{"internal/base/filelock", "", "it locks files and directories, whatever for"},
	{"internal/base/strictjson", "", "it reads texts, whatever they are of"},
	{"internal/base/oci", "internal/base/strictjson", "everybody speaks this vocabulary, so it knows none of them"},
	{"internal/base/access internal/base/redact", "internal/base/lazyregexp", "one rule for all, whatever they do with it"},
	{"internal/base/...", "diag internal/base/filelock", "what everybody shares knows nobody"},

	{"kcl/builtin", "", "the table of builtin names is data that everything reads"},
	{"kcl/syntax", "diag", "the parser knows text and diagnostics, not what evaluates it"},
	{"kcl/program", "diag kcl/builtin kcl/syntax internal/base/regular internal/base/yaml", "which files make up a program is found without a value"},
	{"kcl/check", "diag kcl/builtin kcl/program kcl/syntax", "what is wrong is found in the text alone, before anything has a value"},
	{"kcl/...", "diag kcl/... internal/base/lazyregexp internal/base/regular internal/base/testtool", "it runs any KCL program; registries are a schema to it"},

	{"internal/config/load", "diag kcl/... schema spec internal/base/...", "load makes a config from text and stops there"},
	{"internal/config/resolve", "diag spec internal/base/...", "a target is made of a config alone, wherever that came from"},
	{"internal/config/...", "kcl/... spec internal/config/load", "what writes configs and schemas uses none"},

	{"internal/content/artifact", "diag kcl/program internal/base/... internal/config/resolve internal/content/archive", "packing knows which artifacts a config names, and not where they go"},
	{"internal/content/archive", "", "the guards are the same whatever an archive is read for"},
	{"internal/content/...", "diag internal/base/... internal/content/archive", "files hold content, wherever it comes from or goes to"},

	{"internal/client/credential", "diag internal/base/...", "Docker's credentials are those of every tool; no config of berth's changes them"},
	{"internal/client/transport", "diag spec internal/base/... internal/client/credential internal/config/resolve", "it carries requests to a target, whatever they are for"},
	{"internal/client/...", "diag internal/base/... internal/client/transport internal/config/resolve", "it speaks to any registry, whoever runs it and whatever for"},

	{"internal/move/...", "diag internal/base/... internal/client/... internal/config/resolve internal/content/...", "it speaks the distribution protocol only, whoever runs the registry"},

	{"internal/local/engine", "diag internal/base/...", "it runs a unit, and knows neither products nor configs"},
	{"internal/local/gate", "internal/base/...", "a handler knows requests, not what runs it or why"},
	{"internal/local/embedded/quota internal/local/embedded/settings internal/local/embedded/storage", "", "each does one thing, whatever it is for"},
	{"internal/local/embedded/store", "internal/base/oci internal/local/embedded/quota", "it keeps content, whoever asks for it"},
	{"internal/local/embedded/...", "diag internal/base/atomicfile internal/base/oci internal/local/engine internal/local/gate internal/local/embedded/...", "it runs from its native config alone, as the real program does"},
	{"internal/local/launch/...", "diag internal/base/... internal/config/resolve internal/content/lockfile internal/local/...", "a product makes a unit of a target, and moves no artifacts"},

	{"cmd/berth", "diag schema kcl kcl/eval internal/...", "commands put all of it together"},
}

// others are what only some packages may import.
var others = []rule{
	{"cmd/berth", "github.com/spf13/cobra", "only commands parse command lines"},
	{"cmd/berth", "github.com/vbauerster/mpb", "only commands draw; the rest emits events"},
	{"internal/local/embedded/... internal/local/launch/distribution internal/base/testtool", "github.com/distribution/distribution", "the real registry's code stays where the built-in one is"},
	{"internal/client/... internal/move/transfer", "oras.land/oras-go", "the rest asks the client"},
	{"kcl/kcltest", module + "/internal/base/testtool", "it is for tests alone"},
}

// TestImports holds the arrows between the packages, in the files of all systems.
func TestImports(t *testing.T) {
	used := map[string]bool{} // rules, and what they allow
	for name, imports := range list(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.packages, name) != "" })
		if i < 0 {
			t.Errorf("%s: no rule says what it may import", name)
			continue
		}
		used[rules[i].packages] = true
		for _, imported := range imports {
			if own, ok := strings.CutPrefix(imported, module+"/"); ok {
				allowed := matches(rules[i].may, own)
				if allowed == "" {
					t.Errorf("%s imports %s: %s", name, own, rules[i].why)
				}
				used[rules[i].packages+" > "+allowed] = true
			}
			for _, o := range others {
				if imported != o.may && !strings.HasPrefix(imported, o.may+"/") {
					continue
				}
				used[o.may] = true
				if matches(o.packages, name) == "" {
					t.Errorf("%s imports %s: %s", name, imported, o.why)
				}
			}
		}
	}
	for _, r := range rules {
		if !used[r.packages] {
			t.Errorf("a rule for %s, of which there is none", r.packages)
		}
		for _, may := range strings.Fields(r.may) {
			if !used[r.packages+" > "+may] {
				t.Errorf("%s may import %s, and does not", r.packages, may)
			}
		}
	}
	for _, o := range others {
		if !used[o.may] {
			t.Errorf("a rule for %s, which nothing imports", o.may)
		}
	}
}

// matches returns which of some names stands for a package; "" for none.
func matches(names, name string) string {
	for _, n := range strings.Fields(names) {
		above, tree := strings.CutSuffix(n, "/...")
		if name == above || tree && strings.HasPrefix(name, above+"/") {
			return n
		}
	}
	return ""
}

// list returns what the packages of this module import, whatever they are built for,
// without their tests.
func list(t *testing.T) map[string][]string {
	t.Helper()
	on := build.Default
	on.UseAllFiles = true
	all := map[string][]string{}
	err := filepath.WalkDir("..", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name, err := filepath.Rel("..", dir)
		if err != nil {
			return err
		}
		own := name == "bench" || name == "conformance" // modules of their own
		if own || d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		p, err := on.ImportDir(dir, 0)
		if _, none := errors.AsType[*build.NoGoError](err); none {
			return nil
		}
		if err == nil {
			all[filepath.ToSlash(name)] = p.Imports
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < len(rules) {
		t.Fatalf("%d packages were found", len(all))
	}
	return all
}

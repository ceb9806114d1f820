package builtin_test

import (
	"strings"
	"testing"

	"github.com/berth-oci/berth/kcl/builtin"
	"github.com/berth-oci/berth/kcl/syntax"
)

// TestTables holds what everything that reads the tables relies on: one entry
// for each name, one sentence for each entry, types that are KCL, and optional
// parameters after the others. That the signatures are right is for the records
// check-builtin-* to say, with package check.
func TestTables(t *testing.T) {
	tables := map[string][]builtin.Member{"functions": builtin.Functions(), "methods": builtin.Methods(), "decorators": builtin.Decorators()}
	for _, name := range builtin.Modules() {
		tables["module "+name] = builtin.Module(name)
	}
	for name, table := range tables {
		if len(table) == 0 {
			t.Errorf("%s: nothing", name)
		}
		seen := map[string]bool{}
		for _, m := range table {
			where := name + " " + m.Name
			if seen[m.Name] {
				t.Errorf("%s: twice", where)
			}
			seen[m.Name] = true
			if !strings.HasSuffix(m.Doc, ".") || strings.Contains(m.Doc, ". ") {
				t.Errorf("%s: not one sentence: %q", where, m.Doc)
			}
			isType(t, where, m.Result)
			optional := false
			for _, p := range m.Params {
				isType(t, where, p.Type)
				if optional && !p.Optional {
					t.Errorf("%s: %s comes after an optional parameter", where, p.Name)
				}
				optional = p.Optional
			}
			if found, ok := builtin.Find(table, m.Name); !ok || found.Doc != m.Doc {
				t.Errorf("%s cannot be found", where)
			}
		}
	}
	if builtin.IsModule("nope") || !builtin.IsModule("math") {
		t.Error("IsModule knows other modules")
	}
}

func isType(t *testing.T, where, text string) {
	t.Helper()
	if _, faults := syntax.Parse(syntax.NewSource(where, "f = lambda x: "+text+" {x}\n")); faults.Err() != nil {
		t.Errorf("%s: %q is no type: %v", where, text, faults)
	}
}

package eval

import (
	"maps"
	"slices"
	"testing"

	"github.com/berth-oci/berth/kcl/builtin"
)

// TestEverythingDeclaredIsThere holds the names that a program finds against
// the tables that its calls are checked with.
func TestEverythingDeclaredIsThere(t *testing.T) {
	lang := newLanguage()
	compare := func(what string, declared []builtin.Member, have []string) {
		names := builtin.Names(declared)
		slices.Sort(names)
		if slices.Sort(have); !slices.Equal(names, have) {
			t.Errorf("%s:\ndeclared %v\n    have %v", what, names, have)
		}
	}
	compare("functions", builtin.Functions(), slices.Collect(maps.Keys(lang.builtins)))
	compare("methods of str", builtin.Methods(), slices.Collect(maps.Keys(lang.methods)))
	for _, name := range builtin.Modules() {
		compare("module "+name, builtin.Module(name), slices.Collect(maps.Keys(lang.modules[name])))
	}
}

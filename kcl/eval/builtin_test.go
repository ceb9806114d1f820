package eval

import (
	"slices"
	"testing"

	"github.com/berth-oci/berth/kcl/builtin"
)

// TestBuiltins holds what is implemented and what package builtin declares
// together: the same functions, methods and members of modules.
func TestBuiltins(t *testing.T) {
	lang := newLanguage()
	sameNames(t, "function", builtin.Functions(), keys(lang.builtins))
	sameNames(t, "method of str", builtin.Methods(), keys(lang.methods))
	for _, name := range builtin.Modules() {
		sameNames(t, "member of "+name, builtin.Module(name), keys(lang.modules[name]))
	}
	for name := range lang.modules {
		if !builtin.IsModule(name) {
			t.Errorf("module %s is implemented and not declared", name)
		}
	}
}

func sameNames(t *testing.T, what string, declared []builtin.Member, implemented []string) {
	t.Helper()
	var names []string
	for _, m := range declared {
		if names = append(names, m.Name); !slices.Contains(implemented, m.Name) && !m.IsType {
			t.Errorf("%s %s is declared and not implemented", what, m.Name)
		}
	}
	for _, name := range implemented {
		if !slices.Contains(names, name) {
			t.Errorf("%s %s is implemented and not declared", what, name)
		}
	}
}

func keys[V any](m map[string]V) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

// Package builtin is the table of what every KCL program finds defined: the
// functions, the methods of str, the decorators and the members of the system
// modules, each with its signature in KCL's own notation. It computes nothing:
// package check holds calls against the signatures and package eval implements
// them.
package builtin

import (
	"maps"
	"slices"
)

// Param is a parameter of a function. Type is a KCL type, as in "[str] | str".
type Param struct {
	Name     string
	Type     string
	Optional bool
}

// Member is a function, with IsValue a constant, or with IsType a type.
type Member struct {
	Name     string
	Doc      string // one sentence
	Params   []Param
	Variadic bool   // takes any number of further arguments, also by any keyword
	Result   string // a KCL type; of a constant, its type; of a type, what it stands for
	IsValue  bool
	IsType   bool
}

// Modules returns the names of KCL's system modules, sorted.
func Modules() []string { return slices.Sorted(maps.Keys(modules)) }

// IsModule reports whether an import path names a system module.
func IsModule(path string) bool { return modules[path] != nil }

// Find returns the member with a name from one of the tables.
func Find(table []Member, name string) (Member, bool) {
	for _, m := range table {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// Names returns the names of a table, in its order.
func Names(table []Member) []string {
	names := make([]string, len(table))
	for i, m := range table {
		names[i] = m.Name
	}
	return names
}

func req(name, typ string) Param { return Param{Name: name, Type: typ} }
func opt(name, typ string) Param { return Param{Name: name, Type: typ, Optional: true} }

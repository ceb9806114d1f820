// Package builtin is the table of what every KCL program finds defined: the
// functions, the methods of str and the members of the system modules, each
// with its signature in KCL's own notation. It computes nothing: package check
// holds calls against the signatures and package eval implements them.
package builtin

import "slices"

// Param is a parameter of a function. Type is a KCL type, as in "[str] | str".
type Param struct {
	Name     string
	Type     string
	Optional bool
}

// Member is a function or, with IsValue, a constant.
type Member struct {
	Name     string
	Doc      string // one sentence
	Params   []Param
	Variadic bool   // takes any number of further positional arguments
	Result   string // a KCL type; of a constant, its type
	IsValue  bool
}

// Modules returns the names of KCL's system modules.
func Modules() []string {
	return []string{
		"base32", "base64", "collection", "crypto", "datetime", "file", "json", "manifests",
		"math", "net", "regex", "runtime", "template", "units", "yaml",
	}
}

// IsModule reports whether an import path names a system module.
func IsModule(path string) bool { return slices.Contains(Modules(), path) }

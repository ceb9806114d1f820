// Package schema holds the KCL package that defines a berth config: every
// type, default and check of it, and nothing else does. It is valid for the
// real KCL toolchain too.
package schema

import _ "embed"

// File is the name of the package's only source file.
const File = "oci_registry.k"

// Package is the name under which a config may import the schemas.
const Package = "oci_registry"

// Source is the text of the package.
//
//go:embed oci_registry.k
var Source string

// Mod is the package's kcl.mod.
//
//go:embed kcl.mod
var Mod string

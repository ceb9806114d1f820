// Package jsonschema writes the JSON Schema (draft 2020-12) of a berth config,
// for editors and for validators that know no KCL. It is generated from the KCL
// schema: types, required attributes, defaults and descriptions. Rules that
// relate several attributes stay in KCL, where berth validate runs them.
package jsonschema

import (
	"encoding/json"
	"strings"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
)

type object = map[string]any

// Generate returns the JSON Schema, indented.
func Generate() ([]byte, error) {
	f, faults := syntax.Parse(syntax.NewSource(schema.File, schema.Source))
	if err := faults.Err(); err != nil {
		return nil, err
	}
	schemas, err := eval.Describe([]*syntax.File{f})
	if err != nil {
		return nil, err
	}
	defs := object{}
	var roots []object
	for _, s := range schemas {
		defs[s.Name] = define(s)
		if s.Base() != nil && s.Derives("OCIRegistryConfig") {
			roots = append(roots, ref(s))
		}
	}
	return json.MarshalIndent(object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "berth registry config",
		"description": "The configuration of one OCI registry.",
		"oneOf":       roots,
		"$defs":       defs,
	}, "", "  ")
}

func ref(s *eval.Schema) object { return object{"$ref": "#/$defs/" + s.Name} }

// define describes the instances of one schema.
func define(s *eval.Schema) object {
	properties := object{}
	required := []string{}
	for _, a := range s.Attributes() {
		p := describe(a.Type)
		if a.Optional {
			p = nullable(p)
		}
		if a.Doc != "" {
			p["description"] = a.Doc
		}
		if v, ok := eval.ConstantValue(a.Default); ok {
			p["default"] = v
		} else if a.Default == nil && !a.Optional {
			required = append(required, a.Name)
		}
		properties[a.Name] = p
	}
	def := object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	if doc, _, _ := strings.Cut(strings.TrimSpace(s.Doc), "\n\n"); doc != "" {
		def["description"] = strings.Join(strings.Fields(doc), " ")
	}
	return def
}

// nullable admits null too: an optional attribute may be None.
func nullable(p object) object {
	switch t := p["type"].(type) {
	case string:
		p["type"] = []string{t, "null"}
		return p
	}
	if enum, ok := p["enum"].([]any); ok {
		p["enum"] = append(enum, nil)
		return p
	}
	if len(p) == 0 {
		return p
	}
	return object{"anyOf": []object{p, {"type": "null"}}}
}

func describe(t eval.Type) object {
	shape := eval.Shape(t)
	switch {
	case shape.Basic != "":
		return object{"type": map[string]string{"bool": "boolean", "int": "integer", "float": "number", "str": "string"}[shape.Basic]}
	case shape.Literal != nil:
		v, _ := eval.Plain(shape.Literal)
		return object{"enum": []any{v}}
	case shape.List != nil:
		return object{"type": "array", "items": describe(shape.List)}
	case shape.Dict != nil:
		return object{"type": "object", "additionalProperties": describe(shape.Dict)}
	case shape.Schema != nil:
		return ref(shape.Schema)
	case shape.Union != nil:
		return union(shape.Union)
	}
	return object{}
}

// union merges literals into one enum and leaves other alternatives apart.
func union(types []eval.Type) object {
	var enum []any
	var rest []object
	for _, t := range types {
		d := describe(t)
		if values, ok := d["enum"].([]any); ok {
			enum = append(enum, values...)
			continue
		}
		rest = append(rest, d)
	}
	if len(rest) == 0 {
		return object{"enum": enum}
	}
	if enum != nil {
		rest = append(rest, object{"enum": enum})
	}
	return object{"anyOf": rest}
}

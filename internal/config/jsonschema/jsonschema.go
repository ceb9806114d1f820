// Package jsonschema writes the JSON Schema (draft 2020-12) of a berth config,
// for editors and for validators that know no KCL. It is generated from the KCL
// schema: types, required attributes, defaults, descriptions, and of the checks
// what JSON Schema can say. It never rejects what berth accepts; what it lets
// through is in its own $comment.
package jsonschema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/spec"
)

type object = map[string]any

// root is the schema that all schemas of registries derive from.
const root = "OCIRegistryConfig"

// Limits are what no JSON Schema of a config says, beside checks.
var limits = []string{
	"a whole number with a fraction, as in 5.0, is no int, and an int has 64 bits",
	"a key is given once",
	"a config is one document",
}

// Schema is a generated JSON Schema.
type Schema struct {
	// Text is the JSON Schema, indented.
	Text []byte
	// Checks are the messages of the checks that it does not express, or not
	// in every case. Other limits are in its $comment.
	Checks []string
}

// Generate returns the JSON Schema of the instances of the named schema of a
// program; of any registry, told apart by type, when the name is "".
func Generate(p *program.Program, name string) (*Schema, error) {
	schemas, err := eval.Describe(p)
	if err != nil {
		return nil, err
	}
	g := &generator{defs: object{}, names: map[*eval.Schema]string{}, constants: constants(p)}
	top := object{}
	if name == "" {
		top = g.byType(schemas)
	}
	for _, s := range slices.Backward(schemas) { // those of the program before those of its prelude
		if s.Name == name {
			top = g.ref(s)
			break
		}
	}
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "berth registry config"
	top["description"] = "The configuration of one OCI registry."
	top["$defs"] = g.defs
	top["$comment"] = g.comment()
	text, err := json.MarshalIndent(top, "", "  ")
	return &Schema{Text: text, Checks: g.missed}, err
}

// generator collects definitions.
type generator struct {
	defs      object
	names     map[*eval.Schema]string
	constants map[*syntax.Source]map[string]syntax.Expr
	missed    []string
}

// comment says what the schema lets through.
func (g *generator) comment() string {
	all := append(slices.Clone(limits), g.missed...)
	return "berth validate checks more than JSON Schema can say: " + strings.Join(all, "; ") + "."
}

// byType chooses the definition that type names, else the one that alone has an
// attribute that is given, else that of any registry: as berth does.
func (g *generator) byType(schemas []*eval.Schema) object {
	var any *eval.Schema
	var special []*eval.Schema
	for _, s := range schemas {
		switch {
		case s.Name == root:
			any = s
		case s.Derives(root):
			special = append(special, s)
		}
	}
	if any == nil {
		return object{}
	}
	chain := g.ref(any)
	for _, s := range slices.Backward(special) {
		for _, a := range s.Attributes() {
			if !any.Declares(a.Name) {
				chain = object{"if": object{"required": []string{a.Name}}, "then": g.ref(s), "else": chain}
			}
		}
	}
	for _, s := range slices.Backward(special) {
		if lit := eval.Shape(attribute(s, "type").Type).Literal; lit != nil {
			value, _ := eval.Plain(lit)
			is := object{"properties": object{"type": object{"const": value}}, "required": []string{"type"}}
			chain = object{"if": is, "then": g.ref(s), "else": chain}
		}
	}
	return chain
}

func attribute(s *eval.Schema, name string) eval.Attribute {
	for _, a := range s.Attributes() {
		if a.Name == name {
			return a
		}
	}
	return eval.Attribute{}
}

// ref refers to the definition of a schema, which it writes the first time.
func (g *generator) ref(s *eval.Schema) object {
	name, ok := g.names[s]
	if !ok {
		name = s.Name
		for n := 2; g.defs[name] != nil; n++ { // another package's schema of that name
			name = fmt.Sprintf("%s%d", s.Name, n)
		}
		g.names[s] = name
		g.defs[name] = object{} // taken, for schemas that contain themselves
		g.defs[name] = g.define(s)
	}
	return object{"$ref": "#/$defs/" + name}
}

// define describes the instances of one schema.
func (g *generator) define(s *eval.Schema) object {
	properties := object{}
	required := []string{}
	for _, a := range s.Attributes() {
		p := g.describe(a.Type)
		if a.Optional {
			p = nullable(p)
		}
		if a.Doc != "" {
			p["description"] = a.Doc
		}
		if v, ok := eval.ConstantValue(a.Default); ok {
			if text, ok := v.(string); !ok || spec.Shown(a.Name, text) == text { // a schema goes from hand to hand
				p["default"] = v
			}
		} else if a.Default == nil && !a.Optional {
			required = append(required, a.Name)
		}
		properties[a.Name] = p
	}
	def := object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	if t, ok := s.Index(); ok {
		def["additionalProperties"] = g.element(t)
	}
	if doc, _, _ := strings.Cut(strings.TrimSpace(s.Doc), "\n\n"); doc != "" {
		def["description"] = strings.Join(strings.Fields(doc), " ")
	}
	g.checks(s, def)
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

// element describes the elements of a list or dict, which may be null.
func (g *generator) element(t eval.Type) object { return nullable(g.describe(t)) }

func (g *generator) describe(t eval.Type) object {
	shape := eval.Shape(t)
	switch {
	case shape.Basic != "":
		return object{"type": jsonType[shape.Basic]}
	case shape.Literal != nil:
		v, _ := eval.Plain(shape.Literal)
		return object{"enum": []any{v}}
	case shape.List != nil:
		return object{"type": "array", "items": g.element(shape.List)}
	case shape.Dict != nil:
		return object{"type": "object", "additionalProperties": g.element(shape.Dict)}
	case shape.Schema != nil:
		return g.ref(shape.Schema)
	case shape.Union != nil:
		return g.union(shape.Union)
	}
	return object{}
}

var jsonType = map[string]string{"bool": "boolean", "int": "integer", "float": "number", "str": "string"}

// union merges literals into one enum and leaves other alternatives apart.
func (g *generator) union(types []eval.Type) object {
	var enum []any
	var rest []object
	for _, t := range types {
		d := g.describe(t)
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

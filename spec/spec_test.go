package spec_test

import (
	"reflect"
	"testing"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
	"github.com/berth-oci/berth/spec"
)

// TestSpecMatchesSchema walks the schema and the structs together and fails on
// every attribute that one has and the other lacks or types differently.
func TestSpecMatchesSchema(t *testing.T) {
	p, faults := program.Load([]*syntax.Source{syntax.NewSource(schema.File, schema.Source)}, program.Options{})
	if err := faults.Err(); err != nil {
		t.Fatal(err)
	}
	schemas, err := eval.Describe(p)
	if err != nil {
		t.Fatal(err)
	}
	w := walker{T: t, visited: map[string]bool{}}
	// One struct stands for OCIRegistryConfig and all schemas that derive from it.
	registry := map[string]eval.Attribute{}
	for _, s := range schemas {
		switch {
		case s.Derives("OCIRegistryConfig"):
			w.visited[s.Name] = true
			for _, a := range s.Attributes() {
				if old, ok := registry[a.Name]; !ok || old.Name != "type" {
					registry[a.Name] = a
				}
			}
		case s.Name == "OCIArtifactReference":
			w.schema(s, reflect.TypeFor[spec.ArtifactReference]())
		}
	}
	w.attributes("Registry", registry, reflect.TypeFor[spec.Registry]())
	for _, s := range schemas {
		if !w.visited[s.Name] {
			t.Errorf("schema %s has no struct", s.Name)
		}
	}
}

type walker struct {
	*testing.T
	visited map[string]bool
}

func (w walker) schema(s *eval.Schema, typ reflect.Type) {
	if w.visited[s.Name] {
		return
	}
	w.visited[s.Name] = true
	attrs := map[string]eval.Attribute{}
	for _, a := range s.Attributes() {
		attrs[a.Name] = a
	}
	w.attributes(s.Name, attrs, typ)
}

func (w walker) attributes(name string, attrs map[string]eval.Attribute, typ reflect.Type) {
	fields := map[string]bool{}
	for i := range typ.NumField() {
		field := typ.Field(i)
		tag := field.Tag.Get("kcl")
		fields[tag] = true
		a, ok := attrs[tag]
		if !ok {
			w.Errorf("%s.%s: the schema %s has no attribute %q", typ, field.Name, name, tag)
			continue
		}
		nilable := field.Type.Kind() == reflect.Pointer || field.Type.Kind() == reflect.Slice || field.Type.Kind() == reflect.Map
		if a.Optional && !nilable {
			w.Errorf("%s.%s is optional in the schema and cannot be absent in Go", name, tag)
		}
		w.shape(name+"."+tag, a.Type, field.Type)
	}
	for attr := range attrs {
		if !fields[attr] {
			w.Errorf("schema %s has the attribute %s, %s does not", name, attr, typ)
		}
	}
}

func (w walker) shape(path string, t eval.Type, typ reflect.Type) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	shape := eval.Shape(t)
	kinds := map[string]reflect.Kind{"bool": reflect.Bool, "int": reflect.Int, "float": reflect.Float64, "str": reflect.String}
	switch {
	case shape.Basic == "str" && typ == reflect.TypeFor[spec.URL]():
	case shape.Schema != nil && typ.Kind() == reflect.Struct:
		w.schema(shape.Schema, typ)
	case shape.List != nil && typ.Kind() == reflect.Slice:
		w.shape(path+"[]", shape.List, typ.Elem())
	case shape.Dict != nil && typ.Kind() == reflect.Map:
		w.shape(path+"{}", shape.Dict, typ.Elem())
	case shape.Basic != "" && kinds[shape.Basic] == typ.Kind():
	case (shape.Union != nil || shape.Literal != nil) && typ.Kind() == reflect.String:
	default:
		w.Errorf("%s is %s in the schema and %s in Go", path, t, typ)
	}
}

package load

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/spec"
)

// choose finds the registry of a program: the only instance of
// OCIRegistryConfig or of a schema that derives from it, or the named one.
func (c *Config) choose(p *eval.Program, name string, src *syntax.Source) (string, *eval.Instance, *diag.Diagnostic) {
	var found []*eval.Entry
	for _, e := range slices.Concat(p.Globals, p.Outputs) {
		if c.document != nil && e.Place.Source != src { // of the file that defines the schema
			continue
		}
		if inst, ok := e.Value.(*eval.Instance); ok && c.isRegistry(inst.Schema) && !strings.HasPrefix(e.Key, "_") {
			found = append(found, e)
		}
	}
	var names []string
	var places []diag.Related
	for _, e := range found {
		inst := e.Value.(*eval.Instance)
		if name != "" && e.Key == name {
			return e.Key, inst, nil
		}
		names = append(names, cmp.Or(e.Key, "(unnamed)"))
		places = append(places, diag.Related{Span: inst.Place.Span(), Message: cmp.Or(e.Key, "(unnamed)")})
	}
	top := syntax.Range{Source: src}.Span()
	switch {
	case len(found) == 0:
		return "", nil, diag.Errorf(diag.NoConfig, "the config holds no registry").At(top).
			WithHint("it needs an instance of OCIRegistryConfig; berth init writes one")
	case name != "":
		return "", nil, diag.Errorf(diag.NoConfig, "the config holds no registry named %s", name).At(top).
			WithHint("it holds %s", strings.Join(names, ", "))
	case len(found) > 1:
		d := diag.Errorf(diag.ConfigUnclear, "the config holds %d registries: %s", len(found), strings.Join(names, ", ")).At(top).
			WithHint("choose one with --config NAME")
		d.Related = places
		return "", nil, d
	}
	return found[0].Key, found[0].Value.(*eval.Instance), nil
}

// isRegistry reports whether a schema is berth's OCIRegistryConfig or derives
// from it.
func (c *Config) isRegistry(s *eval.Schema) bool {
	for ; s != nil; s = s.Base() {
		if s.Name == rootSchema && s.Source() == c.schemaSource {
			return true
		}
	}
	return false
}

// decode fills the Go form of the config and of the schema's defaults.
func (c *Config) decode() error {
	c.Registry = &spec.Registry{}
	if err := spec.Decode(c.Registry, c.attributes(c.value)); err != nil {
		return diag.Errorf(diag.Failed, "schema and program disagree: %w", err)
	}
	f, faults := syntax.Parse(syntax.NewSource("defaults.k", `
http_config = LocalHTTPConfig {}
storage_config = LocalStorageConfig {}
remote = RemoteOCIConfig {}
pull_policy = OCIPullPolicy {}
push_policy = OCIPushPolicy {}
`))
	linked, more := program.Link([]*syntax.File{f}, program.Options{Prelude: c.program.Prelude.Files})
	faults = append(faults, more...)
	result, more := eval.Run(linked, eval.Options{})
	if err := append(faults, more...).Err(); err != nil {
		return err
	}
	targets := map[string]any{
		"http_config": &c.Defaults.HTTP, "storage_config": &c.Defaults.Storage, "remote": &c.Defaults.Remote,
		"pull_policy": &c.Defaults.Pull, "push_policy": &c.Defaults.Push,
	}
	for _, e := range result.Globals {
		if err := spec.Decode(targets[e.Key], c.attributes(e.Value.(*eval.Instance))); err != nil {
			return diag.Errorf(diag.Failed, "schema and program disagree: %w", err)
		}
	}
	return nil
}

// attributes returns the attributes of an instance that berth's schema declares,
// as plain maps. A schema that derives from berth's may have more: they are for
// its own checks.
func (c *Config) attributes(inst *eval.Instance) map[string]any {
	known := inst.Schema
	for known != nil && known.Source() != c.schemaSource {
		known = known.Base()
	}
	m := map[string]any{}
	for _, e := range inst.Attrs.Entries() {
		if known != nil && !known.Declares(e.Key) {
			continue
		}
		if v, ok := c.plain(e.Value); ok {
			m[e.Key] = v
		}
	}
	return m
}

// plain returns a value as package spec decodes it; ok is false for Undefined
// and what else is no data.
func (c *Config) plain(v eval.Value) (any, bool) {
	switch v := v.(type) {
	case *eval.Instance:
		return c.attributes(v), true
	case *eval.Dict:
		m := make(map[string]any, v.Len())
		for _, e := range v.Entries() {
			if elem, ok := c.plain(e.Value); ok {
				m[e.Key] = elem
			}
		}
		return m, true
	case *eval.List:
		list := make([]any, 0, len(v.Elems))
		for _, e := range v.Elems {
			if elem, ok := c.plain(e); ok {
				list = append(list, elem)
			}
		}
		return list, true
	}
	return eval.Plain(v)
}

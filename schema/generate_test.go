package schema_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// generator makes registry configs at random from the schema itself: right
// ones and wrong ones, each a tree of values that is then written down.
type generator struct {
	*rand.Rand
	schemas map[string]*syntax.Schema
}

// Values of a config are string, int, float64, bool, nil, a list, a *table or
// code.
type (
	// table is an instance of a schema, or a plain dict without one.
	table struct {
		schema  string
		entries []entry
	}
	entry struct {
		key   string
		op    string
		value any
	}
	list []any
	code string
)

func (t *table) add(key string, value any) {
	t.entries = append(t.entries, entry{key, "=", value})
}

func (t *table) get(key string) any {
	for _, e := range t.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

func newGenerator(seed uint64, file *syntax.File) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), schemas: map[string]*syntax.Schema{}}
	for _, stmt := range file.Body {
		if s, ok := stmt.(*syntax.Schema); ok {
			g.schemas[s.Name.Text] = s
		}
	}
	return g
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// config returns a config with up to three faults. Without any it is right more
// often than not.
func (g *generator) config() *table {
	root := pick(g, "OCIRegistryConfig", "OCIRegistryConfig", "ZotRegistryConfig", "HarborRegistryConfig",
		"ArtifactoryRegistryConfig", "DistributionRegistryConfig", "OCIArtifactReference")
	t := g.instance(root, 0)
	g.mend(t)
	for range pick(g, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3) {
		g.spoil(t)
	}
	return t
}

// attributes returns the attributes of a schema, inherited ones first.
func (g *generator) attributes(name string) []*syntax.Attr {
	s := g.schemas[name]
	var all []*syntax.Attr
	if base, ok := s.Base.(*syntax.Ident); ok {
		all = g.attributes(base.Name)
	}
	for _, stmt := range s.Body {
		if a, ok := stmt.(*syntax.Attr); ok {
			all = slices.DeleteFunc(all, func(b *syntax.Attr) bool { return a.Name.Text == b.Name.Text })
			all = append(all, a)
		}
	}
	return all
}

func (g *generator) instance(schema string, depth int) *table {
	t := &table{schema: schema}
	for _, a := range g.attributes(schema) {
		required := !a.Optional && a.Value == nil
		if required || g.chance(25+10*depth) {
			t.add(a.Name.Text, g.value(a.Name.Text, a.Type, depth))
		}
	}
	if g.chance(30) {
		g.Shuffle(len(t.entries), func(i, j int) { t.entries[i], t.entries[j] = t.entries[j], t.entries[i] })
	}
	return t
}

func (g *generator) value(attr string, typ syntax.Type, depth int) any {
	switch typ := typ.(type) {
	case *syntax.UnionType:
		return g.value(attr, pick(g, typ.Types...), depth)
	case *syntax.LiteralType:
		return typ.Value.(*syntax.String).Value
	case *syntax.ListType:
		l := list{}
		for range pick(g, 0, 1, 1, 2, 3) {
			l = append(l, g.value(attr, typ.Elem, depth+1))
		}
		return l
	case *syntax.DictType:
		t := &table{}
		for _, key := range []string{"charts", "models", "team-a"}[:g.IntN(4)] {
			t.add(key, g.value(attr, typ.Value, depth+1))
		}
		return t
	case *syntax.NamedType:
		switch name := typ.Path[0].Text; name {
		case "str":
			return g.text(attr)
		case "int":
			return pick(g, 1, 5, 9, 443, 5000, 65535)
		case "float":
			return pick[any](g, 1.5, 2.0, 3)
		case "bool":
			return g.chance(30)
		default:
			return g.instance(name, depth+1)
		}
	}
	panic(fmt.Sprintf("no value for %T", typ))
}

// text returns a string that most likely suits the attribute.
func (g *generator) text(attr string) string {
	switch attr {
	case "data_dir", "config_path", "rootdirectory":
		return pick(g, "/srv/oci", "~/oci", "/var/lib/registry")
	case "extensions", "kcl_packages":
		return pick(g, "ext", "my-packages", "a1")
	case "platform_images", "test_images", "custom", "namespace", "repository":
		return pick(g, "images", "team/images", "a.b_c/d-e")
	case "tag":
		return pick(g, "latest", "v1.2.3", "_x")
	case "endpoint":
		return pick(g, "localhost", "registry.acme.org", "10.0.0.1")
	}
	return pick(g, "value", "/run/secrets/x", "https://hooks.example.org/x", "robot$ci", "24h", "ü", `a "quoted" \ text`)
}

// mend adds what the checks of the schema ask for.
func (g *generator) mend(t *table) {
	need := func(when bool, attr string) {
		if when && t.get(attr) == nil && g.chance(90) {
			for _, a := range g.attributes(t.schema) {
				if a.Name.Text == attr {
					t.entries = slices.DeleteFunc(t.entries, func(e entry) bool { return e.key == attr })
					t.add(attr, g.value(attr, a.Type, 1))
				}
			}
		}
	}
	on := func(attr string) bool { return t.get(attr) == true }
	switch {
	case strings.HasSuffix(t.schema, "RegistryConfig"):
		need(t.get("deployment") == "local", "local")
		need(t.get("deployment") == "remote", "remote")
		need(on("auth_required"), "username")
		need(on("tls_enabled"), "tls_cert_path")
		need(on("tls_enabled"), "tls_key_path")
	case t.schema == "LocalStorageConfig":
		need(t.get("backend") == "s3", "s3")
		need(t.get("backend") == "azure", "azure")
	case t.schema == "OCIRegistryFeatures":
		need(on("vulnerability_scanning"), "scanner_type")
		need(on("image_signing"), "signing_method")
		need(on("replication_enabled"), "replication_targets")
		need(on("webhook_enabled"), "webhook_endpoints")
	case t.schema == "ZotFeatures":
		need(on("sync_enabled"), "sync_registries")
	}
	for i, e := range t.entries {
		switch v := e.value.(type) {
		case *table:
			g.mend(v)
		case int:
			if e.key == "compression_level" {
				t.entries[i].value = v % 10
			}
		}
	}
}

// tables returns a table and all below it.
func tables(v any) []*table {
	var all []*table
	switch v := v.(type) {
	case *table:
		all = append(all, v)
		for _, e := range v.entries {
			all = append(all, tables(e.value)...)
		}
	case list:
		for _, e := range v {
			all = append(all, tables(e)...)
		}
	}
	return all
}

// spoil puts one fault into a config, anywhere.
func (g *generator) spoil(root *table) {
	t := pick(g, tables(root)...)
	if len(t.entries) == 0 {
		t.add(pick(g, "surprise", "name", "a.b"), 1)
		return
	}
	i := g.IntN(len(t.entries))
	e := &t.entries[i]
	switch g.IntN(11) {
	case 0, 1: // a value of another type
		e.value = pick[any](g, "text", 7, 7.5, true, list{"a"}, list{}, &table{}, &table{entries: []entry{{"a", "=", 1}}})
	case 2, 3, 4: // a value out of range
		switch e.value.(type) {
		case int:
			e.value = pick(g, 0, -1, 10, 65536, 1<<40)
		case string:
			e.value = pick(g, "", "Upper Case", "-x-", "a//b", "harbour", "é")
		case float64:
			e.value = pick(g, 1.0, 0.5, -2.5)
		case bool:
			e.value = !e.value.(bool)
		default:
			e.value = pick[any](g, list{}, &table{}, "")
		}
	case 5: // an unknown attribute, likely a slip of the pen
		key := []byte(pick(g, t.entries...).key)
		n := g.IntN(len(key))
		key[n] = pick(g, byte('x'), byte('_'), key[max(n-1, 0)])
		t.entries = slices.Insert(t.entries, i, entry{string(key), "=", pick[any](g, "x", 1, true)})
	case 6: // something missing
		t.entries = slices.Delete(t.entries, i, i+1)
	case 7:
		e.value = pick[any](g, nil, code("None"), code("Undefined"))
	case 8: // the same attribute again
		other := g.like(e.value)
		e.op = pick(g, "=", ":")
		t.add(e.key, other)
		t.entries[len(t.entries)-1].op = pick(g, ":", ":", "=", "+=")
	case 9: // a value that cannot be computed
		e.value = code(pick(g, `nothing_of_this_name`, `1 + "x"`, `{a = 1}.b.c`, `[1][3]`, `1 / 0`, `"${nothing}"`, `int("x")`, `endpoint + 1`, `"a" * 2`, `len(5)`))
	case 10: // nested one level too deep, or not deep enough
		if inner, ok := e.value.(*table); ok && len(inner.entries) > 0 {
			e.value = inner.entries[0].value
		} else {
			e.value = pick[any](g, list{e.value}, &table{entries: []entry{{"value", "=", e.value}}})
		}
	}
}

// like returns another value of the kind.
func (g *generator) like(v any) any {
	switch v := v.(type) {
	case string:
		return pick(g, v, v+"x", "")
	case int:
		return pick(g, v, v+1)
	case bool:
		return g.chance(50)
	case list:
		return pick[any](g, v, list{"more"}, list{})
	case *table:
		other := &table{schema: v.schema}
		for _, e := range v.entries {
			if g.chance(50) {
				other.add(e.key, g.like(e.value))
			}
		}
		return other
	}
	return v
}

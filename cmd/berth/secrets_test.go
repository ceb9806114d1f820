package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
	"github.com/berth-oci/berth/spec"
)

// mark is part of every secret, and of nothing else.
const mark = "MARKED"

// secretForms are ways in which a value holds a secret.
var secretForms = map[string]string{
	"user":    "http://MARKED-u:MARKED-pw@127.0.0.1:1",
	"bare":    "MARKED-u:MARKED-pw@127.0.0.1:1",
	"token":   "https://MARKED-t@127.0.0.1:1",
	"webhook": "https://hooks.example/MARKED-a/MARKED-b",
	"short":   "https://h.io/MARKED1",
	"query":   "https://127.0.0.1:1/x?MARKED-k=MARKED-v&sig=MARKED-s#MARKED-f",
	"slash":   "http://user:MARKED/MARKED-b@127.0.0.1:1",
	"space":   "http://user:MARKED MARKED-b@127.0.0.1:1",
	"invalid": "http://user:MARKED%zz@127.0.0.1:1",
}

// marked makes configs in which every attribute that spec has as a URL holds a
// secret: whatever is added to the schema later is among them.
type marked struct {
	*testing.T
	secret  string
	reached map[string]bool // names of the attributes
}

// value makes a value of a type. Of what holds no URL only what has to be there is
// made.
func (m marked) value(t eval.Type, typ reflect.Type) any {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	shape := eval.Shape(t)
	switch {
	case typ == reflect.TypeFor[spec.URL]():
		return m.secret
	case shape.List != nil:
		return []any{m.value(shape.List, typ.Elem())}
	case shape.Dict != nil:
		return map[string]any{"key": m.value(shape.Dict, typ.Elem())}
	case shape.Schema != nil:
		return m.block(shape.Schema, typ)
	case shape.Union != nil:
		return m.value(shape.Union[0], typ)
	case shape.Literal != nil:
		v, _ := eval.Plain(shape.Literal)
		return v
	case shape.Basic == "str":
		return "/name"
	case shape.Basic == "bool":
		return false
	}
	return 1
}

func (m marked) block(s *eval.Schema, typ reflect.Type) map[string]any {
	block := map[string]any{}
	for _, a := range s.Attributes() {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Tag.Get("kcl") != a.Name {
				continue
			}
			if holdsURL(f.Type) || !a.Optional && a.Default == nil {
				block[a.Name] = m.value(a.Type, f.Type)
				m.reached[a.Name] = true
			}
		}
	}
	return block
}

func holdsURL(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holdsURL(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsURL(t.Field(i).Type) {
				return true
			}
		}
	}
	return t == reflect.TypeFor[spec.URL]()
}

func registrySchemas(t *testing.T) map[string]*eval.Schema {
	p, faults := program.Load([]*syntax.Source{syntax.NewSource(schema.File, schema.Source)}, program.Options{})
	if err := faults.Err(); err != nil {
		t.Fatal(err)
	}
	all, err := eval.Describe(p)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*eval.Schema{}
	for _, s := range all {
		if s.Derives("OCIRegistryConfig") && s.Name != "OCIRegistryConfig" {
			for _, a := range s.Attributes() {
				if lit := eval.Shape(a.Type).Literal; a.Name == "type" && lit != nil {
					v, _ := eval.Plain(lit)
					found[v.(string)] = s
				}
			}
		}
	}
	return found
}

// configs are the texts of one config, by file name.
func configTexts(t *testing.T, schemaName string, config map[string]any) map[string]string {
	line, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	pretty, _ := json.MarshalIndent(config, "", "  ")
	block, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(": true", ": True", ": false", ": False", `\u0026`, "&").Replace(string(pretty))
	return map[string]string{
		"line.json": string(line), "line.yaml": string(line), "pretty.json": string(pretty), "block.yaml": string(block),
		"config.k": schemaName + " " + text + "\n",
	}
}

// spoiled returns texts that differ from one by a fault, on a line with a secret or
// beside one.
func spoiled(text string) (all []string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.Contains(line, mark) {
			continue
		}
		with := func(n int, changed string) {
			if n < 0 || n >= len(lines) {
				return
			}
			copied := append([]string{}, lines...)
			copied[n] = changed
			all = append(all, strings.Join(copied, "\n"))
		}
		begin := len(line) - len(strings.TrimLeft(line, " "))
		indent := line[:begin]
		with(i, line+` "x"`)
		with(i, line+` }`)
		with(i, line+`, nonsense: 1`)
		with(i, strings.TrimRight(line, `",`))
		with(i, strings.Replace(line, `: "`, ": ", 1))
		with(i, strings.Replace(line, ": ", " ", 1))
		with(i, strings.Replace(line, ": ", ": [", 1))
		with(i, strings.Replace(line, `: "`, `: 1 + "`, 1))
		with(i, indent+"nonsense: 1\n"+line)
		with(i, line+"\n"+line)
		with(i, "\t"+line)
		with(i, strings.Replace(line, `{"`, `{"nonsense": 1, "`, 1))
		with(i-1, line+" @")
		with(i+1, line+" @")
	}
	return all
}

// discreet runs a command and fails the test where its output has a secret. It
// returns the output.
func (m marked) discreet(stdin string, args ...string) string {
	m.Helper()
	var stdout, stderr bytes.Buffer
	code := (&app{stdin: strings.NewReader(stdin), stdout: newTerminal(&stdout), stderr: newTerminal(&stderr)}).run(m.Context(), args)
	output := stdout.String() + stderr.String()
	if strings.Contains(output, mark) {
		at := strings.Index(output, mark)
		m.Errorf("berth %s (%d) shows a secret:\n%s\nof:\n%s", strings.Join(args, " "), code, output[max(0, at-300):min(len(output), at+200)], stdin)
	}
	return output
}

// TestNoSecretIsShown gives every attribute that may hold a secret one and looks
// at what commands print: of a config that is right, and of one that has a fault
// on the line of a secret or beside it.
func TestNoSecretIsShown(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("BERTH_CACHE_DIR", t.TempDir())
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	dir := t.TempDir()
	reached := map[string]bool{}
	for kind, s := range registrySchemas(t) {
		for form, secret := range secretForms {
			if kind != "zot" && form != "user" { // which is like the others, and has most
				continue
			}
			m := marked{T: t, secret: secret, reached: reached}
			config := m.block(s, reflect.TypeFor[spec.Registry]())
			config["deployment"], config["type"] = "remote", kind
			m.show(dir, s.Name, config)
			if kind == "zot" && (form == "user" || form == "short") {
				m.faults(dir, s.Name, config)
			}
			config["endpoint"], config["port"] = "127.0.0.1", 1
			config["remote"].(map[string]any)["retries"] = 0
			m.use(dir, config)
			config["deployment"] = "local"
			m.use(dir, config)
		}
	}
	for _, name := range spec.URLs() {
		if !reached[name] {
			t.Errorf("%s is in no config of this test", name)
		}
	}
}

// show looks at what shows a config.
func (m marked) show(dir, schemaName string, config map[string]any) {
	m.Helper()
	for name, text := range configTexts(m.T, schemaName, config) {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			m.Fatal(err)
		}
		for _, args := range [][]string{
			{"--format", "yaml"}, {"--format", "json"}, {"--format", "kcl"}, {"--explain"}, {"--explain", "--format", "json"},
		} {
			if out := m.discreet("", append([]string{"show", "-f", file}, args...)...); !strings.Contains(out, "***") {
				m.Errorf("berth show %q of %s shows nothing hidden:\n%s\nof:\n%s", args, name, out, text)
			}
		}
		m.validate(file)
	}
}

func (m marked) validate(file string) {
	m.Helper()
	for _, format := range []string{"text", "json", "sarif", "github"} {
		m.discreet("", "validate", file, "--format", format)
	}
}

// faults looks at what is said of a config with a fault.
func (m marked) faults(dir, schemaName string, config map[string]any) {
	m.Helper()
	for name, text := range configTexts(m.T, schemaName, config) {
		for i, wrong := range spoiled(text) {
			file := filepath.Join(dir, fmt.Sprintf("%d-%s", i, name))
			if err := os.WriteFile(file, []byte(wrong), 0o600); err != nil {
				m.Fatal(err)
			}
			for _, format := range []string{"text", "json"} {
				m.discreet(wrong, "validate", file, "--format", format)
			}
		}
	}
}

// use looks at what commands say that use a config whose registry cannot be reached.
func (m marked) use(dir string, config map[string]any) {
	m.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		m.Fatal(err)
	}
	file := filepath.Join(dir, "use.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		m.Fatal(err)
	}
	for _, args := range [][]string{
		{"ls"}, {"pull", "kcl/x:v1"}, {"pull", "kcl/x:v1", "--format", "jsonl"}, {"push", "kcl", dir, "--name", "x", "--version", "1.0.0"}, {"inspect", "kcl/x:v1"},
		{"tag", "kcl/x:v1", "v2"}, {"rm", "kcl/x:v1"}, {"copy", "kcl/x:v1", "kcl/y:v1"}, {"status"}, {"logs"}, {"down"},
		{"gc"}, {"scrub"}, {"login", "-u", "me", "--password-stdin"}, {"cache", "ls"},
	} {
		m.discreet("pw", append(args, "-f", file, "--verbose")...)
	}
}

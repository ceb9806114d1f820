// Package load turns a config file into an evaluated config: KCL, YAML and
// JSON alike become an instance of a schema of package schema, with the place
// of every value. It finds the file, evaluates it and reports every fault; it
// does not interpret what the values mean (see package resolve).
package load

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
	"github.com/berth-oci/berth/spec"
)

// Config is an evaluated config. It is immutable.
type Config struct {
	File     string // as the user names it; "" for the built-in solo config
	Name     string // of the registry in a KCL program, "" when it has none
	Registry *spec.Registry
	Defaults spec.Defaults
	Sources  map[string]diag.Source

	value        *eval.Instance
	places       places
	schemaSource *syntax.Source
}

// Options control File.
type Options struct {
	Stdin  io.Reader // read for the file name "-"
	Name   string    // chooses among several registries of one program
	Solo   bool      // use the built-in solo config when no file is found
	Schema string    // the schema of a YAML or JSON config; "" for the one that its type implies
}

// solo is the config of `berth up` where there is none: a registry for one
// developer.
const solo = `OCIRegistryConfig {
    deployment = "local"
    type = "distribution"
    endpoint = "localhost"
    local = LocalOCIConfig {
        data_dir = "~/.local/share/berth/registry"
        config_path = "~/.local/share/berth/registry/config.yml"
    }
}
`

// File loads the named config; "" stands for the first one found (see Find).
// Faults in the config come as one *diag.Faults with all of them.
func File(name string, opts Options) (*Config, error) {
	if name == "" {
		found, err := Find()
		if err != nil && opts.Solo {
			return Text("", "solo.k", solo, opts)
		}
		if err != nil {
			return nil, err
		}
		name = found
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return directory(name, opts)
	}
	text, source, err := read(name, opts.Stdin)
	if err != nil {
		return nil, err
	}
	return Text(name, source, text, opts)
}

// directory loads the KCL package in a directory, as the kcl command does.
func directory(name string, opts Options) (*Config, error) {
	names, err := eval.PackageFiles(name)
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read config: %w", err)
	}
	if len(names) == 0 {
		return nil, diag.Errorf(diag.ConfigUnread, "the directory %s holds no .k file", name).WithHint("name the config file in it")
	}
	var sources []*syntax.Source
	for _, file := range names {
		text, source, err := read(file, nil)
		if err != nil {
			return nil, err
		}
		sources = append(sources, syntax.NewSource(source, text))
	}
	return evaluate(name, sources, opts)
}

// Find returns the config that is used when none is named: $BERTH_CONFIG, else
// registry.k, .yaml, .yml or .json in the working directory, else the same in
// $XDG_CONFIG_HOME/berth.
func Find() (string, error) {
	if name := os.Getenv("BERTH_CONFIG"); name != "" {
		return name, nil
	}
	dirs := []string{""}
	if dir, err := userConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(dir, "berth"))
	}
	for _, dir := range dirs {
		for _, ext := range []string{".k", ".yaml", ".yml", ".json"} {
			name := filepath.Join(dir, "registry"+ext)
			if _, err := os.Stat(name); err == nil {
				return name, nil
			}
		}
	}
	return "", diag.Errorf(diag.NoConfig, "no config found").
		WithHint("name one with -f, or create registry.k with: berth init")
}

func userConfigDir() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".config"), err
}

// maxFile is the size of the largest config that is read, in bytes.
const maxFile = 16 << 20

// read returns the text of a config and the name it has in diagnostics.
func read(name string, stdin io.Reader) (text, source string, err error) {
	if name == "-" {
		data, err := io.ReadAll(io.LimitReader(stdin, maxFile+1))
		if err != nil {
			return "", "", diag.Errorf(diag.ConfigUnread, "cannot read config from standard input: %w", err)
		}
		return string(data), "<stdin>", nil
	}
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxFile {
		return "", "", diag.Errorf(diag.LimitExceeded, "%s has %d bytes; a config may have %d", name, info.Size(), maxFile)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		d := diag.Errorf(diag.ConfigUnread, "cannot read config: %w", err)
		if errors.Is(err, fs.ErrNotExist) {
			d.Code = diag.NoConfig
			d.Message = "there is no config " + name
			d.Hint = "create one with: berth init"
		}
		return "", "", d
	}
	return string(data), name, nil
}

// Text loads a config from its text. file is how the user names it, source how
// diagnostics do; the extension of source tells the format, and without one
// the text does.
func Text(file, source, text string, opts Options) (*Config, error) {
	return evaluate(file, []*syntax.Source{syntax.NewSource(source, text)}, opts)
}

// evaluate loads the config that is made of the sources: one of any format, or
// several of KCL that form a package.
func evaluate(file string, sources []*syntax.Source, opts Options) (*Config, error) {
	c := &Config{File: file, Sources: map[string]diag.Source{}}
	prelude, faults := c.prelude()
	if err := faults.Err(); err != nil {
		return nil, c.faults(faults)
	}
	var program []*syntax.File
	for _, src := range sources {
		c.Sources[src.Name] = src
		parse := syntax.Parse
		if format(src) != "kcl" {
			parse = func(src *syntax.Source) (*syntax.File, diag.List) { return parseYAML(src, opts.Schema) }
		}
		f, more := parse(src)
		program, faults = append(program, f), append(faults, more...)
	}
	if faults.Err() != nil {
		return nil, c.faults(faults)
	}
	result, faults := eval.Run(program, eval.Options{
		Prelude: prelude, PreludeName: schema.Package, Import: c.importer(sources[0].Name),
	})
	name, value, err := choose(result, opts.Name)
	c.value, c.Name = value, name
	if value != nil {
		c.places = placesOf(value)
		c.places.fill(faults)
	}
	if faults.Err() != nil {
		return nil, c.faults(faults)
	}
	if err != nil {
		return nil, err
	}
	return c, c.decode(prelude)
}

func (c *Config) faults(list diag.List) error {
	return &diag.Faults{List: list.Sort(), Sources: c.Sources}
}

// prelude parses the schema.
func (c *Config) prelude() ([]*syntax.File, diag.List) {
	src := syntax.NewSource(schema.File, schema.Source)
	c.Sources[schema.File] = src
	c.schemaSource = src
	f, faults := syntax.Parse(src)
	return []*syntax.File{f}, faults
}

// importer finds the packages that a KCL config imports, below the nearest
// directory with a kcl.mod, else below the config's own.
func (c *Config) importer(source string) func(string, *syntax.Source) ([]*syntax.File, error) {
	dir, err := filepath.Abs(filepath.Dir(source))
	if err != nil {
		dir = "."
	}
	root := dir
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "kcl.mod")); err == nil {
			root = d
			break
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	find := eval.Directory(root)
	return func(path string, from *syntax.Source) ([]*syntax.File, error) {
		files, err := find(path, from)
		for _, f := range files {
			c.Sources[f.Source.Name] = f.Source
		}
		return files, err
	}
}

// format tells KCL from YAML and JSON.
func format(src *syntax.Source) string {
	switch strings.ToLower(filepath.Ext(src.Name)) {
	case ".k":
		return "kcl"
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	}
	if strings.HasPrefix(strings.TrimSpace(src.Text), "{") {
		return "json"
	}
	if strings.Contains(src.Text, "OCIRegistryConfig") || strings.Contains(src.Text, "RegistryConfig {") {
		return "kcl"
	}
	return "yaml"
}

// choose finds the registry of a program: the only instance of
// OCIRegistryConfig or of a schema that derives from it, or the named one.
func choose(p *eval.Program, name string) (string, *eval.Instance, error) {
	type candidate struct {
		name string
		inst *eval.Instance
	}
	var found []candidate
	for _, e := range slices.Concat(p.Globals, p.Outputs) {
		if inst, ok := e.Value.(*eval.Instance); ok && inst.Schema.Derives("OCIRegistryConfig") && !strings.HasPrefix(e.Key, "_") {
			found = append(found, candidate{e.Key, inst})
		}
	}
	var names []string
	for _, c := range found {
		if name != "" && c.name == name {
			return c.name, c.inst, nil
		}
		names = append(names, cmp.Or(c.name, "(unnamed)"))
	}
	switch {
	case len(found) == 0:
		return "", nil, diag.Errorf(diag.NoConfig, "the config holds no registry").
			WithHint("it needs an instance of OCIRegistryConfig; berth init writes one")
	case name != "":
		return "", nil, diag.Errorf(diag.NoConfig, "the config holds no registry named %s", name).
			WithHint("it holds %s", strings.Join(names, ", "))
	case len(found) > 1:
		return "", nil, diag.Errorf(diag.ConfigUnclear, "the config holds %d registries: %s", len(found), strings.Join(names, ", ")).
			WithHint("choose one with --config NAME")
	}
	return found[0].name, found[0].inst, nil
}

// decode fills the Go form of the config and of the schema's defaults.
func (c *Config) decode(prelude []*syntax.File) error {
	c.Registry = &spec.Registry{}
	if err := spec.Decode(c.Registry, attributes(c.value)); err != nil {
		return diag.Errorf(diag.Failed, "schema and program disagree: %w", err)
	}
	f, faults := syntax.Parse(syntax.NewSource("defaults.k", `
http_config = LocalHTTPConfig {}
storage_config = LocalStorageConfig {}
remote = RemoteOCIConfig {}
pull_policy = OCIPullPolicy {}
push_policy = OCIPushPolicy {}
`))
	program, more := eval.Run([]*syntax.File{f}, eval.Options{Prelude: prelude})
	if err := append(faults, more...).Err(); err != nil {
		return err
	}
	targets := map[string]any{
		"http_config": &c.Defaults.HTTP, "storage_config": &c.Defaults.Storage, "remote": &c.Defaults.Remote,
		"pull_policy": &c.Defaults.Pull, "push_policy": &c.Defaults.Push,
	}
	for _, e := range program.Globals {
		if err := spec.Decode(targets[e.Key], attributes(e.Value.(*eval.Instance))); err != nil {
			return diag.Errorf(diag.Failed, "schema and program disagree: %w", err)
		}
	}
	return nil
}

// attributes returns the attributes of an instance as plain maps.
func attributes(inst *eval.Instance) map[string]any {
	plain, _ := eval.Plain(inst)
	m, _ := unordered(plain).(map[string]any)
	return m
}

func unordered(v any) any {
	switch v := v.(type) {
	case *eval.Object:
		m := make(map[string]any, len(v.Keys))
		for key, elem := range v.Values {
			m[key] = unordered(elem)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, elem := range v {
			list[i] = unordered(elem)
		}
		return list
	}
	return v
}

// Value returns the evaluated instance.
func (c *Config) Value() *eval.Instance { return c.value }

// GivenJSON returns what the config gives itself, without the schema's
// defaults, as indented JSON.
func (c *Config) GivenJSON() string {
	plain, _ := eval.Plain(c.value.Config)
	text, err := json.MarshalIndent(plain, "", "  ")
	if err != nil { // plain values always have a JSON form
		return ""
	}
	return string(text) + "\n"
}

// Package load turns a config file into an evaluated config: KCL, YAML and
// JSON alike become an instance of a schema of package schema, with the place
// of every value. It finds the file, evaluates it and reports every fault; it
// does not interpret what the values mean (see package resolve).
package load

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
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
	names, err := program.Files(name)
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
	var files []*syntax.File
	for _, src := range sources {
		c.Sources[src.Name] = src
		parse := syntax.Parse
		if format(src) != "kcl" {
			parse = func(src *syntax.Source) (*syntax.File, diag.List) { return parseYAML(src, opts.Schema) }
		}
		f, more := parse(src)
		faults = append(faults, more...)
		if f == nil || format(src) == "kcl" && more.Err() != nil { // nothing to evaluate
			return nil, c.faults(append(faults, c.syntaxFaults(sources[len(files)+1:])...))
		}
		files = append(files, f)
	}
	result, more := kcl.EvaluateFiles(files, program.Options{Prelude: prelude, PreludeName: schema.Package}, eval.Options{})
	for name, src := range result.Sources {
		c.Sources[name] = src
	}
	faults = append(faults, more...)
	name, value, err := c.choose(result.Program, opts.Name, sources[0])
	c.value, c.Name = value, name
	if value != nil {
		c.places = placesOf(value)
		c.places.fill(faults)
	}
	if faults.Err() != nil {
		return nil, c.faults(faults)
	}
	if err != nil {
		return nil, c.faults(diag.List{err})
	}
	return c, c.decode(prelude)
}

// syntaxFaults returns the syntax errors of further files of a package, so that
// those of all files are reported at once.
func (c *Config) syntaxFaults(sources []*syntax.Source) diag.List {
	var faults diag.List
	for _, src := range sources {
		c.Sources[src.Name] = src
		_, more := syntax.Parse(src)
		faults = append(faults, more...)
	}
	return faults
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

// Dir returns the directory that the config's relative paths start from: its
// own, or "" for one that came from no file.
func (c *Config) Dir() string {
	if c.File == "" || c.File == "-" {
		return ""
	}
	if info, err := os.Stat(c.File); err == nil && info.IsDir() {
		return c.File
	}
	return filepath.Dir(c.File)
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

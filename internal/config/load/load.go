// Package load turns a config file into an evaluated config: KCL, YAML and
// JSON alike become an instance of a schema of package schema, with the place
// of every value. It finds the file, evaluates it and reports every fault; it
// does not interpret what the values mean (see package resolve).
package load

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

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
	Warnings diag.List // of the program, none of which stops it

	value        *eval.Instance
	program      *program.Program
	document     *document // of a YAML or JSON config
	places       places
	schemaSource *syntax.Source
	files        []*syntax.File  // of the config itself and the schema that it is to have
	secrets      func() []string // that are in it, see secretsOf
}

// Options control File.
type Options struct {
	Stdin io.Reader // read for the file name "-"
	Name  string    // chooses among several registries of one program
	Solo  bool      // use the built-in solo config when no file is found

	// AllowFile lets a KCL config use files and the environment, and consist of
	// files outside of its directory.
	AllowFile bool

	// Schema is what the registry must be an instance of: NAME, PATH:NAME, or a
	// PATH with one schema of a registry. PATH is a .k file or a KCL package.
	// A YAML or JSON config becomes an instance of it; without it, of the
	// schema that its type implies.
	Schema string
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
		found, err := Find(opts.AllowFile)
		if d, ok := errors.AsType[*diag.Diagnostic](err); ok && d.Code == diag.NoConfig && opts.Solo {
			return Text("", "solo.k", solo, opts)
		}
		if err != nil {
			return nil, err
		}
		name = found
	}
	reader := &program.Reader{Anywhere: opts.AllowFile}
	defer reader.Close()
	c, err := file(reader, name, opts)
	if err != nil {
		return nil, reader.Veil(err)
	}
	if reader.Veiled() {
		c.Sources, c.Warnings = nil, nil
	}
	return c, nil
}

func file(reader *program.Reader, name string, opts Options) (*Config, error) {
	sources, err := readAll(reader, name, opts.Stdin)
	if err != nil {
		return nil, err
	}
	return evaluate(reader, name, sources, opts)
}

// Text loads a config from its text. file is how the user names it, source how
// diagnostics do; the extension of source tells the format, and without one
// the text does.
func Text(file, source, text string, opts Options) (*Config, error) {
	reader := &program.Reader{Anywhere: opts.AllowFile}
	defer reader.Close()
	return evaluate(reader, file, []*syntax.Source{syntax.NewSource(source, text)}, opts)
}

// evaluate loads the config that is made of the sources: one of any format, or
// several of KCL that form a package.
func evaluate(reader *program.Reader, file string, sources []*syntax.Source, opts Options) (*Config, error) {
	c := newConfig(file)
	prelude, faults := c.parse(schema.File, schema.Source)
	c.schemaSource = prelude.Source
	want, more, err := c.selectSchema(reader, opts.Schema, prelude)
	if faults = append(faults, more...); err != nil || faults.Err() != nil {
		return nil, firstError(err, c.faults(faults))
	}
	files, more, err := c.parseAll(sources, prelude, want)
	if faults = append(faults, more...); err != nil || files == nil { // nothing to evaluate
		return nil, firstError(err, c.faults(faults))
	}
	find := program.Options{Prelude: []*syntax.File{prelude}, PreludeName: schema.Package, Reader: reader}
	result, more := kcl.EvaluateFiles(files, find, eval.Options{AllowFile: opts.AllowFile})
	faults = append(faults, more...)
	c.program = result.Linked
	for name, src := range result.Sources {
		c.addSource(name, src)
	}
	if result.Program == nil {
		return nil, c.faults(faults)
	}
	name, value, d := c.choose(result.Program, opts.Name, sources[0])
	c.value, c.Name = value, name
	if value != nil {
		c.places = placesOf(value)
		c.places.fill(faults)
		c.hints(faults)
	}
	if faults.Err() != nil {
		return nil, c.faults(faults)
	}
	if d != nil {
		return nil, c.faults(diag.List{d})
	}
	if err := want.holds(c); err != nil {
		return nil, err
	}
	c.Warnings = faults.Sort()
	for _, d := range c.Warnings {
		d.Hide(c.secrets())
	}
	return c, c.decode()
}

func newConfig(file string) *Config {
	c := &Config{File: file, Sources: map[string]diag.Source{}}
	c.secrets = sync.OnceValue(c.secretsOf)
	return c
}

func (c *Config) addSource(name string, src diag.Source) {
	c.Sources[name] = diag.Guarded{Source: src, Secrets: c.secrets}
}

// parse parses a KCL text.
func (c *Config) parse(name, text string) (*syntax.File, diag.List) {
	src := syntax.NewSource(name, text)
	c.addSource(name, src)
	return syntax.Parse(src)
}

// parseAll parses the sources into the files of the main package. Those that
// define the schema of a document come first: they say where imports are found.
// There are no files where faults leave nothing to evaluate.
func (c *Config) parseAll(sources []*syntax.Source, prelude *syntax.File, want *selection) ([]*syntax.File, diag.List, error) {
	var files []*syntax.File
	var faults diag.List
	complete := true
	for _, src := range sources {
		c.addSource(src.Name, src)
		if formatOf(src) == "kcl" {
			f, more := syntax.Parse(src)
			if complete = complete && more.Err() == nil; more.Err() != nil && guess(src.Text) != "kcl" && more[0].Hint == "" {
				more[0].Hint = "it looks like " + guess(src.Text) + ": name the file with the ending ." + guess(src.Text)
			}
			files, faults = append(files, f), append(faults, more...)
			c.files = append(c.files, f)
			continue
		}
		doc := parseDocument(src)
		faults = append(faults, doc.faults...)
		if doc.config == nil {
			return nil, faults, nil
		}
		c.document = doc
		name, err := want.forDocument(doc, prelude)
		if err != nil {
			return nil, nil, err
		}
		files = append(append(files, want.files...), doc.program(name))
		c.files = files
	}
	if !complete {
		return nil, faults, nil
	}
	return files, faults, nil
}

// faults makes an error of a list, which shows nothing that is secret.
func (c *Config) faults(list diag.List) error {
	for _, d := range list {
		d.Hide(c.secrets())
	}
	return &diag.Faults{List: list.Sort(), Sources: c.Sources}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
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

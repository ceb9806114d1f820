package load

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
)

// rootSchema is the schema that all schemas of registries derive from.
const rootSchema = "OCIRegistryConfig"

// selection is the schema that Options.Schema asks for; the zero value asks for
// none.
type selection struct {
	name  string
	path  string         // what defines it; "" for any package
	files []*syntax.File // of that path
}

var schemaName = lazyregexp.New(`^[A-Za-z_]\w*$`)

// selectSchema finds the schema that the user asks for by NAME, PATH:NAME or
// PATH. Faults are those of the text at the path.
func (c *Config) selectSchema(reader *program.Reader, text string, prelude *syntax.File) (*selection, diag.List, error) {
	sel := &selection{}
	if text == "" {
		return sel, nil, nil
	}
	sel.path, sel.name = text, ""
	if i := strings.LastIndexByte(text, ':'); i > 0 && schemaName().MatchString(text[i+1:]) {
		sel.path, sel.name = text[:i], text[i+1:]
	} else if schemaName().MatchString(text) && !isDir(text) {
		sel.path, sel.name = "", text
	}
	if sel.path == "" {
		return sel, nil, nil
	}
	sources, err := readAll(reader, sel.path, strings.NewReader(""))
	if err != nil {
		return nil, nil, diag.Errorf(diag.Usage, "cannot read the schema %s: %w", text, err).
			WithHint("--schema takes NAME, FILE.k:NAME or DIRECTORY:NAME")
	}
	var faults diag.List
	for _, src := range sources {
		f, more := c.parse(src.Name, src.Text)
		sel.files, faults = append(sel.files, f), append(faults, more...)
	}
	if faults.Err() != nil {
		return sel, faults, nil
	}
	return sel, faults, sel.find(prelude)
}

// Schema returns a program that defines the schema that a text stands for (see
// Options.Schema), and its name; "" where the text is empty. The schemas of
// package schema are its prelude. allowFile is that of Options.
func Schema(text string, allowFile bool) (*program.Program, string, error) {
	reader := &program.Reader{Anywhere: allowFile}
	defer reader.Close()
	p, name, err := schemaOf(reader, text)
	return p, name, reader.Veil(err)
}

func schemaOf(reader *program.Reader, text string) (*program.Program, string, error) {
	c := newConfig("")
	prelude, faults := c.parse(schema.File, schema.Source)
	sel, more, err := c.selectSchema(reader, text, prelude)
	if faults = append(faults, more...); err != nil || faults.Err() != nil {
		return nil, "", firstError(err, c.faults(faults))
	}
	if sel.name != "" && sel.path == "" {
		all, registries := definitions([]*syntax.File{prelude}, prelude)
		if err := sel.known(all, registries, "built in are"); err != nil {
			return nil, "", err
		}
	}
	p, faults := program.Link(sel.files, program.Options{Prelude: []*syntax.File{prelude}, PreludeName: schema.Package, Reader: reader})
	for name, src := range p.Sources() {
		c.addSource(name, src)
	}
	if faults.Err() != nil {
		return nil, "", c.faults(faults)
	}
	return p, sel.name, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// find makes sure that the files at the path define the schema, or chooses the
// only one that they define for registries.
func (sel *selection) find(prelude *syntax.File) error {
	all, registries := definitions(sel.files, prelude)
	switch {
	case sel.name == "" && len(registries) == 1:
		sel.name = registries[0]
		return nil
	case sel.name == "":
		return diag.Errorf(diag.Usage, "%s defines %s", sel.path, list(registries, "no schema of a registry")).
			WithHint("name one that derives from %s: --schema %s:NAME", rootSchema, sel.path)
	}
	return sel.known(all, registries, sel.path+" defines")
}

// known reports a name that is not among the schemas of registries.
func (sel *selection) known(all, registries []string, where string) error {
	switch {
	case slices.Contains(registries, sel.name):
		return nil
	case slices.Contains(all, sel.name):
		return diag.Errorf(diag.Usage, "%s does not derive from %s", sel.name, rootSchema).
			WithHint("%s %s", where, list(registries, "no schema of a registry"))
	}
	d := diag.Errorf(diag.Usage, "there is no schema %s; %s %s", sel.name, where, list(registries, "no schema of a registry")).
		WithHint("name the file that defines it: --schema FILE.k:%s", sel.name)
	if near := diag.Nearest(sel.name, registries); near != "" {
		d.Hint = "did you mean " + near + "?"
	}
	return d
}

// forDocument returns the name of the schema that a document becomes an instance
// of.
func (sel *selection) forDocument(doc *document, prelude *syntax.File) (string, error) {
	switch {
	case sel.name == "":
		return impliedSchema(doc.config, prelude), nil
	case sel.path == "":
		all, registries := definitions([]*syntax.File{prelude}, prelude)
		return sel.name, sel.known(all, registries, "built in are")
	}
	return sel.name, nil
}

// holds reports a registry that is no instance of the schema.
func (sel *selection) holds(c *Config) error {
	if sel.name == "" {
		return nil
	}
	for s := c.value.Schema; s != nil; s = s.Base() {
		if s.Name == sel.name && (sel.path == "" || slices.ContainsFunc(sel.files, func(f *syntax.File) bool {
			return absolute(f.Source.Name) == absolute(s.Source().Name)
		})) {
			return nil
		}
	}
	if sel.path == "" {
		var files []*syntax.File
		for _, p := range c.program.Packages {
			files = append(files, p.Files...)
		}
		all, registries := definitions(files, files[0])
		if !slices.Contains(registries, sel.name) {
			return sel.known(all, registries, "built in and defined by the config are")
		}
	}
	d := diag.Errorf(diag.WrongType, "the registry is an instance of %s, not of %s", c.value.Schema.Name, sel.name).At(c.value.Place.Span()).
		WithHint("write %s {...}", sel.name)
	if sel.path != "" {
		d.Hint += ", imported from " + sel.path
	}
	return c.faults(diag.List{d})
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

func list(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}

// definitions returns the names of the schemas that files define, and of those
// the ones that derive from the schema of a registry, or may: a parent that is
// imported is not looked at.
func definitions(files []*syntax.File, prelude *syntax.File) (all, registries []string) {
	base := map[string]string{}
	for i, f := range append([]*syntax.File{prelude}, files...) {
		for _, stmt := range f.Body {
			if s, ok := stmt.(*syntax.Schema); ok && s.Kind == syntax.SCHEMA {
				base[s.Name.Text] = baseName(s)
				if i > 0 {
					all = append(all, s.Name.Text)
				}
			}
		}
	}
	for _, name := range all {
		for parent, n := name, 0; n <= len(base); n++ { // a chain is no longer than that, unless it is a circle
			next, known := base[parent]
			if parent == rootSchema || !known && parent != "" {
				registries = append(registries, name)
				break
			}
			parent = next
		}
	}
	return all, registries
}

// baseName returns the name of the parent of a schema, without its package; ""
// for none.
func baseName(s *syntax.Schema) string {
	switch x := s.Base.(type) {
	case *syntax.Ident:
		return x.Name
	case *syntax.Selector:
		return x.Name.Text
	}
	return ""
}

package artifact

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/base/yaml"
)

// Metadata describes an artifact. It is the content of its config blob, and of
// the metadata file of a directory.
type Metadata struct {
	Name        string `json:"name" yaml:"name"`
	Version     string `json:"version" yaml:"version"`
	Kind        string `json:"kind,omitempty" yaml:"kind"`
	Description string `json:"description,omitempty" yaml:"description"`
}

// ReadMetadata reads the metadata of the directory dir and lets the fields of
// over that are set replace the file's. Without a file, over must give name and
// version; a type that has none is called as the directory is. Mistakes are
// diag.BadMetadata, all of a file at once, with their place in it.
func ReadMetadata(typ *Type, dir string, over Metadata) (Metadata, error) {
	doc := &document{values: map[string]value{}}
	var err error
	if typ.File != "" {
		doc, err = parseMetadata(dir, typ.File)
	} else {
		var path string
		path, err = filepath.Abs(dir)
		doc.set("name", filepath.Base(path))
	}
	if err != nil {
		return Metadata{}, err
	}
	doc.set("name", over.Name)
	doc.set("version", over.Version)
	doc.set("kind", over.Kind)
	doc.set("description", over.Description)
	doc.check(typ, over.Kind)
	if err := doc.faults.Sort().Err(); err != nil {
		return Metadata{}, err
	}
	return Metadata{
		Name: doc.values["name"].text, Version: doc.values["version"].text,
		Kind: doc.values["kind"].text, Description: doc.values["description"].text,
	}, nil
}

// maxMetadata is the size of the largest metadata file, in bytes.
const maxMetadata = 1 << 20

// CheckDir fails with diag.BadReference unless dir is a directory that can be
// packed.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diag.Errorf(diag.BadReference, "there is no directory %s", dir).WithHint("name the directory to pack")
	case err != nil:
		return diag.Errorf(diag.BadReference, "cannot pack: %w", err).WithHint("make %s readable", dir)
	case !info.IsDir():
		return diag.Errorf(diag.BadReference, "%s is no directory", dir).WithHint("name the directory to pack")
	}
	return nil
}

// document is a metadata file whose values keep their place.
type document struct {
	file   string
	exists bool
	values map[string]value
	faults diag.List
}

type value struct {
	text string
	span diag.Span
}

func metadataKeys() []string { return []string{"name", "version", "kind", "description"} }

// parseMetadata reads the metadata file of a directory, in which it has to be: one
// that leads out of it is somebody else's, and a fault would quote it.
func parseMetadata(dir, name string) (*document, error) {
	file := filepath.Join(dir, name)
	doc := &document{file: file, values: map[string]value{}}
	data, err := readIn(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doc, nil
	case regular.IsLimit(err):
		return nil, diag.Errorf(diag.BadMetadata, "%s has more than %d MiB; metadata may not", file, maxMetadata>>20).
			WithHint("keep nothing but name, version, kind and description in it")
	case err != nil:
		return nil, diag.Errorf(diag.BadMetadata, "cannot read metadata: %w", err).WithHint("%s must be a file in %s that can be read", name, dir)
	}
	doc.exists = true
	parsed, err := yaml.Parse(data)
	if err != nil {
		return nil, doc.syntax(err)
	}
	for _, d := range parsed.Docs {
		switch body := d.Body.(type) {
		case nil, *ast.NullNode, *ast.CommentGroupNode:
		case *ast.MappingNode:
			for _, entry := range body.Values {
				doc.entry(entry)
			}
		default:
			doc.fault(body, "write keys and values, as in name: aws", "metadata is not a mapping")
		}
	}
	return doc, nil
}

func readIn(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return regular.ReadIn(root, name, maxMetadata)
}

func (d *document) syntax(err error) error {
	var positioned goccy.Error
	if !errors.As(err, &positioned) {
		return diag.Errorf(diag.BadMetadata, "%s: %w", d.file, err).WithHint("write %s as YAML", filepath.Base(d.file))
	}
	start := diag.Pos{File: d.file, Line: positioned.GetToken().Position.Line, Column: positioned.GetToken().Position.Column}
	return diag.Errorf(diag.BadMetadata, "%s", positioned.GetMessage()).At(diag.Span{Start: start, End: start}).
		WithHint("write %s as YAML", filepath.Base(d.file))
}

func (d *document) entry(entry *ast.MappingValueNode) {
	key := entry.Key.GetToken().Value
	if !slices.Contains(metadataKeys(), key) {
		d.fault(entry.Key, suggest(key), "unknown key %q", key)
		return
	}
	if _, twice := d.values[key]; twice {
		d.fault(entry.Key, "keep one of them", "key %q is given twice", key)
		return
	}
	switch node := entry.Value.(type) {
	case *ast.StringNode:
		d.values[key] = value{node.Value, d.span(node)}
	case *ast.LiteralNode:
		d.values[key] = value{strings.TrimSpace(node.Value.Value), d.span(node)}
	default:
		// 1.10 without quotes is the number 1.1: asking beats guessing.
		d.fault(node, "put it in quotes: "+key+`: "`+node.GetToken().Value+`"`, "%s must be a text, not %s", key, strings.ToLower(node.Type().YAMLName()))
	}
}

// suggest names the known key that key may be a slip of the pen of.
func suggest(key string) string {
	if near := diag.Nearest(strings.ToLower(key), metadataKeys()); near != "" {
		return `did you mean "` + near + `"?`
	}
	return "known keys: " + strings.Join(metadataKeys(), ", ")
}

func (d *document) span(node ast.Node) diag.Span {
	tok := node.GetToken()
	start := diag.Pos{File: d.file, Line: tok.Position.Line, Column: tok.Position.Column}
	end := start
	end.Column += len([]rune(tok.Value))
	return diag.Span{Start: start, End: end}
}

func (d *document) fault(node ast.Node, hint, format string, args ...any) {
	d.faults = append(d.faults, diag.Errorf(diag.BadMetadata, format, args...).At(d.span(node)).WithHint("%s", hint))
}

// set replaces a value by a flag's.
func (d *document) set(key, text string) {
	if text != "" {
		d.values[key] = value{text: text}
	}
}

func (d *document) check(typ *Type, kindFlag string) {
	d.require("name", "must be lower-case letters, digits, and single . _ - between them", func(s string) bool {
		return oci.IsRepository(s) && !strings.Contains(s, "/")
	})
	d.require("version", "must be letters, digits, . _ -, as it becomes part of a tag", oci.IsTag)
	if len(typ.Sub) == 0 || !d.exists && kindFlag == "" {
		return
	}
	d.require("kind", "must be one of "+strings.Join(typ.Sub, ", "), func(s string) bool { return slices.Contains(typ.Sub, s) })
}

func (d *document) require(key, rule string, ok func(string) bool) {
	v, given := d.values[key]
	switch {
	case !given && slices.ContainsFunc(d.faults, func(f *diag.Diagnostic) bool { return f.Code == diag.BadMetadata }):
		// A mistyped key or value explains the gap.
	case !given:
		fault := diag.Errorf(diag.BadMetadata, "no %s", key).WithHint("pass --%s", key)
		if d.file != "" {
			fault = diag.Errorf(diag.BadMetadata, "%s: no %s", d.file, key).At(diag.Span{Start: diag.Pos{File: d.file}}).
				WithHint("add %s to %s, or pass --%s", key, filepath.Base(d.file), key)
		}
		d.faults = append(d.faults, fault)
	case !ok(v.text):
		fault := diag.Errorf(diag.BadMetadata, "%s %q %s", key, v.text, rule).At(v.span).WithHint("pass --%s", key)
		if d.file != "" {
			fault = fault.WithHint("change it in %s, or pass --%s", filepath.Base(d.file), key)
		}
		d.faults = append(d.faults, fault)
	}
}

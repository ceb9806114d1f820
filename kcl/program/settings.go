package program

import (
	"cmp"
	"errors"
	"path/filepath"
	"reflect"
	"strings"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/yaml"
	"github.com/berth-oci/berth/kcl/syntax"
)

// SettingsFile is the name of the settings file that is used where no file of
// the program is named.
const SettingsFile = "kcl.yaml"

// Settings say what program to run and how: the settings file of the kcl
// command, or the [profile] of a kcl.mod. Pointers are nil where nothing is
// said.
type Settings struct {
	Files        []string          // of the main package, relative to Dir
	Dir          string            // of the settings file
	Output       string            // the file that the result goes to
	Overrides    []string          // a.b=1
	Paths        []string          // a.b
	DisableNone  *bool             // leave out what is None
	SortKeys     *bool             // sort the keys of the result
	ShowHidden   *bool             // names that begin with _ too
	SchemaTypes  *bool             // _type: the schema of each instance
	Options      []Option          // what option() returns
	Dependencies map[string]string // modules by name
	// DependencyDir is the directory of the settings file that gives them.
	DependencyDir string
}

// Option is what option(Key) returns: nil, bool, int64, uint64, float64, string,
// []any or goccy's MapSlice, which keeps the order of keys.
type Option struct {
	Key   string
	Value any
}

// settingsFile is the form of a settings file.
type settingsFile struct {
	Config struct {
		Files       []string          `yaml:"files"`
		File        []string          `yaml:"file"`
		Output      string            `yaml:"output"`
		Overrides   []string          `yaml:"overrides"`
		Paths       []string          `yaml:"path_selector"`
		DisableNone *bool             `yaml:"disable_none"`
		SortKeys    *bool             `yaml:"sort_keys"`
		ShowHidden  *bool             `yaml:"show_hidden"`
		SchemaTypes *bool             `yaml:"include_schema_type_path"`
		Packages    map[string]string `yaml:"package_maps"`
	} `yaml:"kcl_cli_configs"`
	Options []struct {
		Key   string `yaml:"key"`
		Value any    `yaml:"value"`
	} `yaml:"kcl_options"`
}

// maxAliases bounds what a settings file can become by naming its own parts.
const maxAliases = 16

// Settings reads a settings file: one that the user names as Named does, else as
// Found does.
func (r *Reader) Settings(name string, named bool) (*Settings, *diag.Diagnostic) {
	var src *syntax.Source
	var fault *diag.Diagnostic
	if named {
		src, fault = r.Named(name)
	} else {
		src, fault = r.Found(filepath.Dir(name), name)
	}
	if fault != nil && fault.Code == diag.ConfigUnread {
		return nil, diag.Errorf(fault.Code, "cannot read settings: %w", fault.Cause)
	}
	if fault != nil {
		return nil, fault
	}
	r.note(name, []byte(src.Text))
	tree, err := yaml.Parse([]byte(src.Text))
	if err != nil {
		return nil, settingsError(name, err)
	}
	var file settingsFile
	if len(tree.Docs) > 0 && tree.Docs[0].Body != nil {
		if n := len(ast.Filter(ast.AliasType, tree.Docs[0])); n > maxAliases {
			return nil, diag.Errorf(diag.LimitExceeded, "%s has %d aliases; settings may have %d", name, n, maxAliases)
		}
		if err := goccy.NodeToValue(tree.Docs[0].Body, &file, goccy.UseOrderedMap()); err != nil {
			return nil, settingsError(name, err)
		}
	}
	c := file.Config
	s := &Settings{
		Files: c.Files, Dir: filepath.Dir(name), Output: c.Output, Overrides: c.Overrides, Paths: c.Paths,
		DisableNone: c.DisableNone, SortKeys: c.SortKeys, ShowHidden: c.ShowHidden, SchemaTypes: c.SchemaTypes,
		Dependencies: c.Packages, DependencyDir: filepath.Dir(name),
	}
	if len(s.Files) == 0 {
		s.Files = c.File
	}
	for _, o := range file.Options {
		s.Options = append(s.Options, Option{o.Key, o.Value})
	}
	if s.Output != "" && !r.treeFor(s.Dir).holds(s.Output) {
		return nil, diag.Errorf(diag.FileRefused, "%s writes to %s, outside of its directory, which is not allowed", name, s.Output).
			WithHint("pass --allow-file, or say where to write with -o PATH")
	}
	return s, nil
}

func settingsError(name string, err error) *diag.Diagnostic {
	message, _, _ := strings.Cut(err.Error(), "\n")
	d := diag.Errorf(diag.Syntax, "settings: %s", message).
		WithHint("settings are a mapping with kcl_cli_configs and kcl_options")
	at := diag.Pos{File: name, Line: 1, Column: 1}
	var deep *yaml.LimitError
	var positioned goccy.Error
	var wrong *goccy.TypeError
	switch {
	case errors.As(err, &wrong):
		d = diag.Errorf(diag.WrongType, "settings: this must be %s", kind(wrong.DstType.Kind()))
		at.Line, at.Column = wrong.Token.Position.Line, wrong.Token.Position.Column
	case errors.As(err, &deep):
		d.Code, at.Line, at.Column = diag.LimitExceeded, deep.Line, deep.Column
	case errors.As(err, &positioned) && positioned.GetToken() != nil:
		d.Message = "settings: " + positioned.GetMessage()
		at.Line, at.Column = positioned.GetToken().Position.Line, positioned.GetToken().Position.Column
	}
	return d.At(diag.Span{Start: at, End: at})
}

// kind names what a setting must be.
func kind(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	}
	return "a mapping"
}

// Merge adds what further settings say: lists and switches that they give
// replace those of s, their options come after.
func (s *Settings) Merge(more *Settings) {
	if len(more.Files) > 0 {
		s.Files, s.Dir = more.Files, more.Dir
	}
	s.Output = cmp.Or(more.Output, s.Output)
	if more.Overrides != nil {
		s.Overrides = more.Overrides
	}
	if more.Paths != nil {
		s.Paths = more.Paths
	}
	s.DisableNone = cmp.Or(more.DisableNone, s.DisableNone)
	s.SortKeys = cmp.Or(more.SortKeys, s.SortKeys)
	s.ShowHidden = cmp.Or(more.ShowHidden, s.ShowHidden)
	s.SchemaTypes = cmp.Or(more.SchemaTypes, s.SchemaTypes)
	if more.Dependencies != nil {
		s.Dependencies, s.DependencyDir = more.Dependencies, more.DependencyDir
	}
	s.Options = append(s.Options, more.Options...)
}

package program

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/berth-oci/berth/diag"
)

// ModFile is the name of the file that makes a directory a module.
const ModFile = "kcl.mod"

// lockFile says what versions the dependencies of a module have.
const lockFile = "kcl.mod.lock"

// modFile is what is used of a kcl.mod.
type modFile struct {
	Package struct {
		Name    string `toml:"name"`
		Version string `toml:"version"`
	} `toml:"package"`
	Profile struct {
		Entries     []string `toml:"entries"`
		DisableNone *bool    `toml:"disable_none"`
		SortKeys    *bool    `toml:"sort_keys"`
		Selectors   []string `toml:"selectors"`
		Overrides   []string `toml:"overrides"`
		Options     []string `toml:"options"`
	} `toml:"profile"`
	Dependencies map[string]any `toml:"dependencies"`
}

// lock is what is used of a kcl.mod.lock.
type lock struct {
	Dependencies map[string]struct {
		Name     string `toml:"name"`
		FullName string `toml:"full_name"`
		Version  string `toml:"version"`
	} `toml:"dependencies"`
}

// readTOML reads a file of a module. ok is false where there is none.
func (r *Reader) readTOML(t *tree, name string, v any) (ok bool, fault *diag.Diagnostic) {
	data, fault := r.readModuleFile(t, name)
	if data == nil || fault != nil {
		return false, fault
	}
	return true, decodeTOML(name, data, v)
}

// readModuleFile returns the text of a file of a module, nil where there is none.
func (r *Reader) readModuleFile(t *tree, name string) ([]byte, *diag.Diagnostic) {
	data, err := t.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, unread(display(name), err)
	}
	if fault := r.count(len(data)); fault != nil {
		return nil, fault
	}
	r.note(display(name), data)
	return data, nil
}

func decodeTOML(name string, data []byte, v any) *diag.Diagnostic {
	err := toml.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	fault := diag.Errorf(diag.Syntax, "%s", strings.TrimPrefix(err.Error(), "toml: ")).WithHint("%s is TOML", filepath.Base(name))
	at := diag.Pos{File: display(name), Line: 1, Column: 1}
	var placed *toml.DecodeError
	if errors.As(err, &placed) {
		at.Line, at.Column = placed.Position()
	}
	return fault.At(diag.Span{Start: at, End: at})
}

// Profile returns the settings that the [profile] of the kcl.mod in a directory
// gives for running its module; nil where it has no kcl.mod. Its options are
// texts NAME=VALUE.
func (r *Reader) Profile(dir string) (settings *Settings, options []string, fault *diag.Diagnostic) {
	var file modFile
	ok, fault := r.readTOML(r.treeFor(dir), filepath.Join(absolute(dir), ModFile), &file)
	if !ok || fault != nil {
		return nil, nil, fault
	}
	p := file.Profile
	return &Settings{
		Files: p.Entries, Dir: dir, DisableNone: p.DisableNone, SortKeys: p.SortKeys, Paths: p.Selectors, Overrides: p.Overrides,
	}, p.Options, nil
}

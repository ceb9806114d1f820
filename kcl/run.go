// Package kcl runs KCL programs as the kcl command does: it finds out what
// files and settings make up a program, and gives what the program outputs.
// The packages below it do the work: program finds and parses packages, check
// looks at them before they are evaluated, eval evaluates them.
package kcl

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Options say what to run. The zero value runs the program of the working
// directory: what its kcl.yaml or the [profile] of its kcl.mod names, else its
// .k files.
type Options struct {
	Files     []string // files and directories of the main package; - is Stdin
	Settings  []string // settings files, later ones over earlier ones
	Arguments []string // NAME=VALUE for option()
	Modules   []string // NAME=DIR: where modules are
	Overrides []string // of configs: PATH=VALUE, PATH:VALUE, PATH+=VALUE, PATH-
	Plan      eval.Plan
	AllowFile bool      // let the program read and write files
	Print     io.Writer // gets what the program prints; nil drops it
	Stdin     io.Reader
}

// Result is what a program gives.
type Result struct {
	*eval.Output
	File     string // where the settings want the output; "" for nowhere
	Warnings *diag.Faults
}

// Run runs a program. The error is a *diag.Diagnostic, or a *diag.Faults with
// everything that is wrong with the program.
func Run(opts Options) (*Result, error) {
	settings, fault := opts.settings()
	if fault != nil {
		return nil, located(diag.List{fault}, nil)
	}
	modules, err := opts.modules(settings)
	if err != nil {
		return nil, err
	}
	arguments, err := opts.arguments(settings)
	if err != nil {
		return nil, err
	}
	sources, err := opts.sources(settings)
	if err != nil {
		return nil, err
	}
	texts := map[string]diag.Source{}
	for _, src := range sources {
		texts[src.Name] = src
	}
	find := program.Options{Dependencies: modules, Overrides: opts.overrides(settings)}
	evaluated, faults := Evaluate(sources, find, eval.Options{Arguments: arguments, AllowFile: opts.AllowFile, Print: opts.Print})
	maps.Copy(texts, evaluated.Sources)
	if faults.Err() != nil {
		return nil, located(faults, texts)
	}
	output, more := evaluated.Plan(opts.plan(settings))
	if more.Err() != nil {
		return nil, located(more, texts)
	}
	return &Result{Output: output, File: settings.Output, Warnings: &diag.Faults{List: faults.Sort(), Sources: texts}}, nil
}

// located returns faults with the texts that they point into, those of files
// too that are no part of the program, such as kcl.mod.
func located(faults diag.List, texts map[string]diag.Source) *diag.Faults {
	if texts == nil {
		texts = map[string]diag.Source{}
	}
	for _, d := range faults {
		name := d.Span.Start.File
		if _, ok := texts[name]; ok || name == "" {
			continue
		}
		if src, err := program.Read(name); err == nil {
			texts[name] = src
		}
	}
	return &diag.Faults{List: faults.Sort(), Sources: texts}
}

// settings returns what the settings files say, or, where no file at all is
// named, kcl.yaml and kcl.mod of the working directory. The kcl.mod of a
// directory that is named alone counts too.
func (o Options) settings() (*program.Settings, *diag.Diagnostic) {
	all := &program.Settings{}
	dir, names := "", o.Settings
	switch {
	case len(o.Files) == 0:
		if info, err := os.Stat(program.SettingsFile); len(names) == 0 && err == nil && info.Mode().IsRegular() {
			names = []string{program.SettingsFile}
		}
		dir = "."
	case len(o.Files) == 1 && isDir(o.Files[0]):
		dir = o.Files[0]
	}
	if dir != "" {
		profile, options, fault := program.Profile(dir)
		if fault != nil {
			return nil, fault
		}
		if profile != nil {
			for _, option := range options {
				key, value, _ := strings.Cut(option, "=")
				profile.Options = append(profile.Options, program.Option{Key: key, Value: eval.ParseArgument(value)})
			}
			all.Merge(profile)
		}
	}
	for _, name := range names {
		more, fault := program.ReadSettings(name)
		if fault != nil {
			return nil, fault
		}
		all.Merge(more)
	}
	return all, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// plan returns the plan that the settings and the options, which come first,
// make together.
func (o Options) plan(s *program.Settings) eval.Plan {
	p := o.Plan
	yes := func(setting *bool) bool { return setting != nil && *setting }
	p.DisableNone = p.DisableNone || yes(s.DisableNone)
	p.SortKeys = p.SortKeys || yes(s.SortKeys)
	p.ShowHidden = p.ShowHidden || yes(s.ShowHidden)
	p.SchemaTypes = p.SchemaTypes || yes(s.SchemaTypes)
	if len(p.Paths) == 0 {
		p.Paths = s.Paths
	}
	return p
}

// arguments returns the values of option() by name.
func (o Options) arguments(s *program.Settings) (map[string]eval.Value, error) {
	values := map[string]eval.Value{}
	for _, option := range s.Options {
		values[option.Key] = eval.ValueOf(option.Value)
	}
	for _, argument := range o.Arguments {
		name, value, err := pair(argument, "-D", "NAME=VALUE")
		if err != nil {
			return nil, err
		}
		values[name] = eval.ParseArgument(value)
	}
	return values, nil
}

// overrides returns those of the options, else those of the settings.
func (o Options) overrides(s *program.Settings) []string {
	if len(o.Overrides) > 0 {
		return o.Overrides
	}
	return s.Overrides
}

// modules returns the directories of modules by name.
func (o Options) modules(s *program.Settings) (map[string]string, error) {
	modules := map[string]string{}
	maps.Copy(modules, s.Dependencies)
	if len(o.Modules) > 0 {
		clear(modules)
	}
	for _, module := range o.Modules {
		name, dir, err := pair(module, "-E", "NAME=DIR")
		if err != nil {
			return nil, err
		}
		modules[strings.ReplaceAll(name, "-", "_")] = dir // as it is imported
	}
	return modules, nil
}

// pair takes NAME=VALUE apart.
func pair(text, flag, form string) (name, value string, fault error) {
	parts := strings.Split(text, "=")
	if len(parts) != 2 || strings.TrimSpace(parts[0]) == "" || strings.TrimSpace(parts[1]) == "" {
		return "", "", diag.Errorf(diag.Usage, "%s %s is not %s", flag, text, form).WithHint("neither side is empty, and there is one =")
	}
	return parts[0], parts[1], nil
}

// sources reads the files of the main package.
func (o Options) sources(s *program.Settings) ([]*syntax.Source, error) {
	names, dir := o.Files, ""
	if len(names) == 0 || len(names) == 1 && len(s.Files) > 0 && isDir(names[0]) {
		names, dir = s.Files, s.Dir
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	var files []string
	for _, name := range names {
		found, err := expand(name, dir)
		if err != nil {
			return nil, err
		}
		for _, file := range found {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	var sources []*syntax.Source
	for _, file := range files {
		src, err := o.read(file)
		if err != nil {
			return nil, err
		}
		sources = append(sources, src)
	}
	return sources, nil
}

// root is what stands for the directory of the module in the names of files
// that settings give.
const root = "${KCL_MOD}"

// expand returns the files that a name from settings in dir stands for.
func expand(name, dir string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	if rest, ok := strings.CutPrefix(name, root); ok {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, diag.Errorf(diag.ConfigUnread, "cannot find the module: %w", err)
		}
		name = program.Root(abs) + rest
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	if isDir(name) {
		files, err := program.MainFiles(name)
		if err != nil {
			return nil, diag.Errorf(diag.ConfigUnread, "cannot read the directory: %w", err)
		}
		if len(files) == 0 {
			return nil, diag.Errorf(diag.ConfigUnread, "the directory %s holds no .k file", name).
				WithHint("name the files of the program; those that end in _test.k do not count")
		}
		return files, nil
	}
	if _, err := os.Stat(name); err != nil {
		if files, err := filepath.Glob(name); err == nil && len(files) > 0 {
			return files, nil
		}
	}
	return []string{name}, nil
}

// read returns a file, or what is on standard input.
func (o Options) read(name string) (*syntax.Source, error) {
	if name != "-" {
		src, err := program.Read(name)
		if err == nil {
			return src, nil
		}
		if _, missing := os.Stat(name); os.IsNotExist(missing) {
			return nil, noFile(name)
		}
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(o.Stdin, program.MaxFile+1))
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read standard input: %w", err)
	}
	if len(data) > program.MaxFile {
		return nil, diag.Errorf(diag.LimitExceeded, "standard input has more than %d bytes", program.MaxFile)
	}
	return syntax.NewSource("<stdin>", string(data)), nil
}

func noFile(name string) *diag.Diagnostic {
	d := diag.Errorf(diag.ConfigUnread, "there is no file %s", name)
	entries, _ := os.ReadDir(filepath.Dir(name)) // none: no suggestion
	var names []string
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), ".k") {
			names = append(names, e.Name())
		}
	}
	if near := diag.Nearest(filepath.Base(name), names); near != "" {
		d.Hint = "did you mean " + filepath.Join(filepath.Dir(name), near) + "?"
	}
	return d
}

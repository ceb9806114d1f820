// Package kcl runs KCL programs as the kcl command does: it finds out what
// files and settings make up a program, and gives what the program outputs.
// The packages below it do the work: program finds and parses packages, check
// looks at them before they are evaluated, eval evaluates them.
package kcl

import (
	"errors"
	"io"
	"io/fs"
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
	AllowFile bool      // let the program read and write files, and consist of any
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
	r := &runner{opts, &program.Reader{Anywhere: opts.AllowFile}}
	defer r.reader.Close()
	result, err := r.run()
	return result, r.reader.Veil(err)
}

// runner is one Run.
type runner struct {
	Options
	reader *program.Reader
}

func (o *runner) run() (*Result, error) {
	settings, fault := o.settings()
	if fault != nil {
		return nil, &diag.Faults{List: diag.List{fault}, Sources: o.reader.Texts}
	}
	modules, err := o.modules(settings)
	if err != nil {
		return nil, err
	}
	arguments, err := o.arguments(settings)
	if err != nil {
		return nil, err
	}
	sources, err := o.sources(settings)
	if err != nil {
		return nil, err
	}
	find := program.Options{Dependencies: modules, Overrides: o.overrides(settings), Reader: o.reader}
	if len(o.Modules) == 0 {
		find.DependencyDir = settings.DependencyDir
	}
	evaluated, faults := Evaluate(sources, find, eval.Options{Arguments: arguments, AllowFile: o.AllowFile, Print: o.Print})
	if faults.Err() != nil {
		return nil, &diag.Faults{List: faults.Sort(), Sources: evaluated.Sources}
	}
	output, more := evaluated.Plan(o.plan(settings))
	if more.Err() != nil {
		return nil, &diag.Faults{List: more.Sort(), Sources: evaluated.Sources}
	}
	result := &Result{Output: output, File: settings.Output, Warnings: &diag.Faults{List: faults.Sort(), Sources: evaluated.Sources}}
	if o.reader.Veiled() {
		result.Warnings = &diag.Faults{}
	}
	return result, nil
}

// settings returns what the settings files say, or, where no file at all is
// named, kcl.yaml and kcl.mod of the working directory. The kcl.mod of a
// directory that is named alone counts too.
func (o *runner) settings() (*program.Settings, *diag.Diagnostic) {
	all := &program.Settings{}
	dir, names := "", o.Settings
	switch {
	case len(o.Files) == 0:
		if ok, fault := o.reader.Check(".", program.SettingsFile); len(names) == 0 && fault != nil {
			return nil, fault
		} else if len(names) == 0 && ok {
			names = []string{program.SettingsFile}
		}
		dir = "."
	case len(o.Files) == 1 && isDir(o.Files[0]):
		dir = o.Files[0]
	}
	if dir != "" {
		profile, options, fault := o.reader.Profile(dir)
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
		more, fault := o.reader.Settings(name, len(o.Settings) > 0)
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
func (o *runner) plan(s *program.Settings) eval.Plan {
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
func (o *runner) arguments(s *program.Settings) (map[string]eval.Value, error) {
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
func (o *runner) overrides(s *program.Settings) []string {
	if len(o.Overrides) > 0 {
		return o.Overrides
	}
	return s.Overrides
}

// modules returns the directories of modules by name.
func (o *runner) modules(s *program.Settings) (map[string]string, error) {
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

// file is one of the main package.
type file struct {
	name string
	dir  string // where it was found, by settings or in a directory; "" for one that the user names
}

// sources reads the files of the main package.
func (o *runner) sources(s *program.Settings) ([]*syntax.Source, error) {
	names, dir := o.Files, ""
	if len(names) == 0 || len(names) == 1 && len(s.Files) > 0 && isDir(names[0]) {
		names, dir = s.Files, s.Dir
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	var files []file
	for _, name := range names {
		found, err := o.expand(name, dir)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !slices.ContainsFunc(files, func(other file) bool { return other.name == f.name }) {
				files = append(files, f)
			}
		}
	}
	var sources []*syntax.Source
	for _, f := range files {
		src, err := o.read(f)
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

// expand returns the files that a name stands for. It is from settings in dir, or,
// where that is "", from the user.
func (o *runner) expand(name, dir string) ([]file, error) {
	if name == "-" {
		return []file{{name: name}}, nil
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
	if dir != "" {
		names, fault := o.reader.Expand(dir, name)
		return found(names, dir), fault.Err()
	}
	if isDir(name) {
		names, fault := o.reader.Main(name)
		return found(names, name), fault.Err()
	}
	if _, err := os.Stat(name); err != nil {
		if names, err := filepath.Glob(name); err == nil && len(names) > 0 {
			var files []file
			for _, name := range names {
				files = append(files, file{name, filepath.Dir(name)})
			}
			return files, nil
		}
	}
	return []file{{name: name}}, nil
}

func found(names []string, dir string) (files []file) {
	for _, name := range names {
		files = append(files, file{name, dir})
	}
	return files
}

// read returns a file, or what is on standard input.
func (o *runner) read(f file) (*syntax.Source, error) {
	var src *syntax.Source
	var fault *diag.Diagnostic
	switch {
	case f.name == "-":
		src, fault = o.reader.Stdin(o.Stdin)
	case f.dir != "":
		src, fault = o.reader.Found(f.dir, f.name)
	default:
		src, fault = o.reader.Named(f.name)
	}
	if errors.Is(fault.Err(), fs.ErrNotExist) {
		fault = noFile(f.name)
	}
	return src, fault.Err()
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

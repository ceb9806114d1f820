package artifact

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/kcl/program"
)

// Module is what the kcl.mod of a KCL module says of the package to be made of
// it.
type Module struct {
	Metadata          // without a kind
	Include  []string // patterns of the files that belong to the package; all when empty
	Exclude  []string // patterns of those that do not, whatever Include says
}

// ReadModule reads the kcl.mod of the directory dir. The kcl.mod is in the
// package, and whoever uses that believes it: a field of over that is set and
// says something else is refused. Mistakes are diag.BadMetadata, all of them at
// once, with their place.
func ReadModule(dir string, over Metadata) (Module, error) {
	p, faults := program.ReadPackageInfo(dir)
	for _, f := range faults {
		f.Code = diag.BadMetadata
	}
	r := moduleReader{faults: faults}
	if p == nil && len(faults) == 0 {
		return Module{}, diag.Errorf(diag.BadMetadata, "%s has no %s", dir, program.ModFile).
			WithHint("a KCL package is made of a module: write a %s with a [package] that has name and version", program.ModFile)
	}
	if p != nil {
		r.check(p, over)
	}
	if err := r.faults.Sort().Err(); err != nil {
		return Module{}, err
	}
	return Module{
		Metadata: Metadata{Name: p.Name.Value, Version: p.Version.Value, Description: p.Description.Value},
		Include:  values(p.Include), Exclude: values(p.Exclude),
	}, nil
}

func values(texts []program.Text) (list []string) {
	for _, t := range texts {
		list = append(list, t.Value)
	}
	return list
}

// moduleReader collects what is wrong with a kcl.mod.
type moduleReader struct{ faults diag.List }

func (r *moduleReader) fault(span diag.Span, hint, format string, args ...any) {
	r.faults = append(r.faults, diag.Errorf(diag.BadMetadata, format, args...).At(span).WithHint("%s", hint))
}

func (r *moduleReader) check(p *program.PackageInfo, over Metadata) {
	if len(r.faults) == 0 { // a mistyped value explains a gap
		r.required(p, "name", p.Name)
		r.required(p, "version", p.Version)
	}
	r.value("name", p.Name, checkModuleName)
	r.value("version", p.Version, checkModuleVersion)
	r.override(p, "name", p.Name, over.Name)
	r.override(p, "version", p.Version, over.Version)
	r.override(p, "description", p.Description, over.Description)
	if over.Kind != "" {
		r.fault(p.Span, "leave out --kind", "a KCL package has no kind, and --kind asks for %q", over.Kind)
	}
	r.patterns(p)
}

func (r *moduleReader) required(p *program.PackageInfo, key string, text program.Text) {
	if !text.Span.Start.IsValid() {
		r.fault(p.Span, "add it below [package]: "+key+` = "..."`, "%s has no %s", program.ModFile, key)
	}
}

func (r *moduleReader) value(key string, text program.Text, check func(string) (fault, hint string)) {
	if !text.Span.Start.IsValid() {
		return
	}
	if fault, hint := check(text.Value); fault != "" {
		r.fault(text.Span, hint, "%s %q %s", key, text.Value, fault)
	}
}

// override refuses a value from elsewhere that is not the one of kcl.mod.
func (r *moduleReader) override(p *program.PackageInfo, key string, text program.Text, over string) {
	if over == "" || over == text.Value {
		return
	}
	span := text.Span
	if !span.Start.IsValid() {
		span = p.Span
	}
	r.fault(span, "change it in "+program.ModFile+", which is part of the package, or leave out --"+key,
		"%s has the %s %q, and --%s asks for %q", program.ModFile, key, text.Value, key, over)
}

// patterns checks include and exclude. kpm takes a pattern that is none for one
// that matches nothing, and publishes what was to be left out.
func (r *moduleReader) patterns(p *program.PackageInfo) {
	for _, t := range slices.Concat(p.Include, p.Exclude) {
		if _, err := path.Match(t.Value, ""); err != nil {
			r.fault(t.Span, "close every [ and put something after every \\", "%q is not a pattern of file names", t.Value)
		}
	}
	for _, t := range p.Exclude {
		if matches([]string{t.Value}, program.ModFile) {
			r.fault(t.Span, "a package without it cannot be used: let the pattern match less", "exclude leaves out %s", program.ModFile)
		}
	}
	if include := values(p.Include); len(include) > 0 && !matches(include, program.ModFile) {
		r.fault(p.Include[0].Span, "a package without it cannot be used: add "+strconv.Quote(program.ModFile)+" to include", "include leaves out %s", program.ModFile)
	}
}

// Has reports whether a file or directory of the module, given by its path with
// slashes, is to be in the package. As in kpm a pattern matches whole paths, and
// one that matches a directory says nothing of what is in it.
func (m Module) Has(rel string) bool {
	return !ignored(rel) && !matches(m.Exclude, rel) && (len(m.Include) == 0 || matches(m.Include, rel))
}

// matches reports whether one of the patterns, which are relative to the root
// of the module however they are written, matches a path.
func matches(patterns []string, rel string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(path.Join("/m", pattern), "/m/"+rel)
		return ok && err == nil
	})
}

// ignored reports whether kpm passes over a path, in packages and in their
// sums: over version control and archives, and over whatever else looks so.
func ignored(rel string) bool {
	return strings.Contains(rel, ".git") || strings.Contains(rel, ".tar")
}

// moduleName is what kpm allows as the name of a module.
var moduleName = lazyregexp.New(`^[a-z][a-z0-9_]*(-[a-z0-9_]+)*$`)

// checkModuleName: a name must suit kpm, and it is the repository's too.
func checkModuleName(name string) (fault, hint string) {
	if moduleName().MatchString(name) && oci.IsRepository(name) {
		return "", ""
	}
	return "must be lower-case letters, digits, and single _ - between them, and begin with a letter",
		"change it in " + program.ModFile
}

// moduleVersion is what kpm can order, as far as it can be a tag: numbers
// with dots, then maybe a pre-release, whose dash may be missing before a letter.
var moduleVersion = lazyregexp.New(`^v?([0-9]+(?:\.[0-9]+)*)(-[0-9][0-9A-Za-z-]*(\.[0-9A-Za-z-]+)*|-?[A-Za-z-][0-9A-Za-z-]*(\.[0-9A-Za-z-]+)*)?$`)

// checkModuleVersion: the version becomes the tag. kpm orders all tags of a
// repository to find its latest, and gives up at the first that it cannot.
func checkModuleVersion(version string) (fault, hint string) {
	const example = "write a version such as 1.2.0 or 1.2.0-rc.1"
	match := moduleVersion().FindStringSubmatch(version)
	switch {
	case strings.ContainsAny(version, "+~"):
		return "cannot be a tag, which holds no + and no ~", example
	case match == nil:
		return "is none that kpm can order, and its tag would hide the others of the repository from kpm", example
	case !oci.IsTag(version):
		return "is too long for a tag", example
	}
	for number := range strings.SplitSeq(match[1], ".") {
		if _, err := strconv.ParseInt(number, 10, 64); err != nil {
			return "holds a number that is too large for kpm", example
		}
	}
	return "", ""
}

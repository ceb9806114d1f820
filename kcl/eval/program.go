package eval

import (
	"errors"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Limits on what one program may use, far above any real config.
const (
	maxDepth = 10_000     // nested evaluations
	maxSteps = 20_000_000 // evaluations in all
	maxSize  = 2_000_000  // elements, entries and 16-byte pieces of text in all
)

// Options control Run. The zero value runs a program that imports nothing but
// system modules.
type Options struct {
	// Prelude holds the files of a package whose names the program may use
	// without importing it. It may also be imported as PreludeName.
	Prelude     []*syntax.File
	PreludeName string

	// Import returns the files of a package, given its path as written and the
	// importing file; a diag.List as error is reported as it is. It may be nil.
	Import func(path string, from *syntax.Source) ([]*syntax.File, error)

	// Arguments are what option() returns by name: -D name=value.
	Arguments map[string]Value
}

// Program is an evaluated program.
type Program struct {
	// Globals are the names that the program sets, hidden ones too, in order of
	// their last statement.
	Globals []*Entry
	// Outputs are the values of the expressions that stand alone at top level.
	Outputs []*Entry

	ev *evaluator
}

// Run evaluates the files of one package. The program is usable as far as the
// faults leave values; every one of them is in the list.
func Run(files []*syntax.File, opts Options) (*Program, diag.List) {
	ev := &evaluator{opts: opts, lang: newLanguage(), imported: map[string]*pkg{}}
	if len(opts.Prelude) > 0 {
		ev.prelude = ev.load(opts.PreludeName, opts.Prelude, nil)
	}
	main := ev.load("__main__", files, ev.prelude)
	program := &Program{ev: ev}
	ev.finish(main)
	seen := map[*Instance]bool{}
	for _, s := range main.frame.order {
		if _, internal := s.value.(typeAlias); internal {
			continue
		}
		program.Globals = append(program.Globals, &Entry{Key: s.name, Value: s.value, Op: syntax.ASSIGN, Place: s.place})
		ev.required(s.value, seen)
	}
	for _, e := range main.outputs {
		program.Outputs = append(program.Outputs, e)
		ev.required(e.Value, seen)
	}
	return program, ev.faults.Sort()
}

// Value returns what the program outputs: its globals, joined with the dicts
// and instances that stand alone. A program with nothing but other values that
// stand alone outputs the last of them.
func (p *Program) Value() any {
	d := &Dict{}
	for _, e := range p.Globals {
		d.set(e)
	}
	for _, o := range p.Outputs {
		switch v := o.Value.(type) {
		case *Dict:
			d = p.ev.unionDicts(d, v, unionDefault, o.Place)
		case *Instance:
			d = p.ev.unionDicts(d, v.Attrs, unionDefault, o.Place)
		}
	}
	if o := plainDict(d); len(o.Keys) > 0 || len(p.Outputs) == 0 {
		return o
	}
	last, _ := Plain(p.Outputs[len(p.Outputs)-1].Value)
	return last
}

// pkg is a package: the frame that its files share.
type pkg struct {
	name    string
	frame   *frame
	scope   *scope
	outputs []*Entry
	others  []setter
	loaded  bool
}

// evaluator is the state of one run. It is not safe for concurrent use.
type evaluator struct {
	opts     Options
	lang     *language
	prelude  *pkg
	imported map[string]*pkg
	faults   diag.List

	positions int
	depth     int
	steps     int
	size      int
	stopped   bool
}

func (ev *evaluator) position() int { ev.positions++; return ev.positions }

// enter counts a step of evaluation. It returns false once a limit is reached:
// then nothing has a value any more.
func (ev *evaluator) enter() bool {
	ev.depth++
	ev.steps++
	if ev.stopped {
		ev.depth--
		return false
	}
	if ev.depth > maxDepth || ev.steps > maxSteps {
		ev.depth--
		what := "takes too many steps"
		if ev.depth >= maxDepth {
			what = "nests too deeply; is something recursive without end?"
		}
		ev.stop("the program " + what)
		return false
	}
	return true
}

func (ev *evaluator) leave() { ev.depth-- }

// grow counts n new elements and reports whether the program may have them.
func (ev *evaluator) grow(n int, at syntax.Range) bool {
	ev.size += n
	if ev.size > maxSize && !ev.stopped {
		ev.stop("the program makes too much data")
		ev.locate(at)
	}
	return !ev.stopped
}

// locate says where a limit was reached, as near as is known.
func (ev *evaluator) locate(at syntax.Range) {
	if last := ev.faults[len(ev.faults)-1]; last.Code == diag.LimitExceeded && !last.Span.Start.IsValid() {
		last.Span = at.Span()
	}
}

func (ev *evaluator) stop(message string) {
	ev.stopped = true
	ev.faults = append(ev.faults, diag.Errorf(diag.LimitExceeded, "%s", message))
}

func (ev *evaluator) report(d *diag.Diagnostic) {
	if !ev.stopped {
		ev.faults = append(ev.faults, d)
	}
}

func (ev *evaluator) errorf(code diag.Code, at syntax.Range, format string, a ...any) Value {
	ev.report(diag.Errorf(code, format, a...).At(at.Span()))
	return bad{}
}

func (ev *evaluator) unknownName(name string, s *scope, at syntax.Range) Value {
	d := diag.Errorf(diag.UnknownName, "name %s is not defined", name).At(at.Span())
	if near := diag.Nearest(name, s.names()); near != "" {
		d.Hint = "did you mean " + near + "?"
	} else if _, ok := ev.lang.modules[name]; ok {
		d.Hint = "add import " + name
	}
	ev.report(d)
	return bad{}
}

// load sets up a package without evaluating it.
func (ev *evaluator) load(name string, files []*syntax.File, prelude *pkg) *pkg {
	p := &pkg{name: name, frame: &frame{ev: ev, slots: map[string]*slot{}, conds: map[*syntax.If]Value{}}}
	p.scope = &scope{frame: p.frame, ev: ev}
	if prelude != nil {
		p.scope.parent = prelude.scope
	}
	for _, f := range files {
		sc := &scope{parent: p.scope, imports: map[string]*Module{}, ev: ev}
		p.frame.collect(f.Body, sc, nil, func(stmt syntax.Stmt, guards []guard) { ev.declare(p, sc, f, stmt, guards) })
	}
	return p
}

// declare handles a top-level statement that is no assignment.
func (ev *evaluator) declare(p *pkg, sc *scope, f *syntax.File, stmt syntax.Stmt, guards []guard) {
	switch stmt := stmt.(type) {
	case *syntax.Import:
		ev.importInto(sc, stmt, f.Source)
	case *syntax.Schema:
		s := &Schema{Name: stmt.Name.Text, Doc: stmt.Doc, def: stmt, scope: sc}
		if old := p.frame.slots[s.Name]; old != nil {
			ev.report(diag.Errorf(diag.Immutable, "%s is defined twice", s.Name).At(stmt.Name.Span()))
			return
		}
		p.frame.add(s.Name, stmt, sc, guards, func(Value) (Value, syntax.Range) { return s, stmt.Name.Range })
	case *syntax.TypeAlias:
		p.frame.add(stmt.Name.Text, stmt, sc, guards, func(Value) (Value, syntax.Range) {
			return typeAlias{ev.resolveType(stmt.Type, sc)}, stmt.Range
		})
	default:
		p.others = append(p.others, setter{guards: guards, scope: sc, stmt: stmt})
	}
}

// finish evaluates everything in a package.
func (ev *evaluator) finish(p *pkg) {
	if p.loaded {
		return
	}
	p.loaded = true
	for _, s := range p.frame.order {
		p.frame.advance(s, len(s.setters))
		if schema, ok := s.value.(*Schema); ok {
			schema.resolve()
		}
	}
	for i := range p.others {
		o := &p.others[i]
		if !p.frame.applies(o) {
			continue
		}
		v := o.scope.exec(o.stmt)
		if _, ok := o.stmt.(*syntax.ExprStmt); ok && v != nil {
			p.outputs = append(p.outputs, &Entry{Value: v, Place: o.stmt.At()})
		}
	}
	p.frame.sortByLastSetter()
}

// sortByLastSetter puts the names in the order of their last statements.
func (f *frame) sortByLastSetter() {
	last := func(s *slot) int { return s.setters[len(s.setters)-1].pos }
	slices.SortStableFunc(f.order, func(a, b *slot) int { return last(a) - last(b) })
}

// importInto binds an import in the scope of a file.
func (ev *evaluator) importInto(sc *scope, stmt *syntax.Import, from *syntax.Source) {
	name := stmt.Path[strings.LastIndex(stmt.Path, ".")+1:]
	if stmt.As != nil {
		name = stmt.As.Text
	}
	if members, ok := ev.lang.modules[stmt.Path]; ok {
		sc.imports[name] = &Module{name: stmt.Path, members: members}
		return
	}
	if ev.prelude != nil && stmt.Path == ev.opts.PreludeName {
		sc.imports[name] = &Module{name: stmt.Path, pkg: ev.prelude}
		return
	}
	var files []*syntax.File
	var err error
	if ev.opts.Import != nil {
		files, err = ev.opts.Import(stmt.Path, from)
	}
	var faults diag.List
	switch {
	case errors.As(err, &faults):
		ev.faults = append(ev.faults, faults...)
	case err != nil:
		ev.report(diag.Errorf(diag.ImportFailed, "cannot import %s: %w", stmt.Path, err).At(stmt.Range.Span()))
	case len(files) == 0:
		d := diag.Errorf(diag.ImportFailed, "there is no package %s", stmt.Path).At(stmt.Range.Span()).
			WithHint("a package is a directory with .k files, or a .k file, below the config's directory")
		if slices.Contains(missingModules, stmt.Path) {
			d.Message, d.Hint = "this version of berth has no system module "+stmt.Path, "of KCL's system modules it has regex"
		}
		ev.report(d)
	default:
		sc.imports[name] = &Module{name: stmt.Path, pkg: ev.importPkg(stmt, files)}
		return
	}
	sc.imports[name] = &Module{name: stmt.Path, pkg: nil}
}

// missingModules are KCL's system modules that are not provided.
var missingModules = []string{"base32", "base64", "collection", "crypto", "datetime", "file", "json", "manifests", "math", "net", "template", "units", "yaml"}

// importPkg evaluates an imported package, once however often it is imported.
// It returns nil, after it reported so, for one that is just being imported.
func (ev *evaluator) importPkg(stmt *syntax.Import, files []*syntax.File) *pkg {
	key := files[0].Source.Name
	p, ok := ev.imported[key]
	switch {
	case ok && p == nil:
		ev.errorf(diag.Cycle, stmt.Range, "package %s imports itself, directly or through others", stmt.Path)
	case !ok:
		ev.imported[key] = nil
		p = ev.load(stmt.Path, files, nil)
		ev.imported[key] = p
		ev.finish(p)
	}
	return p
}

// member returns a name of the module. Names of one that could not be imported
// are bad: that was reported.
func (m *Module) member(name string) (Value, bool) {
	if m.members != nil {
		v, ok := m.members[name]
		return v, ok
	}
	if m.pkg == nil {
		return bad{}, true
	}
	s, ok := m.pkg.frame.slots[name]
	if !ok || s.mutable() {
		return nil, false
	}
	return m.pkg.frame.read(s), true
}

func (m *Module) names() []string {
	var names []string
	for name := range m.members {
		names = append(names, name)
	}
	if m.pkg != nil {
		for name := range m.pkg.frame.slots {
			names = append(names, name)
		}
	}
	return names
}

// attrOwner returns a schema of the prelude that has the attribute, or "".
func (ev *evaluator) attrOwner(name string) string {
	if ev.prelude == nil {
		return ""
	}
	for _, s := range ev.prelude.frame.order {
		if schema, ok := ev.prelude.frame.read(s).(*Schema); ok && schema.attr(name) != nil {
			return schema.Name
		}
	}
	return ""
}

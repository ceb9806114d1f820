package eval

import (
	"io"
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Limits on what one program may use, far above any real config.
const (
	maxDepth  = 10_000     // nested evaluations
	maxSteps  = 20_000_000 // evaluations in all
	maxSize   = 4_000_000  // elements and 16-byte pieces of text in all
	entrySize = 4          // what an entry of a dict counts for in maxSize
	maxOutput = 2_000_000  // values in the output, written out
	readSize  = 32         // bytes of text that a function reads in one step

	maxSuggestions = 200  // for names that are not there
	manyNames      = 5000 // that count for one suggestion
	maxNames       = 30   // that one message lists
)

// Options control Run.
type Options struct {
	// Arguments are what option() returns by name: -D name=value.
	Arguments map[string]Value

	// AllowFile lets the program read and write files with the system module
	// file. Without it every use of that module is a fault.
	AllowFile bool
	// WorkDir is the directory that relative paths of the module file start
	// from and that file.workdir returns; "" is the working directory.
	WorkDir string

	// Print gets what the program prints; nil drops it.
	Print io.Writer
}

// Program is an evaluated program.
type Program struct {
	// Globals are the names that the program sets, hidden ones too, in the order
	// of output.
	Globals []*Entry
	// Outputs are the values of the expressions that stand alone at top level.
	// The Op of an instance that is written out is COLON.
	Outputs []*Entry

	ev *evaluator
}

// Run evaluates a program. The result is usable as far as the faults leave
// values; every one of them is in the list.
func Run(source *program.Program, opts Options) (*Program, diag.List) {
	ev := &evaluator{opts: opts, lang: newLanguage(), imported: map[*program.Package]*pkg{}, complete: map[Value]bool{}, instances: instances{main: map[*syntax.Source]bool{}, all: map[*Schema][]*Instance{}}}
	if source.Prelude != nil {
		ev.prelude = ev.load(source.Prelude, nil)
		ev.imported[source.Prelude] = ev.prelude
	}
	for _, f := range source.Main.Files {
		ev.instances.main[f.Source] = true
	}
	main := ev.load(source.Main, ev.prelude)
	result := &Program{ev: ev}
	ev.finish(main)
	main.frame.sort(outputOrder(source.Main))
	for _, s := range main.frame.order {
		if _, internal := s.value.(typeAlias); internal {
			continue
		}
		result.Globals = append(result.Globals, &Entry{Key: s.name, Value: s.value, Op: syntax.ASSIGN, Place: s.place})
		ev.required(s.value)
	}
	for _, e := range main.outputs {
		result.Outputs = append(result.Outputs, e)
		ev.required(e.Value)
	}
	ev.boundOutput(result)
	return result, ev.faults.Sort()
}

// boundOutput reports a program whose output is too much. Values may share
// parts, so a small program can have an output without end.
func (ev *evaluator) boundOutput(p *Program) {
	count := 0
	for _, list := range [][]*Entry{p.Globals, p.Outputs} {
		for _, e := range list {
			if !ev.bounded(e.Value, &count, "puts out", e.Place) {
				return
			}
		}
	}
}

// bounded adds the number of values in v, written out, to count and reports
// values that are too many or nest too deeply.
func (ev *evaluator) bounded(v Value, count *int, does string, at syntax.Range) bool {
	deep := countValues(v, count, maxDepth)
	switch {
	case ev.stopped:
	case deep:
		ev.stop("the program %s values that nest too deeply: more than %d in each other", does, maxDepth)
		ev.locate(at)
	case *count > maxOutput:
		ev.stop("the program %s too much: more than %d values", does, maxOutput)
		ev.locate(at)
	}
	return !ev.stopped
}

// countValues adds the number of values in v, written out, to count and reports
// whether some nest deeper than depth. It goes
// on only up to maxOutput.
func countValues(v Value, count *int, depth int) (deep bool) {
	if *count++; *count > maxOutput || depth == 0 {
		return depth == 0
	}
	switch v := v.(type) {
	case *List:
		for _, elem := range v.Elems {
			deep = countValues(elem, count, depth-1) || deep
		}
	case *Dict:
		for _, e := range v.entries {
			deep = countValues(e.Value, count, depth-1) || deep
		}
	case *Instance:
		deep = countValues(v.Attrs, count, depth)
	}
	return deep
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
	opts      Options
	lang      *language
	modules   moduleState
	prelude   *pkg
	imported  map[*program.Package]*pkg
	faults    diag.List
	instances instances
	stream    *stream // nil: the program outputs its value

	complete map[Value]bool // collections whose required attributes were looked for
	bodies   int            // schema bodies being evaluated, in each other
	configs  int            // schema expressions being evaluated, in each other

	positions int
	depth     int
	steps     int
	size      int
	stopped   bool

	suggestions int // that were looked for
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
		if ev.depth >= maxDepth {
			ev.stop("the program nests too deeply: more than %d evaluations in each other; does something need itself?", maxDepth)
		} else {
			ev.stopSteps()
		}
		return false
	}
	return true
}

func (ev *evaluator) leave() { ev.depth-- }

// spend counts n steps of a walk over a value and reports whether the program
// may have them.
func (ev *evaluator) spend(n int) bool {
	ev.steps += n
	if ev.steps > maxSteps && !ev.stopped {
		ev.stopSteps()
	}
	return !ev.stopped
}

func (ev *evaluator) stopSteps() {
	ev.stop("the program takes too long: more than %d evaluations", maxSteps)
}

// grow counts n new elements and reports whether the program may have them.
func (ev *evaluator) grow(n int, at syntax.Range) bool {
	ev.size += n
	if ev.size > maxSize && !ev.stopped {
		ev.stop("the program makes too much data: more than %d elements, or that much text", maxSize)
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

func (ev *evaluator) stop(format string, a ...any) {
	ev.stopped = true
	ev.faults = append(ev.faults, diag.Errorf(diag.LimitExceeded, format, a...))
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

// near returns the name that is likely meant. Very many faults are no slips of
// the pen, and get no suggestion.
func (ev *evaluator) near(name string, names func() []string) string {
	if ev.suggestions >= maxSuggestions {
		return ""
	}
	known := names()
	ev.suggestions += 1 + len(known)/manyNames
	return diag.Nearest(name, known)
}

func (ev *evaluator) unknownName(name string, s *scope, at syntax.Range) Value {
	d := diag.Errorf(diag.UnknownName, "name %s is not defined", name).At(at.Span())
	if near := ev.near(name, s.names); near != "" {
		d.Hint = "did you mean " + near + "?"
	} else if _, ok := ev.lang.modules[name]; ok {
		d.Hint = "add import " + name
	}
	ev.report(d)
	return bad{}
}

// load sets up a package without evaluating it.
func (ev *evaluator) load(source *program.Package, prelude *pkg) *pkg {
	p := &pkg{name: source.Path, frame: &frame{ev: ev, slots: map[string]*slot{}, conds: map[*syntax.If]Value{}}}
	p.scope = &scope{frame: p.frame, imports: map[string]*Module{}, pkg: p, ev: ev}
	if prelude != nil {
		p.scope.parent = prelude.scope
	}
	for _, f := range source.Files {
		for _, imp := range source.ImportsOf(f) { // one counts for every file
			p.scope.imports[imp.Name] = ev.importModule(imp)
		}
		sc := &scope{parent: p.scope, ev: ev}
		p.frame.collect(body(source, f), sc, nil, func(stmt syntax.Stmt, guards []guard) { ev.declare(p, sc, stmt, guards) })
	}
	return p
}

// body returns the statements of a file, those that are unified as one.
func body(source *program.Package, f *syntax.File) []syntax.Stmt {
	if len(source.Unified) == 0 {
		return f.Body
	}
	list := make([]syntax.Stmt, 0, len(f.Body))
	for _, stmt := range f.Body {
		value, ok := source.Unified[stmt]
		switch x := stmt.(type) {
		case *syntax.Unify:
			if ok {
				stmt = &syntax.Unify{Range: x.Range, Target: x.Target, Value: value}
			}
		case *syntax.Assign:
			if ok {
				stmt = &syntax.Assign{Range: x.Range, Targets: x.Targets, Type: x.Type, Value: value}
			}
		}
		if !ok || value != nil {
			list = append(list, stmt)
		}
	}
	return list
}

// declare handles a top-level statement that is no assignment.
func (ev *evaluator) declare(p *pkg, sc *scope, stmt syntax.Stmt, guards []guard) {
	switch stmt := stmt.(type) {
	case *syntax.Import: // bound before
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
		if stmt, ok := o.stmt.(*syntax.ExprStmt); ok && v != nil && !isCall(stmt) {
			e := &Entry{Value: v, Place: stmt.At()}
			if _, ok := stmt.X.(*syntax.SchemaExpr); ok {
				e.Op = syntax.COLON
			}
			p.outputs = append(p.outputs, e)
		}
	}
}

// isCall reports whether a statement is a call, whose result is not output;
// in parentheses it is.
func isCall(stmt *syntax.ExprStmt) bool {
	_, ok := stmt.X.(*syntax.Call)
	return ok && stmt.Start == stmt.X.At().Start
}

// sort puts these names first, in this order.
func (f *frame) sort(names []string) {
	place := make(map[string]int, len(names))
	for i, name := range names {
		if _, ok := place[name]; !ok {
			place[name] = i - len(names)
		}
	}
	slices.SortStableFunc(f.order, func(a, b *slot) int { return place[a.name] - place[b.name] })
}

// importModule returns the module that an import binds, the same one however
// often it is imported. A package is evaluated when something of it is used.
func (ev *evaluator) importModule(imp *program.Import) *Module {
	switch {
	case imp.System != "":
		return &Module{name: imp.System, members: ev.lang.modules[imp.System]}
	case imp.Package == nil: // reported when the program was loaded
		return &Module{name: imp.Name}
	}
	p, ok := ev.imported[imp.Package]
	if !ok {
		ev.imported[imp.Package] = nil // a circle is reported when the program is loaded
		p = ev.load(imp.Package, nil)
		ev.imported[imp.Package] = p
	}
	return &Module{name: imp.Package.Path, pkg: p}
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
	m.pkg.frame.ev.finish(m.pkg)
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

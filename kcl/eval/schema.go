package eval

import (
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Schema is a schema, mixin, protocol or rule.
type Schema struct {
	Name string
	Doc  string

	def    *syntax.Schema
	scope  *scope // of the package and file that define it
	base   *Schema
	mixins []*Schema

	resolved bool
	declared []*attr // own and inherited, in order; a redeclared one in its first place
}

// attr is an attribute that a schema declares.
type attr struct {
	name     string
	optional bool
	decl     *syntax.Attr
	typ      Type
	owner    *Schema
}

// Type returns "type".
func (*Schema) Type() string { return "type" }

// Instance is a schema with a config.
type Instance struct {
	Schema *Schema
	Attrs  *Dict // in order of declaration; those without value have Undefined
	Config *Dict // as given, with operators
	Place  syntax.Range

	args   *args
	blamed map[syntax.Range]bool // values that a failed check was about
}

func (i *Instance) blame(at syntax.Range) {
	if i.blamed == nil {
		i.blamed = map[syntax.Range]bool{}
	}
	i.blamed[at] = true
}

// Type returns the name of the schema.
func (i *Instance) Type() string { return i.Schema.Name }

// args are the arguments of a schema or call.
type args struct {
	positional []Value
	keywords   map[string]Value
}

// inherited returns the arguments that a parent's parameters take from those
// of its child: the positional ones by position, the others by name.
func (a *args) inherited(params []*syntax.Param) *args {
	if a == nil {
		return nil
	}
	out := &args{positional: a.positional[:min(len(a.positional), len(params))], keywords: map[string]Value{}}
	for _, p := range params {
		if v, ok := a.keywords[p.Name.Text]; ok {
			out.keywords[p.Name.Text] = v
		}
	}
	return out
}

// isA reports whether s is other or derives from it.
func (s *Schema) isA(other *Schema) bool {
	for ; s != nil; s = s.base {
		if s == other {
			return true
		}
	}
	return false
}

// lineage returns the schema and its parents, the root first.
func (s *Schema) lineage() []*Schema {
	var list []*Schema
	for ; s != nil; s = s.base {
		list = append(list, s)
	}
	slices.Reverse(list)
	return list
}

// resolve finds the parent and the mixins and collects the attributes.
func (s *Schema) resolve() {
	if s.resolved {
		return
	}
	s.resolved = true
	ev := s.scope.ev
	parent := s.def.Base
	if s.def.Kind == syntax.RULE { // a rule has the attributes of the protocol that it is for
		parent = s.def.For
	}
	if parent != nil {
		base, ok := s.scope.eval(parent).(*Schema)
		switch {
		case ok && base.isA(s):
			ev.errorf(diag.Cycle, parent.At(), "schema %s inherits from itself", s.Name)
		case ok:
			s.base = base // before the base looks for its own, which may be s
			base.resolve()
			s.declared = slices.Clone(base.declared)
		default:
			ev.errorf(diag.WrongType, parent.At(), "the parent of a schema must be a schema")
		}
	}
	for _, x := range s.def.Mixins {
		if m, ok := s.scope.eval(x).(*Schema); ok {
			m.resolve()
			s.mixins = append(s.mixins, m)
		} else {
			ev.errorf(diag.WrongType, x.At(), "a mixin must be a schema")
		}
	}
	for _, m := range append([]*Schema{s}, s.mixins...) {
		for _, stmt := range m.def.Body {
			if a, ok := stmt.(*syntax.Attr); ok {
				s.declare(&attr{name: a.Name.Text, optional: a.Optional, decl: a, owner: m})
			}
		}
	}
}

// declare adds an attribute. A schema may declare one of its parent again; a
// mixin does not change what the schema declares.
func (s *Schema) declare(a *attr) {
	i := slices.IndexFunc(s.declared, func(o *attr) bool { return o.name == a.name })
	if i >= 0 && a.owner != s {
		return
	}
	a.typ = s.scope.ev.resolveType(a.decl.Type, a.owner.scope)
	if i >= 0 {
		s.declared[i] = a
		return
	}
	s.declared = append(s.declared, a)
}

// attrs returns the attributes, inherited ones first.
func (s *Schema) attrs() []*attr {
	s.resolve()
	return s.declared
}

// attr returns the declaration of an attribute, or nil.
func (s *Schema) attr(name string) *attr {
	for _, a := range s.attrs() {
		if a.name == name {
			return a
		}
	}
	return nil
}

func (s *Schema) names() []string {
	names := make([]string, 0, len(s.attrs()))
	for _, a := range s.attrs() {
		names = append(names, a.name)
	}
	return names
}

// instantiate makes an instance: every attribute gets its value from the chain
// of defaults and the config, then the checks run.
func (ev *evaluator) instantiate(s *Schema, a *args, config *Dict, at syntax.Range) Value {
	if !ev.enter() {
		ev.locate(at)
		return bad{}
	}
	defer ev.leave()
	ev.bodies++
	defer func() { ev.bodies-- }()
	s.resolve()
	inst := &Instance{Schema: s, Attrs: &Dict{}, Config: config, Place: at, args: a}
	f := &frame{ev: ev, slots: map[string]*slot{}, conds: map[*syntax.If]Value{}, inst: inst}
	levels := ev.levels(f, s, a, at)
	if !ev.grow(entrySize*len(f.order), at) {
		return bad{}
	}
	for _, sl := range f.order {
		if sl.attr = s.attr(sl.name); sl.attr != nil && sl.place.Source == nil {
			sl.place = at
		}
	}
	extra := ev.extraAttrs(f, s, config)
	for _, sl := range f.order {
		f.advance(sl, len(sl.setters))
		e := &Entry{Key: sl.name, Value: sl.value, Op: syntax.ASSIGN, KeyPlace: sl.place, Place: sl.place, Given: sl.given}
		if given := config.Get(sl.name); given != nil {
			e.Op, e.KeyPlace = given.Op, given.KeyPlace
		} else if _, none := sl.value.(Undefined); none {
			e.Op = syntax.COLON // nothing overrides nothing
		}
		inst.Attrs.set(e)
	}
	if ev.bodies == 1 && ev.configs <= 1 {
		ev.required(inst) // one in another gets its last values with that
	}
	ev.instances.add(inst)
	for _, l := range levels {
		l.run(f)
	}
	ev.checks(f, levels, extra)
	return inst
}

// checks runs the checks of all levels: once, or with a named index signature
// once for every attribute that it admits, whose key its name stands for.
func (ev *evaluator) checks(f *frame, levels []*level, extra []string) {
	own := f.inst.Schema.def.Index
	if own == nil || own.Name == nil {
		for _, l := range levels {
			l.check(f, l.scope)
		}
		return
	}
	for _, key := range extra {
		for _, l := range levels {
			s := l.scope.child()
			s.set(own.Name.Text, String(key))
			l.check(f, s)
		}
	}
}

// level is one schema of an instance's lineage, or a mixin of one, with the
// statements and checks to run once the attributes have values.
type level struct {
	schema *Schema
	scope  *scope
	other  []setter
}

// levels collects the setters of all schemas that make up the instance.
func (ev *evaluator) levels(f *frame, s *Schema, a *args, at syntax.Range) []*level {
	var levels []*level
	for _, schema := range s.lineage() {
		for i, part := range append([]*Schema{schema}, schema.mixins...) {
			frameScope := &scope{parent: part.scope, frame: f, ev: ev}
			l := &level{schema: part, scope: frameScope.child()}
			if i == 0 && schema == s {
				ev.bind(l.scope, part.def.Params, a, at, "schema "+s.Name)
			} else {
				ev.bind(l.scope, part.def.Params, a.inherited(part.def.Params), at, "schema "+part.Name)
			}
			f.collectSchema(part, l)
			levels = append(levels, l)
		}
	}
	for _, l := range levels {
		l.missing(f)
	}
	return levels
}

// missing lets a mixin read what its protocol declares and the schema lacks:
// as Undefined.
func (l *level) missing(f *frame) {
	if l.schema.def.Kind != syntax.MIXIN || l.schema.def.For == nil {
		return
	}
	if protocol, ok := l.schema.scope.eval(l.schema.def.For).(*Schema); ok {
		for _, a := range protocol.attrs() {
			if f.slots[a.name] == nil {
				l.scope.set(a.name, Undefined{})
			}
		}
	}
}

func (f *frame) collectSchema(s *Schema, l *level) {
	l.scope.deprecated(s.Name, s.def.Decorators, f.inst.Place, f.inst.Place)
	other := func(stmt syntax.Stmt, guards []guard) {
		switch stmt := stmt.(type) {
		case *syntax.Attr:
			if e := f.inst.Config.Get(stmt.Name.Text); e != nil {
				l.scope.deprecated(stmt.Name.Text, stmt.Decorators, e.KeyPlace, f.inst.Place)
			}
			set := f.add(stmt.Name.Text, stmt, l.scope, guards, nil)
			set.apply = func(prev Value) (Value, syntax.Range) { return f.applyAttr(set, stmt, prev) }
		default:
			l.other = append(l.other, setter{guards: guards, scope: l.scope, stmt: stmt})
		}
	}
	before := map[string]int{}
	for _, sl := range f.order {
		before[sl.name] = len(sl.setters)
	}
	f.collect(s.def.Body, l.scope, nil, other)
	// Plain assignments give way to the config too.
	for _, sl := range f.order {
		for _, set := range sl.setters[before[sl.name]:] {
			if _, ok := set.stmt.(*syntax.Attr); !ok {
				plain := set.apply
				set.apply = func(prev Value) (Value, syntax.Range) {
					v, at := plain(prev)
					return f.applyConfig(set.slot, v, at)
				}
			}
		}
	}
}

// applyAttr computes an attribute declaration: its default, then the config.
func (f *frame) applyAttr(set *setter, decl *syntax.Attr, prev Value) (Value, syntax.Range) {
	v, at := prev, syntax.Range{}
	entry := f.inst.Config.Get(decl.Name.Text)
	overridden := entry != nil && entry.Op == syntax.ASSIGN && entry.insert == nil
	if lit, ok := decl.Type.(*syntax.LiteralType); ok && decl.Value == nil && !decl.Optional && !overridden {
		v, at = set.scope.eval(lit.Value), lit.Range // the one value that it can have
	}
	if decl.Value != nil && !overridden {
		at = decl.Value.At()
		v = set.scope.eval(decl.Value)
		if decl.Op == syntax.OR_BIT { // every other operator only assigns
			v = f.ev.binary(decl.Op, prev, v, at)
		}
		if a := set.slot.attr; a != nil {
			v = f.ev.conform(v, a.typ, at, a.name)
		}
	}
	return f.applyConfig(set.slot, v, at)
}

// applyConfig joins what the config gives for a slot into its value.
func (f *frame) applyConfig(s *slot, v Value, at syntax.Range) (Value, syntax.Range) {
	e := f.inst.Config.Get(s.name)
	if e == nil || s.attr == nil {
		return v, at
	}
	s.given = true
	// A dict that meets no default is an instance in its own right.
	if isMissing(v) && e.insert == nil {
		v = e.Value
	} else {
		given := *e
		if a, ok := s.attr.typ.(*schemaType); ok && given.Op == syntax.ASSIGN {
			given.Value = f.ev.conform(given.Value, a, e.Place, s.name)
		}
		v = f.ev.apply(v, &given, unionDefault, e.Place)
	}
	return f.ev.conform(v, s.attr.typ, e.Place, s.name), e.Place
}

// extraAttrs makes slots of config entries that no attribute declares, as the
// schema's own index signature allows, and reports the others. It returns the
// keys of the slots.
func (ev *evaluator) extraAttrs(f *frame, s *Schema, config *Dict) []string {
	var keys []string
	var sig *indexSignature
	for _, e := range config.entries {
		if s.attr(e.Key) != nil {
			continue
		}
		if sig == nil && s.def.Index != nil {
			sig = &indexSignature{def: s.def.Index, key: ev.resolveType(s.def.Index.Key, s.scope), value: ev.resolveType(s.def.Index.Value, s.scope)}
		}
		if sig == nil || !sig.key.accepts(ev, String(e.Key)) {
			ev.unknownAttr(s, e)
			continue
		}
		f.slot(e.Key).given = true
		f.add(e.Key, nil, nil, nil, func(Value) (Value, syntax.Range) { return ev.extraValue(f, s, sig, e), e.Place })
		keys = append(keys, e.Key)
	}
	// The reference runtime holds the place of a named signature's key with the
	// first extra attribute and gives it to the last.
	if n := len(keys); n > 1 && sig.def.Name != nil {
		first := len(f.order) - n
		last := f.order[len(f.order)-1]
		copy(f.order[first+1:], f.order[first:])
		f.order[first] = last
	}
	return keys
}

// indexSignature is an index signature with its types.
type indexSignature struct {
	def        *syntax.IndexSignature
	key, value Type
}

// extraValue joins a config entry into the default of the index signature.
func (ev *evaluator) extraValue(f *frame, s *Schema, sig *indexSignature, e *Entry) Value {
	v := e.Value
	if sig.def.Init != nil && e.Op != syntax.ASSIGN {
		sc := (&scope{parent: s.scope, frame: f, ev: ev}).child()
		if sig.def.Name != nil {
			sc.set(sig.def.Name.Text, String(e.Key))
		}
		v = ev.apply(sc.eval(sig.def.Init), e, unionDefault, e.Place)
	}
	return ev.conform(v, sig.value, e.Place, e.Key)
}

func (ev *evaluator) unknownAttr(s *Schema, e *Entry) {
	d := diag.Errorf(diag.UnknownAttr, "%s has no attribute %s", s.Name, e.Key).At(e.KeyPlace.Span())
	if near := ev.near(e.Key, s.names); near != "" {
		d.Hint = "did you mean " + near + "?"
	} else if owner := ev.attrOwner(e.Key); owner != "" && owner != s.Name {
		d.Hint = e.Key + " is an attribute of " + owner
	} else {
		names := s.names()
		if len(names) > maxNames {
			names = append(names[:maxNames], "…")
		}
		d.Hint = "it has " + strings.Join(names, ", ")
	}
	ev.report(d)
}

// run executes what is left of a schema body.
func (l *level) run(f *frame) {
	for i := range l.other {
		if o := &l.other[i]; f.applies(o) {
			l.scope.exec(o.stmt)
		}
	}
}

// check evaluates the checks of the level in a scope.
func (l *level) check(f *frame, s *scope) {
	for _, c := range l.schema.def.Checks {
		l.checkOne(f, s, c)
	}
}

// checkOne evaluates one check and reports it when it does not hold.
func (l *level) checkOne(f *frame, s *scope, c *syntax.Check) {
	ev := f.ev
	if c.Guard != nil {
		if g := s.eval(c.Guard); isBad(g) || !truth(g) {
			return
		}
	}
	used := attrsIn(c.Cond, f)
	for _, name := range used { // what is missing is reported as missing
		if e := f.inst.Attrs.Get(name); e != nil {
			if a := f.inst.Schema.attr(name); isBad(e.Value) || a != nil && !a.optional && isMissing(e.Value) {
				return
			}
		}
	}
	v := s.eval(c.Cond)
	message := ""
	if c.Message != nil {
		message = text(s.eval(c.Message))
	}
	if isBad(v) || truth(v) {
		return
	}
	if message == "" {
		message = "check failed: " + c.Cond.At().Text()
	}
	d := diag.Errorf(diag.CheckFailed, "%s", message)
	at := checkPlace(f.inst, used)
	if at != f.inst.Place {
		if f.inst.blamed[at] { // one fault for a value is enough
			return
		}
		f.inst.blame(at)
	}
	d.Span = at.Span()
	d.Related = []diag.Related{{Span: c.Cond.At().Span(), Message: "the check of " + l.schema.Name}}
	ev.report(d)
}

// checkPlace returns the value that a failed check is about: the one attribute
// it uses, else the instance.
func checkPlace(inst *Instance, used []string) syntax.Range {
	if len(used) == 1 {
		if e := inst.Attrs.Get(used[0]); e != nil && e.Given {
			return e.Place
		}
	}
	return inst.Place
}

// required reports every required attribute without a value in v, nested
// instances included.
func (ev *evaluator) required(v Value) {
	switch v.(type) {
	case *List, *Dict, *Instance:
		if ev.complete[v] {
			return
		}
		ev.complete[v] = true
		if !ev.enter() {
			return
		}
		defer ev.leave()
	}
	switch v := v.(type) {
	case *List:
		for _, elem := range v.Elems {
			ev.required(elem)
		}
	case *Dict:
		for _, e := range v.entries {
			ev.required(e.Value)
		}
	case *Instance:
		for _, e := range v.Attrs.entries {
			a := v.Schema.attr(e.Key)
			switch {
			case a != nil && !a.optional && isMissing(e.Value):
				d := diag.Errorf(diag.MissingAttr, "attribute %s of %s is required", a.name, v.Schema.Name).At(v.Place.Span())
				d.Hint = "add " + a.name + ": " + a.typ.String()
				if e.Given {
					d.Span = e.Place.Span()
					d.Message += " and cannot be " + describe(e.Value)
				}
				ev.report(d)
			default:
				ev.required(e.Value)
			}
		}
	}
}

// FullName returns the name with the path of the package before it, which the
// main package does not have.
func (s *Schema) FullName() string {
	sc := s.scope
	for sc.pkg == nil && sc.parent != nil {
		sc = sc.parent
	}
	if sc.pkg == nil || sc.pkg.name == program.MainPath {
		return s.Name
	}
	return sc.pkg.name + "." + s.Name
}

// Source returns the source that defines the schema.
func (s *Schema) Source() *syntax.Source { return s.def.Source }

// Declares reports whether the schema, or a parent, declares the attribute.
func (s *Schema) Declares(name string) bool { return s.attr(name) != nil }

// Derives reports whether the schema is the named one or inherits from it.
func (s *Schema) Derives(name string) bool {
	for ; s != nil; s = s.base {
		if s.Name == name {
			return true
		}
	}
	return false
}

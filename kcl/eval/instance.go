package eval

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

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
					if a := set.slot.attr; a != nil {
						v = f.ev.conform(v, a.typ, at, a.name)
					}
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

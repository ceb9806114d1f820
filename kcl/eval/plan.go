package eval

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Plan says what of a program's value is output, and how. The zero value
// outputs all but what is hidden.
type Plan struct {
	SortKeys    bool     // keys in alphabetical order
	ShowHidden  bool     // names that begin with _ too
	DisableNone bool     // no key or element that is None
	SchemaTypes bool     // the schema of each instance as an attribute _type
	Paths       []string // a.b.0: only these parts of the value
}

// Output is what a program outputs: documents, most often one. A program that
// outputs an empty list has none.
type Output struct {
	Docs []any // as Plain gives them

	separator string
	yaml      *string // written by the program itself
}

// YAML returns the documents as YAML, without a line break at the end.
func (o *Output) YAML() string {
	if o.yaml != nil {
		return *o.yaml
	}
	return o.join("\n"+o.separator+"\n", func(b *strings.Builder, doc any) {
		var text strings.Builder
		WriteYAML(&text, doc)
		b.WriteString(document(text.String()))
	})
}

// JSON returns the documents as JSON, one on each line.
func (o *Output) JSON() string { return o.join("\n", WriteJSON) }

func (o *Output) join(separator string, write func(*strings.Builder, any)) string {
	var b strings.Builder
	for i, doc := range o.Docs {
		if i > 0 {
			b.WriteString(separator)
		}
		write(&b, doc)
	}
	return b.String()
}

// stream is what a program outputs in place of its value: documents that it
// chose itself (manifests.yaml_stream).
type stream struct {
	text      string // as YAML
	separator string // between documents
	docs      []Value
	plan      Plan
}

// Plan returns what the program outputs. The faults are values that stand
// alone and cannot be merged, and paths that lead nowhere.
func (p *Program) Plan(opts Plan) (*Output, diag.List) {
	var value Value
	before, separator := len(p.ev.faults), ""
	if s := p.ev.stream; s != nil {
		opts, separator, value = s.plan.with(opts.Paths), s.separator, s.value()
	} else {
		value = p.merge(opts.ShowHidden)
	}
	if faults := p.ev.faults[before:]; len(faults) > 0 {
		return &Output{}, faults.Sort()
	}
	value, fault := opts.choose(value)
	if fault != nil {
		return &Output{}, diag.List{fault}
	}
	out := &Output{Docs: opts.documents(value, separator != ""), separator: cmp.Or(separator, "---")}
	if p.ev.stream != nil {
		out.yaml = &p.ev.stream.text
	}
	return out, nil
}

func (p Plan) with(paths []string) Plan { p.Paths = paths; return p }

// value returns the documents of a stream: one as itself.
func (s *stream) value() Value {
	switch len(s.docs) {
	case 0:
		return None{}
	case 1:
		return s.docs[0]
	}
	return listOf(s.docs...)
}

// Value returns what the program outputs: the one document, or a list of
// several.
func (p *Program) Value() any {
	out, _ := p.Plan(Plan{})
	if len(out.Docs) == 1 {
		return out.Docs[0]
	}
	return out.Docs
}

// merge joins the values that stand alone, then the globals.
func (p *Program) merge(hidden bool) Value {
	all, own := Value(nil), false // own: a dict that nothing else has
	add := func(v Value, at syntax.Range) {
		if inst, ok := v.(*Instance); ok {
			v = inst.entries()
		}
		sum, isDict := all.(*Dict)
		given, both := v.(*Dict)
		switch {
		case all == nil:
			all = v
		case isDict && both: // in place, as there may be very many
			if !own {
				sum, own = sum.clone(), true
				all = sum
			}
			for _, e := range given.entries {
				p.ev.merge(sum, e, unionConfig, at)
			}
		default:
			all, own = p.ev.apply(all, &Entry{Value: v, Op: syntax.COLON, Place: at}, unionConfig, at), false
		}
	}
	var last syntax.Range // of those that stand alone: what a global does not go with
	for _, e := range standing(p.Outputs) {
		add(e.Value, e.Place)
		last = e.Place
	}
	for _, e := range p.Globals {
		if schema, ok := e.Value.(*Schema); ok && schema.Name == e.Key || !hidden && e.hidden() {
			continue
		}
		global := &Dict{}
		global.set(&Entry{Key: e.Key, Value: e.Value, Op: syntax.COLON, Place: e.Place})
		if last.Source == nil {
			last = e.Place
		}
		add(global, last)
	}
	if all == nil {
		return &Dict{}
	}
	return all
}

// entries returns the attributes of an instance as a dict that can be merged
// with others: each overrides where the config that gave it did.
func (i *Instance) entries() *Dict {
	d := &Dict{}
	for _, e := range i.Attrs.entries {
		entry := *e
		entry.Op = syntax.COLON
		if given := i.Config.Get(e.Key); given != nil {
			entry.Op = given.Op
		}
		d.set(&entry)
	}
	return d
}

func (e *Entry) hidden() bool { return strings.HasPrefix(e.Key, "_") }

// standing returns the values that stand alone and count. An instance that is
// written out takes the place of the one before it; the first takes that of
// the first value, whatever it is, as the reference runtime has it.
func standing(outputs []*Entry) []*Entry {
	var list []*Entry
	instance := 0 // where the last one is
	for _, e := range outputs {
		if e.Op == syntax.COLON {
			if instance < len(list) {
				list = slices.Delete(list, instance, instance+1)
			}
			instance = len(list)
		}
		list = append(list, e)
	}
	return list
}

// choose returns the parts of a value that the paths lead to: one as itself,
// several as a list. Only dicts have parts.
func (p Plan) choose(v Value) (Value, *diag.Diagnostic) {
	if _, ok := v.(*Dict); !ok || len(p.Paths) == 0 {
		return v, nil
	}
	var parts []Value
	for _, path := range p.Paths {
		part := v
		for _, step := range strings.Split(path, ".") {
			next, names := child(part, step)
			if next == nil {
				return nil, noPath(path, step, names)
			}
			part = next
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return listOf(parts...), nil
}

// child returns an entry, attribute or element of a value, nil if there is
// none, and the names there are.
func child(v Value, step string) (Value, []string) {
	var entries []*Entry
	switch v := v.(type) {
	case *List:
		i, err := strconv.ParseUint(step, 10, 32)
		if err == nil && i < uint64(len(v.Elems)) {
			return v.Elems[i], nil
		}
		return nil, nil
	case *Dict:
		entries = v.entries
	case *Instance:
		entries = v.Attrs.entries
	}
	var names []string
	for _, e := range entries {
		if e.Key == step {
			return e.Value, nil
		}
		names = append(names, e.Key)
	}
	return nil, names
}

func noPath(path, step string, names []string) *diag.Diagnostic {
	d := diag.Errorf(diag.NotFound, "the program outputs no %s", path)
	switch near := diag.Nearest(step, names); {
	case near != "":
		d.Hint = "did you mean " + near + " in place of " + step + "?"
	case len(names) > 0 && len(names) <= 10:
		d.Hint = "in place of " + step + " there are " + strings.Join(names, ", ")
	default:
		d.Hint = "a path is keys and numbers of elements with dots between, as in a.b.0"
	}
	return d
}

// documents returns what is output of a value. A list of nothing but dicts and
// instances is a stream of documents, as is any list where a separator is
// given; then what is no dict is left out.
func (p Plan) documents(v Value, separated bool) []any {
	list, ok := v.(*List)
	if !ok {
		doc, _ := p.plain(bare(v)) // nothing: null
		return []any{doc}
	}
	if slices.ContainsFunc(list.Elems, func(v Value) bool { return !isConfig(v) }) && !separated {
		return []any{p.mixed(list)}
	}
	docs := []any{}
	for _, e := range list.Elems {
		if _, ok := e.(*List); ok || isConfig(e) {
			docs = append(docs, p.documents(e, separated)...)
		}
	}
	return docs
}

// bare returns an instance as a dict: the type of one that stands alone is not
// output.
func bare(v Value) Value {
	if inst, ok := v.(*Instance); ok {
		return inst.Attrs
	}
	return v
}

// mixed returns a list that stands alone and holds more than dicts. In its
// elements other than dicts nothing is hidden, and None stays.
func (p Plan) mixed(list *List) []any {
	elems := []any{}
	for _, e := range list.Elems {
		q := Plan{SortKeys: p.SortKeys, ShowHidden: true}
		if isConfig(e) {
			q = p
		}
		if plain, ok := q.plain(bare(e)); ok {
			elems = append(elems, plain)
		}
	}
	return elems
}

func isConfig(v Value) bool {
	switch v.(type) {
	case *Dict, *Instance:
		return true
	}
	return false
}

// plain is Plain for what the plan outputs.
func (p Plan) plain(v Value) (any, bool) {
	switch v := v.(type) {
	case *List:
		list := make([]any, 0, len(v.Elems))
		for _, e := range v.Elems {
			if _, none := e.(None); none && p.DisableNone {
				continue
			}
			if plain, ok := p.plain(e); ok {
				list = append(list, plain)
			}
		}
		return list, true
	case *Dict:
		return p.object(v), true
	case *Instance:
		o := p.object(v.Attrs)
		if p.SchemaTypes {
			o.set("_type", v.Schema.FullName())
		}
		return p.sorted(o), true
	}
	return Plain(v)
}

func (p Plan) object(d *Dict) *Object {
	o := &Object{Values: make(map[string]any, d.Len())}
	for _, e := range d.entries {
		if _, none := e.Value.(None); none && p.DisableNone || e.hidden() && !p.ShowHidden {
			continue
		}
		if plain, ok := p.plain(e.Value); ok {
			o.set(e.Key, plain)
		}
	}
	return p.sorted(o)
}

func (p Plan) sorted(o *Object) *Object {
	if p.SortKeys {
		slices.Sort(o.Keys)
	}
	return o
}

// outputOrder returns the names that a package sets in the order in which they
// are output: that of their first statements. The configs of one instance that
// several statements give count as one statement, in the place of the last.
func outputOrder(source *program.Package) []string {
	var names []string
	var visit func(stmts []syntax.Stmt)
	visit = func(stmts []syntax.Stmt) {
		for _, stmt := range stmts {
			switch stmt := stmt.(type) {
			case *syntax.If:
				visit(stmt.Then)
				visit(stmt.Else)
			case *syntax.Assign:
				for _, t := range stmt.Targets {
					names = append(names, t.Name.Text)
				}
			case *syntax.Unify:
				names = append(names, stmt.Target.Text)
			}
		}
	}
	for _, f := range source.Files {
		visit(body(source, f))
	}
	return names
}

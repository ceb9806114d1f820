package eval

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// config evaluates `{...}` into a Dict whose entries keep their operators.
// Each entry sees the names of those above it.
func (s *scope) config(c *syntax.Config) *Dict {
	d := &Dict{}
	s.child().entries(c.Entries, d)
	return d
}

func (s *scope) entries(list []*syntax.Entry, d *Dict) {
	for _, e := range list {
		switch {
		case e.Star != nil:
			s.spread(e, d)
		case e.If != nil:
			cond := s.eval(e.If.Cond)
			switch {
			case isBad(cond):
			case truth(cond):
				s.entries(e.If.Then, d)
			default:
				s.entries(e.If.Else, d)
			}
		default:
			s.entry(e, d)
		}
	}
}

// spread joins the entries of `**x` into d.
func (s *scope) spread(e *syntax.Entry, d *Dict) {
	switch v := s.eval(e.Star).(type) {
	case *Dict:
		if !s.ev.grow(entrySize*v.Len(), e.Range) {
			return
		}
		for _, entry := range v.entries {
			s.ev.merge(d, entry, unionConfig, e.Range)
		}
	case *Instance:
		if !s.ev.grow(entrySize*v.Attrs.Len(), e.Range) {
			return
		}
		for _, entry := range v.Attrs.entries {
			copied := *entry
			copied.Op = syntax.ASSIGN
			s.ev.merge(d, &copied, unionConfig, e.Range)
		}
	case None, Undefined, bad:
	default:
		s.ev.errorf(diag.WrongType, e.Star.At(), "only a dict or schema can be unpacked with **, not %s", describe(v))
	}
}

// entry evaluates one `key op value`.
func (s *scope) entry(e *syntax.Entry, d *Dict) {
	value := s.eval(e.Value)
	if len(e.Path) > 0 {
		if entry := s.pathEntry(e.Path, value, e); entry != nil {
			s.join(d, entry)
		}
		return
	}
	key, ok := s.key(e.Key)
	if !ok {
		return
	}
	s.join(d, &Entry{Key: key, Value: value, Op: e.Op, KeyPlace: e.Key.At(), Place: e.Value.At()})
}

// join merges an entry into d and makes its name known to the entries below.
func (s *scope) join(d *Dict, e *Entry) {
	s.ev.merge(d, e, unionConfig, e.Place)
	if joined := d.Get(e.Key); joined != nil {
		s.set(e.Key, joined.Value)
	}
}

// key returns the key that an expression gives an entry, or reports that it
// gives none. A name is itself, but a variable of a comprehension is its value.
func (s *scope) key(x syntax.Expr) (string, bool) {
	var v Value
	if id, ok := x.(*syntax.Ident); ok {
		if v, ok = s.loopVar(id.Name); !ok {
			return id.Name, true
		}
	} else {
		v = s.eval(x)
	}
	switch v := v.(type) {
	case String:
		return string(v), true
	case bad:
	default:
		s.ev.errorf(diag.WrongType, x.At(), "a key must be a string, not %s", describe(v))
	}
	return "", false
}

// pathEntry makes nested dicts of `a.b[0] = value`: the inner entries unify,
// the last one has the operator.
func (s *scope) pathEntry(path []syntax.Expr, value Value, e *syntax.Entry) *Entry {
	step := path[0]
	key, ok := s.key(step)
	if !ok {
		return nil
	}
	entry := &Entry{Key: key, Op: syntax.COLON, KeyPlace: step.At(), Place: e.Value.At()}
	rest := path[1:]
	if len(rest) == 0 {
		entry.Value, entry.Op = value, e.Op
		return entry
	}
	if i, ok := indexStep(rest[0]); ok && len(rest) == 1 {
		entry.Value, entry.Op, entry.insert = value, e.Op, &i
		return entry
	}
	inner := s.pathEntry(rest, value, e)
	if inner == nil {
		return nil
	}
	d := &Dict{}
	d.set(inner)
	entry.Value = d
	return entry
}

// indexStep returns the number in a step such as [0] or [-1].
func indexStep(step syntax.Expr) (int, bool) {
	switch x := step.(type) {
	case *syntax.Number:
		return int(x.Int), !x.IsFloat
	case *syntax.Unary:
		if n, ok := x.X.(*syntax.Number); ok && x.Op == syntax.SUB {
			return -int(n.Int), !n.IsFloat
		}
	}
	return 0, false
}

// maxOverrides is how many places of values that lost are kept for each entry.
const maxOverrides = 100

// merge joins an entry into d by its operator.
func (ev *evaluator) merge(d *Dict, e *Entry, mode unionMode, at syntax.Range) {
	old := d.Get(e.Key)
	if old == nil {
		if e.insert != nil {
			ev.errorf(diag.Conflict, e.Place, "%s[%d] has no list to go into: give %s in this block first", e.Key, *e.insert, e.Key)
			return
		}
		d.set(e)
		return
	}
	joined := *e // the last operator decides how a default is met
	joined.Overrides = old.Overrides
	if n := len(old.Overrides); n < maxOverrides {
		joined.Overrides = append(old.Overrides[:n:n], old.Place)
	}
	joined.Value, joined.insert = ev.apply(old.Value, e, mode, at), nil
	if _, isDict := joined.Value.(*Dict); isDict && e.Op != syntax.ASSIGN {
		joined.KeyPlace, joined.Place, joined.Overrides = old.KeyPlace, old.Place, old.Overrides
	}
	d.set(&joined)
}

// apply returns what an entry makes of an existing value.
func (ev *evaluator) apply(old Value, e *Entry, mode unionMode, at syntax.Range) Value {
	if isBad(old, e.Value) {
		return bad{}
	}
	if e.insert != nil {
		return ev.applyAt(old, e, mode, at)
	}
	if e.Op == syntax.COLON && mode.agree() && !ev.subsumes(old, e.Value) {
		return ev.conflict(old, e.Value, e.Place)
	}
	switch e.Op {
	case syntax.ASSIGN:
		return e.Value
	case syntax.ADD_ASSIGN:
		add, ok := e.Value.(*List)
		if !ok {
			return ev.errorf(diag.Conflict, e.Place, "only a list can be inserted with +=, not %s", describe(e.Value))
		}
		switch old := old.(type) {
		case *List:
			if !ev.grow(len(old.Elems)+len(add.Elems), at) {
				return bad{}
			}
			return concat(old, add)
		case None, Undefined:
			return add
		}
		return ev.errorf(diag.Conflict, e.Place, "cannot insert into %s", describe(old))
	}
	return ev.union(old, e.Value, mode, e.Place)
}

// applyAt applies an entry `a[i] op value` to the list old.
func (ev *evaluator) applyAt(old Value, e *Entry, mode unionMode, at syntax.Range) Value {
	list, ok := old.(*List)
	if !ok {
		return ev.errorf(diag.WrongType, e.Place, "%s cannot be indexed", describe(old))
	}
	i := *e.insert
	if i < 0 {
		i += len(list.Elems)
	}
	elems := append([]Value(nil), list.Elems...)
	if e.Op == syntax.ADD_ASSIGN {
		add, ok := e.Value.(*List)
		if !ok || i < 0 || i > len(elems) {
			return ev.errorf(diag.Conflict, e.Place, "only a list can be inserted with +=, at a place in the list")
		}
		elems = append(elems[:i:i], append(append([]Value(nil), add.Elems...), elems[i:]...)...)
		return &List{Elems: elems}
	}
	if i < 0 || i >= len(elems) {
		return ev.errorf(diag.EvalFailed, e.Place, "list index out of range: %d", *e.insert)
	}
	plain := *e
	plain.insert = nil
	elems[i] = ev.apply(elems[i], &plain, mode, at)
	return &List{Elems: elems, Places: list.Places}
}

func concat(a, b *List) *List {
	l := &List{Elems: append(append([]Value(nil), a.Elems...), b.Elems...)}
	if len(a.Places) == len(a.Elems) && len(b.Places) == len(b.Elems) {
		l.Places = append(append([]syntax.Range(nil), a.Places...), b.Places...)
	}
	return l
}

package check

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// entries checks the entries of a config and returns its type as a dict.
func (c *checker) entries(list []*syntax.Entry) *typ {
	c.push()
	defer c.pop()
	c.scope.names.list = make([]field, 0, len(list))
	d := newDict(c, len(list))
	c.completed(list)
	for _, e := range list {
		if e != nil {
			d.add(e)
		}
	}
	return d.typ()
}

// completed notes the instances in entries that others may add to: those of
// keys that come several times, and those that meet the default of an index
// signature. They may lack required attributes.
func (c *checker) completed(list []*syntax.Entry) {
	count := map[string]int{}
	for _, e := range list {
		if name, ok := entryName(e); ok {
			count[name]++
		}
	}
	want := c.top()
	indexed := want != nil && want.kind == kindSchema && want.schema.index != nil
	for _, e := range list {
		name, ok := entryName(e)
		if !ok {
			continue
		}
		if x, ok := e.Value.(*syntax.SchemaExpr); ok && (count[name] > 1 || indexed) {
			if c.partial == nil {
				c.partial = map[*syntax.SchemaExpr]bool{}
			}
			c.partial[x] = true
		}
	}
}

// entryName returns the name or the text that an entry gives a value, or begins
// its path with.
func entryName(e *syntax.Entry) (string, bool) {
	if e == nil {
		return "", false
	}
	key := e.Key
	if len(e.Path) > 0 {
		key = e.Path[0]
	}
	switch key := key.(type) {
	case *syntax.Ident:
		return key.Name, true
	case *syntax.String:
		return key.Value, true
	}
	return "", false
}

// dict collects the type of a config.
type dict struct {
	checker      *checker
	keys, values []*typ
	entries      *fields
}

func newDict(c *checker, size int) *dict {
	types := make([]*typ, 2*size)
	return &dict{checker: c, keys: types[:0:size], values: types[size:size], entries: &fields{list: make([]field, 0, size)}}
}

func (d *dict) typ() *typ {
	t := dictOf(join(d.keys...), join(d.values...))
	t.entries = d.entries
	return t
}

func (d *dict) put(key, value *typ) {
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

func (d *dict) add(e *syntax.Entry) {
	c := d.checker
	switch before := len(c.faults); {
	case e.If != nil:
		d.spread(c.ifEntry(e.If), e.Range, before)
	case len(e.Path) > 0:
		d.path(e, e.Path)
	case e.Key != nil:
		d.single(e, e.Key)
	case e.Star != nil:
		d.spread(c.expr(e.Star), e.Star.At(), before)
	}
}

// path adds an entry for a key such as a.b.c, which means nested configs, or
// a[0], which means an element of the list a. Any other key is computed.
func (d *dict) path(e *syntax.Entry, steps []syntax.Expr) {
	names := 0
	for names < len(steps) {
		if _, ok := steps[names].(*syntax.Ident); !ok {
			break
		}
		names++
	}
	switch {
	case names == len(steps):
		d.names(e, steps)
	case names == len(steps)-1 && isIndex(steps[names]):
		d.element(e, steps[:names])
	default:
		d.computed(e, compound(steps))
	}
}

// isIndex reports whether an expression is a number, possibly negative.
func isIndex(x syntax.Expr) bool {
	if u, ok := x.(*syntax.Unary); ok {
		x = u.X
	}
	_, ok := x.(*syntax.Number)
	return ok
}

// compound makes the expression that the steps of a path were made of.
func compound(steps []syntax.Expr) syntax.Expr {
	x := steps[0]
	for _, step := range steps[1:] {
		at := x.At()
		at.End = step.At().End
		if id, ok := step.(*syntax.Ident); ok {
			x = &syntax.Selector{Range: at, X: x, Name: &syntax.Name{Range: id.Range, Text: id.Name}}
		} else {
			x = &syntax.Index{Range: at, X: x, I: step}
		}
	}
	return x
}

// names adds an entry for a.b.c.
func (d *dict) names(e *syntax.Entry, steps []syntax.Expr) {
	if len(steps) == 1 {
		d.single(e, steps[0])
		return
	}
	d.named(e, steps[0], steps[0].(*syntax.Ident).Name, func() *typ {
		d.checker.push()
		defer d.checker.pop()
		inner := newDict(d.checker, 1)
		inner.names(e, steps[1:])
		return inner.typ()
	})
}

// single adds an entry for a plain key.
func (d *dict) single(e *syntax.Entry, key syntax.Expr) {
	value := func() *typ { return d.checker.inserted(e, d.checker.expr(e.Value)) }
	switch key := key.(type) {
	case *syntax.Ident:
		d.named(e, key, key.Name, value)
	case *syntax.String:
		d.named(e, key, key.Value, value)
	default:
		d.computed(e, key)
	}
}

// named adds an entry whose key is known, and holds it against what is
// expected there.
func (d *dict) named(e *syntax.Entry, key syntax.Expr, name string, value func() *typ) {
	c, at := d.checker, key.At()
	if top := c.top(); top != nil && name != "" {
		c.checkAttr(name, top, at)
	}
	t := c.within(name, func() *typ {
		before := len(c.faults)
		t := value()
		if want := c.top(); want != nil {
			c.assign(t, want, place{name, e.Value, at}, before)
		}
		return t
	})
	keyType := c.keyLit(name)
	if _, ident := key.(*syntax.Ident); ident && c.isLoopVar(name) {
		keyType = c.key(key)
	}
	c.checkKey(keyType, key)
	all := t
	if old := d.entries.get(name); old != nil {
		all = join(old.typ, t)
	}
	d.entries.set(name, widen(all), at)
	c.bind(name, all, at)
	d.put(keyType, t)
}

// keyLit returns the type of a key, the same one every time.
func (c *checker) keyLit(name string) *typ {
	t := c.keys[name]
	if t == nil {
		t = strLit(name)
		c.keys[name] = t
	}
	return t
}

// element adds an entry for a[0]. The reference holds the element against what
// is expected of the whole list.
func (d *dict) element(e *syntax.Entry, names []syntax.Expr) {
	c, depth := d.checker, len(d.checker.expected)
	for _, step := range names {
		name := step.(*syntax.Ident).Name
		if top := c.top(); top != nil {
			c.checkAttr(name, top, step.At())
		}
		c.expected = append(c.expected, c.expectedAt(name))
	}
	before := len(c.faults)
	t := c.inserted(e, c.expr(e.Value))
	whole := t
	for range len(names) - 1 {
		whole = dictOf(strType, whole)
	}
	last := names[len(names)-1].(*syntax.Ident)
	if want := c.top(); want != nil {
		c.assign(whole, want, place{last.Name, e.Value, last.Range}, before)
	}
	c.expected = c.expected[:depth]
	if e.Op != syntax.ADD_ASSIGN {
		t = listOf(t)
	}
	d.put(strType, t)
}

// computed adds an entry whose key is the value of an expression.
func (d *dict) computed(e *syntax.Entry, key syntax.Expr) {
	c := d.checker
	keyType := c.key(key)
	c.checkKey(keyType, key)
	value := func() *typ { return c.inserted(e, c.expr(e.Value)) }
	var t *typ
	if name, known := entryKey(key); known {
		t = c.within(name, value)
	} else {
		t = value()
	}
	d.put(keyType, t)
}

// key checks the expression of a key, of which nothing is expected.
func (c *checker) key(x syntax.Expr) *typ {
	c.expected = append(c.expected, nil)
	defer func() { c.expected = c.expected[:len(c.expected)-1] }()
	return c.expr(x)
}

func (c *checker) checkKey(t *typ, key syntax.Expr) {
	if !t.isAny() && !t.isKey() {
		c.report(diag.WrongType, key.At(), "a key must be a string, not %s", describe(t))
	}
}

// inserted checks a value that += inserts.
func (c *checker) inserted(e *syntax.Entry, t *typ) *typ {
	if e.Op == syntax.ADD_ASSIGN && t.kind != kindList && !t.isAny() {
		c.report(diag.Conflict, e.Value.At(), "only a list can be inserted with +=, not %s", describe(t))
	}
	return t
}

func (c *checker) ifEntry(x *syntax.IfConf) *typ {
	c.expr(x.Cond)
	t := c.entries(x.Then)
	if len(x.Else) == 0 {
		return t
	}
	return join(t, c.entries(x.Else))
}

// spread adds the entries of a value: of `**x`, or of an if-entry.
func (d *dict) spread(t *typ, at syntax.Range, before int) {
	c := d.checker
	if want := c.top(); want != nil && len(c.faults) == before {
		c.spreadInto(t, want, at, 0)
	}
	switch {
	case t.isAny() || t.kind == kindNone:
		d.values = append(d.values, t)
	case t.kind == kindDict:
		d.put(t.key, t.elem)
		for _, f := range t.entries.all() {
			d.entries.set(f.name, f.typ, f.at)
		}
	case t.kind == kindSchema:
		d.put(t.keyType(), t.valueType())
		for _, name := range t.schema.order {
			d.entries.set(name, t.schema.attrs[name].typ, t.schema.attrs[name].at)
		}
	case t.kind == kindUnion && t.all((*typ).isConfig):
		for _, u := range t.union.types {
			d.put(u.keyType(), u.valueType())
		}
	default:
		c.report(diag.WrongType, at, "only a dict or schema can be unpacked with **, not %s", describe(t))
	}
}

// maxSpread is how deep a value that is spread is looked into.
const maxSpread = 4

// spreadInto holds the entries of a value that is spread into a config against
// what is expected of that.
func (c *checker) spreadInto(t, want *typ, at syntax.Range, depth int) {
	if depth > maxSpread || t.kind == kindSchema && want.kind == kindSchema && t.schema == want.schema {
		return
	}
	check := func(name string, found *typ) {
		if name == "" {
			return
		}
		c.checkAttr(name, want, at)
		c.expected = append(c.expected, want)
		inner := c.expectedAt(name)
		c.expected = c.expected[:len(c.expected)-1]
		if inner != nil {
			c.assign(found, inner, place{name: name, line: at}, len(c.faults))
			c.spreadInto(found, inner, at, depth+1)
		}
	}
	switch t.kind {
	case kindDict:
		for _, f := range t.entries.all() {
			check(f.name, f.typ)
		}
	case kindSchema:
		for _, name := range t.schema.order {
			check(name, t.schema.attrs[name].typ)
		}
	}
}

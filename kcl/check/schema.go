package check

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/builtin"
	"github.com/berth-oci/berth/kcl/syntax"
)

// schema is a schema, mixin, protocol or rule.
type schema struct {
	name      string
	kind      syntax.Kind // SCHEMA, MIXIN, PROTOCOL or RULE, by its name too
	def       *syntax.Schema
	base      *schema
	named     *schema // the parent as it is written, which may lead back to s
	protocol  *schema
	mixins    []*schema
	attrs     map[string]*attr // own ones and those of mixins
	order     []string
	fn        *function
	index     *signature
	typ, inst *typ // the schema as a value, and an instance
	parents   int  // that it has in all
	unclear   bool // defined twice, or with too many parents: not all is known of it
	state     state
}

type state uint8

const (
	building state = iota + 1
	built
)

// attr is an attribute that a schema declares.
type attr struct {
	typ      *typ
	optional bool
	value    bool // has a default
	at       syntax.Range
}

// signature is an index signature.
type signature struct {
	key, value *typ
	open       bool
}

func (s *schema) is(kind syntax.Kind) bool { return s.kind == kind }

// kindOf returns what a definition defines: a schema whose name says so is a
// mixin or a protocol.
func kindOf(def *syntax.Schema) syntax.Kind {
	switch {
	case def.Kind != syntax.SCHEMA:
	case strings.HasSuffix(def.Name.Text, "Mixin"):
		return syntax.MIXIN
	case strings.HasSuffix(def.Name.Text, "Protocol"):
		return syntax.PROTOCOL
	}
	return def.Kind
}

// isA reports whether s is other or inherits from it.
func (s *schema) isA(other *schema) bool {
	for ; s != nil; s = s.base {
		if s == other {
			return true
		}
	}
	return false
}

// attr finds an attribute, of s itself, of its parent, or of its protocol.
func (s *schema) attr(name string) *attr {
	for s != nil {
		if a := s.attrs[name]; a != nil {
			return a
		}
		if s.base != nil {
			s = s.base
		} else {
			s = s.protocol
		}
	}
	return nil
}

// vague reports whether not all is known of what the schema has.
func (s *schema) vague() bool {
	for ; s != nil; s = s.base {
		if s.unclear {
			return true
		}
	}
	return false
}

// names returns the names of all attributes.
func (s *schema) names() []string {
	var names []string
	for ; s != nil; s = s.base {
		names = append(names, s.order...)
	}
	return names
}

func (s *schema) add(name string, a *attr) {
	s.attrs[name] = a
	s.order = append(s.order, name)
}

// schemaBody is a schema while its body is being checked: statements in it add
// attributes that only the rest of the body can see.
type schemaBody struct {
	schema *schema
	own    map[string]*typ
}

func (b *schemaBody) attrType(name string) *typ {
	if t, ok := b.own[name]; ok {
		return t
	}
	if a := b.schema.attr(name); a != nil {
		return a.typ
	}
	return nil
}

// declareSchemas binds the schemas of the package, which may use each other in
// any order.
func (c *checker) declareSchemas() {
	for _, f := range c.pkg.source.Files {
		for _, stmt := range f.Body {
			def, ok := stmt.(*syntax.Schema)
			if !ok || def.Name == nil || def.Name.Text == "" {
				continue
			}
			name := def.Name.Text
			if old := c.scope.names.get(name); old != nil {
				c.report(diag.Immutable, def.Name.Range, "%s is defined twice", name)
				if old.typ.kind == kindSchema {
					old.typ.schema.unclear = true
				}
				continue
			}
			s := &schema{name: name, kind: kindOf(def), def: def, attrs: map[string]*attr{}, fn: &function{}}
			s.typ = &typ{kind: kindSchema, schema: s}
			s.inst = &typ{kind: kindSchema, schema: s, instance: true}
			c.pkg.schemas = append(c.pkg.schemas, s)
			c.bind(name, s.typ, def.Name.Range)
		}
	}
}

// build finds out what a schema inherits and declares, its parent first.
func (c *checker) build(s *schema) {
	if s.state != 0 || !c.enter() {
		return
	}
	defer c.leave()
	s.state = building
	c.checkHead(s)
	c.inherit(s)
	if s.def.Index != nil && !s.is(syntax.RULE) {
		c.buildIndex(s)
	} else if s.is(syntax.RULE) && s.protocol != nil {
		s.index = s.protocol.index
	}
	for _, stmt := range s.def.Body {
		if !s.is(syntax.RULE) {
			c.buildAttr(s, stmt)
		}
	}
	for _, x := range s.def.Mixins {
		if s.is(syntax.RULE) {
			c.inheritRule(x)
		} else {
			c.buildMixin(s, x)
		}
	}
	s.fn.params, s.fn.result = c.params(s.def.Params, false), s.inst
	if !s.is(syntax.RULE) {
		names := map[string]bool{}
		for _, name := range assigned(s.def.Body, nil) {
			names[name.Text] = true
		}
		for _, p := range s.def.Params {
			if p != nil && p.Name != nil && names[p.Name.Text] {
				c.report(diag.Conflict, p.Name.Range, "parameter %s has the name of an attribute", p.Name.Text)
			}
		}
	}
	c.decorators(s.def.Decorators)
	s.state = built
}

// checkHead holds the name of a schema against the rules for its kind.
func (c *checker) checkHead(s *schema) {
	at := s.def.Name.Range
	if reserved[s.name] {
		c.report(diag.Immutable, at, "%s is a type of the language: choose another name", s.name)
	}
	if !s.is(syntax.PROTOCOL) {
		return
	}
	if !strings.HasSuffix(s.name, "Protocol") {
		c.report(diag.WrongType, at, "the name of a protocol must end in Protocol").WithHint("call it %sProtocol", s.name)
	}
	attrs := len(s.def.Params) == 0 && len(s.def.Mixins) == 0 && len(s.def.Checks) == 0
	for _, stmt := range s.def.Body {
		attrs = attrs && isAttr(stmt)
	}
	if !attrs {
		c.report(diag.WrongType, at, "protocol %s may declare attributes only", s.name)
	}
}

// isAttr reports whether a statement declares an attribute. For the reference
// a: S {...} is a statement of another kind.
func isAttr(stmt syntax.Stmt) bool {
	a, ok := stmt.(*syntax.Attr)
	return ok && (a.Op != syntax.COLON || a.Value == nil)
}

// inherit finds the parent and the protocol.
func (c *checker) inherit(s *schema) {
	if s.def.Base != nil {
		t := c.resolvePath(path(s.def.Base))
		switch {
		case t.kind == kindSchema && !t.instance && !t.schema.is(syntax.PROTOCOL) && !t.schema.is(syntax.MIXIN):
			c.inheritBase(s, t.schema)
		case t.kind == kindSchema && t.schema.is(syntax.MIXIN) && !t.instance:
			c.report(diag.WrongType, s.def.Base.At(), "the parent of a schema must be a schema, not a mixin").
				WithHint("write mixin [%s] in the body", t.schema.name)
		default:
			c.unlessUnknown(t, s.def.Base, "the parent of a schema must be a schema")
		}
	}
	if s.def.For == nil {
		return
	}
	if !s.is(syntax.MIXIN) && !s.is(syntax.RULE) {
		c.report(diag.WrongType, s.def.For.At(), "only a mixin can be for a protocol")
		return
	}
	t := c.resolvePath(path(s.def.For))
	if t.kind == kindSchema && !t.instance && t.schema.is(syntax.PROTOCOL) {
		c.build(t.schema)
		s.protocol = t.schema
		return
	}
	c.unlessUnknown(t, s.def.For, "what a mixin is for must be a protocol")
}

// unlessUnknown reports a name that is of the wrong kind. Of one that nothing
// defines, more need not be said.
func (c *checker) unlessUnknown(t *typ, x syntax.Expr, message string) {
	if t.isAny() && c.seen[fault{code: diag.UnknownName, at: firstName(x)}] {
		return
	}
	c.report(diag.WrongType, x.At(), "%s", message)
}

func firstName(x syntax.Expr) syntax.Range {
	if names := path(x); names != nil {
		return names[0].Range
	}
	return x.At()
}

// inheritBase makes base the parent of s, unless it inherits from s: that is
// reported when all schemas are built.
func (c *checker) inheritBase(s, base *schema) {
	c.build(base)
	s.named = base
	switch {
	case base.state != built:
	case base.parents == maxParents:
		c.report(diag.LimitExceeded, s.def.Base.At(), "schema %s has too many parents, one above the other (limit %d)", s.name, maxParents)
		s.unclear = true
	default:
		s.base, s.parents = base, base.parents+1
	}
}

// maxParents bounds a chain of schemas that inherit from each other, which is
// followed for each attribute.
const maxParents = 1000

// cycles reports the schemas that inherit from themselves by way of others.
func (c *checker) cycles() {
	seen := map[*schema]int{}
	for i, first := range c.pkg.schemas {
		s := first
		for s != nil && seen[s] == 0 {
			seen[s] = i + 1
			s = s.named
		}
		if s == nil || seen[s] != i+1 || s.named == s { // the reference accepts a schema that is its own parent
			continue
		}
		for member := s; ; member = member.named {
			c.report(diag.Cycle, member.def.Base.At(), "schema %s inherits from itself", member.name)
			member.base = nil
			if member.named == s {
				break
			}
		}
	}
}

func (c *checker) buildIndex(s *schema) {
	sig := s.def.Index
	if sig.Name != nil {
		for _, name := range assigned(s.def.Body, nil) {
			if name.Text == sig.Name.Text {
				c.report(diag.Conflict, sig.Name.Range, "the key of the index signature has the name of attribute %s", name.Text)
				break
			}
		}
	}
	s.index = &signature{key: c.typeOf(sig.Key), value: c.typeOf(sig.Value), open: sig.Open}
	if !s.index.key.isKey() {
		at := onLine(sig, s.def.Name.Range)
		if sig.Key != nil && at == sig.Range {
			at = sig.Key.At()
		}
		c.report(diag.WrongType, at, "the key of an index signature must be str, not %s", s.index.key)
	}
}

// buildAttr adds an attribute and holds it against one of the same name that
// was there before, and against the index signature.
func (c *checker) buildAttr(s *schema, stmt syntax.Stmt) {
	decl, ok := stmt.(*syntax.Attr)
	if !ok || decl.Name == nil {
		return
	}
	t, name := c.typeOf(decl.Type), decl.Name.Text
	c.decorators(decl.Decorators)
	var inherited *attr
	if s.base != nil {
		inherited = s.base.attr(name)
	}
	if s.attrs[name] == nil {
		_, only := decl.Type.(*syntax.LiteralType) // its one value is the default
		a := &attr{typ: t, optional: decl.Optional, value: decl.Value != nil || only, at: decl.Name.Range}
		if inherited != nil {
			a.optional = inherited.optional
		}
		s.add(name, a)
	}
	own := s.attrs[name]
	at := syntax.Range(decl.Name.Range)
	if decl.Type != nil {
		at = onLine(decl.Type, at)
	}
	switch {
	case !narrows(t, own.typ):
		c.report(diag.WrongType, at, "attribute %s cannot become %s: it is %s", name, t, own.typ)
	case inherited != nil && !narrows(t, inherited.typ):
		d := c.report(diag.WrongType, at, "attribute %s cannot become %s: it is %s", name, t, inherited.typ)
		d.Related = []diag.Related{{Span: inherited.at.Span(), Message: "declared here"}}
	}
	if decl.Optional && !own.optional {
		c.report(diag.Conflict, decl.Name.Range, "attribute %s is required and cannot become optional", name)
	}
	if s.index != nil && !s.index.open && !narrows(t, s.index.value) {
		c.report(diag.Conflict, at, "attribute %s is %s, but the index signature says %s", name, t, s.index.value).
			WithHint("write [...%s]: %s for the other attributes", s.index.key, s.index.value)
	}
}

func (c *checker) buildMixin(s *schema, x syntax.Expr) {
	names := path(x)
	if names == nil {
		c.report(diag.WrongType, x.At(), "a mixin must be named")
		return
	}
	last := names[len(names)-1]
	if !strings.HasSuffix(last.Text, "Mixin") {
		c.report(diag.WrongType, last.Range, "the name of a mixin must end in Mixin")
	}
	t := c.resolvePath(names)
	if t.kind != kindSchema || t.instance || !t.schema.is(syntax.MIXIN) {
		c.unlessUnknown(t, x, "a mixin must be a schema that is defined with mixin")
		return
	}
	c.build(t.schema)
	for _, name := range t.schema.order {
		if s.attrs[name] == nil {
			s.add(name, t.schema.attrs[name])
		}
	}
	s.mixins = append(s.mixins, t.schema)
}

// inheritRule checks a parent of a rule.
func (c *checker) inheritRule(x syntax.Expr) {
	t := c.resolvePath(path(x))
	if t.kind != kindSchema || t.instance || !t.schema.is(syntax.RULE) {
		c.unlessUnknown(t, x, "the parent of a rule must be a rule")
	}
}

// decorators checks the decorators of a schema or an attribute.
func (c *checker) decorators(list []*syntax.Call) {
	for _, call := range list {
		if call == nil {
			continue
		}
		id, ok := call.Fun.(*syntax.Ident)
		if !ok {
			c.report(diag.WrongType, call.Range, "a decorator must be a single name")
			continue
		}
		m, ok := builtin.Find(builtin.Decorators(), id.Name)
		if !ok {
			c.suggest(c.report(diag.UnknownName, id.Range, "there is no decorator %s", id.Name), id.Name, builtin.Names(builtin.Decorators()))
			continue
		}
		c.arguments("decorator "+id.Name, call.Fun, call.Args, call.Keywords, memberType(m).fn)
	}
}

// assigned returns the names that the statements of a schema body set.
func assigned(list []syntax.Stmt, names []*syntax.Name) []*syntax.Name {
	add := func(name *syntax.Name) {
		if name != nil {
			names = append(names, name)
		}
	}
	for _, stmt := range list {
		switch stmt := stmt.(type) {
		case *syntax.Attr:
			add(stmt.Name)
		case *syntax.Unify:
			add(stmt.Target)
		case *syntax.Assign:
			for _, t := range stmt.Targets {
				if t != nil {
					add(t.Name)
				}
			}
		case *syntax.AugAssign:
			if stmt.Target != nil {
				add(stmt.Target.Name)
			}
		case *syntax.If:
			names = assigned(stmt.Else, assigned(stmt.Then, names))
		}
	}
	return names
}

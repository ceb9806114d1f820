package check

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// top returns what the expression being checked is for, nil if nothing is
// known.
func (c *checker) top() *typ {
	if len(c.expected) == 0 {
		return nil
	}
	return c.expected[len(c.expected)-1]
}

// expectedAt finds what is expected under a key of what is expected now.
func (c *checker) expectedAt(key string) *typ {
	t := c.top()
	if t == nil || key == "" {
		return nil
	}
	switch t.kind {
	case kindList, kindDict:
		return t.elem
	case kindSchema:
		return t.schema.entry(key)
	case kindUnion:
		var types []*typ
		for _, u := range t.union.types {
			var found *typ
			switch u.kind {
			case kindSchema:
				found = u.schema.entry(key)
			case kindDict:
				found = u.elem
			}
			if found != nil {
				types = append(types, found)
			}
		}
		return join(types...)
	}
	return nil
}

// entry returns the type of an attribute, or the one that the index signature
// gives, or nil.
func (s *schema) entry(key string) *typ {
	if s.vague() {
		return nil
	}
	if a := s.attr(key); a != nil {
		return a.typ
	}
	if s.index != nil {
		return s.index.value
	}
	return nil
}

// checkAttr reports an attribute that a schema does not have.
func (c *checker) checkAttr(name string, t *typ, at syntax.Range) {
	switch t.kind {
	case kindSchema:
		s := t.schema
		if s.vague() {
			return
		}
		if s.attr(name) == nil && !s.is(syntax.MIXIN) && s.index == nil {
			c.noAttr(s.name, name, s.names(), at)
		} else if s.index != nil && !s.index.open && !s.index.admits(name) {
			c.noAttr(s.name, name, literals(s.index.key), at)
		}
	case kindUnion:
		var owners, names []string
		for _, u := range t.union.types {
			switch {
			case u.kind == kindDict:
				return
			case u.kind != kindSchema:
				continue
			case u.schema.vague() || u.schema.attr(name) != nil || u.schema.is(syntax.MIXIN) || u.schema.index != nil:
				return
			}
			owners, names = append(owners, u.schema.name), append(names, u.schema.names()...)
		}
		if len(owners) > 0 {
			c.noAttr(strings.Join(owners, " or "), name, names, at)
		}
	}
}

// admits reports whether a key is one of the literals of an index signature.
func (sig *signature) admits(name string) bool {
	switch sig.key.kind {
	case kindStrLit:
		return sig.key.text == name
	case kindUnion:
		for _, u := range sig.key.union.types {
			if u.kind == kindStrLit && u.text == name {
				return true
			}
		}
		return false
	}
	return true
}

func (c *checker) noAttr(owner, name string, names []string, at syntax.Range) {
	d := c.reportOnce(fault{diag.UnknownAttr, at, name}, "%s has no attribute %s", owner, name)
	if c.suggest(d, name, names) {
		return
	}
	if c.suggestions >= maxSuggestions {
		return
	}
	if other := c.attrOwner(name); other != "" && other != owner {
		d.Hint = name + " is an attribute of " + other
	} else if len(names) > 0 {
		if len(names) > maxNames {
			names = append(names[:maxNames:maxNames], "…")
		}
		d.Hint = "it has " + strings.Join(names, ", ")
	}
}

// attrOwner returns a schema of the prelude or of this package that declares
// an attribute.
func (c *checker) attrOwner(name string) string {
	for _, p := range []*pkg{c.prelude, c.pkg} {
		if p == nil {
			continue
		}
		for _, s := range p.schemas {
			if s.attrs[name] != nil {
				return s.name
			}
		}
	}
	return ""
}

// entryKey returns the key that an expression says is expected, and whether it
// is known. What an interpolated key leads to is known to be unknown.
func entryKey(key syntax.Expr) (string, bool) {
	switch key := key.(type) {
	case *syntax.Ident:
		return key.Name, true
	case *syntax.String:
		return key.Value, true
	case *syntax.Interpolation, *syntax.Bad:
		return "", true
	}
	return "", false
}

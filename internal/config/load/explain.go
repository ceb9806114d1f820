package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Origin tells where the value of one attribute came from. Its JSON form is
// stable.
type Origin struct {
	Path    string `json:"path"`
	Value   string `json:"value"`   // as KCL writes it
	Default bool   `json:"default"` // a schema gave it, not the config
	Schema  string `json:"schema,omitempty"`
	Place   string `json:"place"` // file:line:column
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`

	// From holds what the value is computed from, where it is no plain value.
	From []Reference `json:"from,omitempty"`
	// Overrides holds the places of values that gave way to this one when
	// configs were merged, the last one first.
	Overrides []string `json:"overrides,omitempty"`
}

// Reference is a value that another is computed from.
type Reference struct {
	Name  string `json:"name"`            // a path of the config, or a name of the program
	Place string `json:"place,omitempty"` // of a name of the program
}

// String returns the origin on one line.
func (o Origin) String() string {
	text := o.Place
	if o.Default {
		text = fmt.Sprintf("default, %s (%s)", o.Place, o.Schema)
	}
	for i, r := range o.From {
		if text += ", "; i == 0 {
			text += "from "
		}
		text += r.Name
		if r.Place != "" {
			text += " (" + r.Place + ")"
		}
	}
	if len(o.Overrides) > 0 {
		text += ", overrides " + strings.Join(o.Overrides, ", ")
	}
	return text
}

// Origins returns the origin of every value that is no block, in order. Values are
// those of Value.
func (c *Config) Origins() []Origin {
	x := &explainer{config: c, index: newIndex(c.program)}
	value := c.Value()
	x.walk("", value, &eval.Entry{Place: value.Place})
	return x.list
}

type explainer struct {
	config *Config
	index  *index
	list   []Origin
}

// walk visits a value with the entry that it came by.
func (x *explainer) walk(path string, v eval.Value, from *eval.Entry) {
	switch v := v.(type) {
	case *eval.Instance:
		for _, e := range v.Attrs.Entries() {
			entry := *e
			if given := v.Config.Get(e.Key); given != nil {
				entry.Overrides = given.Overrides
			}
			x.walk(join(path, e.Key), e.Value, &entry)
		}
		return
	case *eval.Dict:
		for _, e := range v.Entries() {
			x.walk(join(path, e.Key), e.Value, e)
		}
		if v.Len() > 0 {
			return
		}
	case *eval.List:
		for i, elem := range v.Elems {
			entry := *from
			if i < len(v.Places) {
				entry.Place = v.Places[i]
			}
			x.walk(fmt.Sprintf("%s[%d]", path, i), elem, &entry)
		}
		if len(v.Elems) > 0 {
			return
		}
	}
	if _, ok := eval.Plain(v); ok {
		x.list = append(x.list, x.origin(path, v, from))
	}
}

func (x *explainer) origin(path string, v eval.Value, e *eval.Entry) Origin {
	start := e.Place.Span().Start
	o := Origin{Path: path, Value: eval.KCL(v), Place: start.String(), File: start.File, Line: start.Line, Column: start.Column}
	if s := x.index.schemaAt(e.Place); s != nil {
		o.Default, o.Schema = true, s.Name.Text
	}
	for _, name := range references(x.index.exprs[e.Place]) {
		if r, ok := x.reference(path, name, e.Place); ok && !slices.Contains(o.From, r) {
			o.From = append(o.From, r)
		}
	}
	for _, at := range slices.Backward(e.Overrides) {
		o.Overrides = append(o.Overrides, at.Span().Start.String())
	}
	return o
}

// reference finds what a dotted name means in the value at a path: an attribute
// beside it, or what the package or an imported one defines.
func (x *explainer) reference(path, name string, at syntax.Range) (Reference, bool) {
	first, rest, _ := strings.Cut(name, ".")
	block := path[:max(strings.LastIndexByte(path, '.'), 0)]
	if _, ok := x.config.places[join(block, first)]; ok && join(block, name) != path {
		return Reference{Name: join(block, name)}, true
	}
	place, ok := x.index.definition(first, rest, at.Source)
	if !ok {
		return Reference{}, false
	}
	return Reference{Name: name, Place: place.Span().Start.String()}, true
}

// references returns the dotted names that an expression is computed from; none
// for a plain value.
func references(x syntax.Expr) []string {
	var names []string
	bound := map[string]bool{}
	syntax.Walk(x, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Quantifier:
			for _, v := range n.Vars {
				bound[v.Text] = true
			}
		case *syntax.ListComp:
			bind(bound, n.Fors)
		case *syntax.DictComp:
			bind(bound, n.Fors)
		case *syntax.Ident, *syntax.Selector:
			if name := dotted(n.(syntax.Expr)); name != "" {
				names = append(names, name)
				return false
			}
		}
		return true
	})
	return slices.DeleteFunc(names, func(name string) bool {
		first, _, _ := strings.Cut(name, ".")
		return bound[first]
	})
}

func bind(bound map[string]bool, fors []*syntax.For) {
	for _, f := range fors {
		for _, v := range f.Vars {
			bound[v.Text] = true
		}
	}
}

// dotted returns a name with its selectors, "" for any other expression.
func dotted(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Ident:
		return x.Name
	case *syntax.Selector:
		if name := dotted(x.X); name != "" {
			return name + "." + x.Name.Text
		}
	}
	return ""
}

// Span returns the place of the attribute at path, or of its nearest ancestor
// that the config gives.
func (c *Config) Span(path string) diag.Span {
	for {
		if p, ok := c.places[path]; ok && p.given {
			return p.value.Span()
		}
		if path == "" {
			return diag.Span{}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Given reports whether the config gives the attribute at path itself.
func (c *Config) Given(path string) bool { return c.places[path].given }

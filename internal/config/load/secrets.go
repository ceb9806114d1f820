package load

import (
	"slices"
	"strings"

	"github.com/berth-oci/berth/internal/base/redact"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/spec"
)

// Value returns the evaluated instance as it may be shown: what package spec has
// as a URL, and what by its name or form is a secret, stands there without it.
func (c *Config) Value() *eval.Instance { return c.shown(c.value).(*eval.Instance) }

// shown returns a value as it may be shown.
func (c *Config) shown(v eval.Value) eval.Value {
	secrets := c.secrets()
	return eval.ReplaceStrings(v, func(name, text string) string {
		return redact.Without(spec.Shown(name, text), secrets)
	})
}

// secretsOf collects what is secret in the files of a config, and in its value
// where it has one, so that neither a message nor the frame of another line shows
// it: a URL may be put together of what is written elsewhere.
func (c *Config) secretsOf() []string {
	s := &secretFinder{urls: spec.URLs()}
	for _, f := range c.files {
		syntax.Walk(f, s.visit)
	}
	if c.value != nil {
		eval.ReplaceStrings(c.value, func(name, text string) string {
			s.add(name, text)
			return text
		})
	}
	slices.Sort(s.found)
	return slices.Compact(s.found)
}

type secretFinder struct {
	urls  []string // names of attributes
	found []string
}

// add takes what is secret of the text that something of the name holds, unless it
// is a word that may stand elsewhere for itself: at its own name it is hidden anyway.
func (s *secretFinder) add(name, text string) {
	switch {
	case redact.Name(name):
		if redact.Telling(text) {
			s.found = append(s.found, text)
		}
	case slices.Contains(s.urls, name):
		s.found = append(s.found, redact.Parts(text)...)
	}
}

// visit looks at what a node of a program gives names to.
func (s *secretFinder) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Config:
		s.entries(n.Entries)
	case *syntax.Assign:
		for _, t := range n.Targets {
			s.named(t.Name.Text, n.Value)
		}
	case *syntax.Attr:
		s.named(n.Name.Text, n.Value)
	}
	return true
}

func (s *secretFinder) entries(entries []*syntax.Entry) {
	for _, e := range entries {
		if e.If != nil {
			s.entries(e.If.Then)
			s.entries(e.If.Else)
			continue
		}
		key := e.Key
		for _, step := range e.Path { // the last name; an index says nothing
			if _, ok := step.(*syntax.Number); !ok {
				key = step
			}
		}
		switch key := key.(type) {
		case *syntax.Ident:
			s.named(key.Name, e.Value)
		case *syntax.String:
			s.named(key.Value[strings.LastIndexByte(key.Value, '.')+1:], e.Value)
		}
	}
}

// named adds the texts of what is given to a name.
func (s *secretFinder) named(name string, x syntax.Expr) {
	if x == nil || !redact.Name(name) && !slices.Contains(s.urls, name) {
		return
	}
	syntax.Walk(x, func(n syntax.Node) bool {
		if text, ok := n.(*syntax.String); ok {
			s.add(name, text.Value)
		}
		return true
	})
}

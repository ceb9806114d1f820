package eval

import (
	"github.com/berth-oci/berth/kcl/syntax"
)

// unifications joins the statements `name: Schema {...}` of the main package
// that have the same name, and an assignment `name = Schema {...}` before
// them, into the last of them: its config gets the entries of all. So one
// instance is made of all statements, and each attribute sees what any of them
// gives.
type unifications struct {
	last   map[string]syntax.Stmt          // the statement that stands for all of a name
	merged map[syntax.Stmt][]*syntax.Entry // its entries
	gone   map[syntax.Stmt]bool            // the others
}

func newUnifications(files []*syntax.File) *unifications {
	u := &unifications{last: map[string]syntax.Stmt{}, merged: map[syntax.Stmt][]*syntax.Entry{}, gone: map[syntax.Stmt]bool{}}
	for _, f := range files {
		for _, stmt := range f.Body {
			switch stmt := stmt.(type) {
			case *syntax.Unify:
				u.add(stmt.Target.Text, stmt, stmt.Value.Config)
			case *syntax.Assign:
				if x, ok := stmt.Value.(*syntax.SchemaExpr); ok {
					u.assign(stmt, x)
				}
			}
		}
	}
	return u
}

// assign notes an assignment that later statements may be joined with. One to
// a hidden name starts anew; a second one to any other name is a fault.
func (u *unifications) assign(stmt *syntax.Assign, x *syntax.SchemaExpr) {
	for _, target := range stmt.Targets {
		name := target.Name.Text
		if _, again := u.last[name]; len(target.Path) > 0 || again && name[0] != '_' {
			continue
		}
		delete(u.last, name)
		u.add(name, stmt, x.Config)
	}
}

func (u *unifications) add(name string, stmt syntax.Stmt, config *syntax.Config) {
	before, ok := u.last[name]
	u.last[name] = stmt
	if config == nil {
		return
	}
	u.merged[stmt] = config.Entries
	if ok {
		u.gone[before] = true
		u.merged[stmt] = joinEntries(append(append([]*syntax.Entry(nil), u.merged[before]...), config.Entries...))
	}
}

// joinEntries groups entries by key, in the order of their first ones. An
// entry that overrides drops those of its key before it.
func joinEntries(entries []*syntax.Entry) []*syntax.Entry {
	groups := map[string][]*syntax.Entry{}
	var order []string
	for _, e := range entries {
		key := entryKey(e)
		if _, ok := groups[key]; !ok {
			order = append(order, key)
		} else if e.Op == syntax.ASSIGN && e.Path == nil && e.Star == nil && e.If == nil {
			groups[key] = nil
		}
		groups[key] = append(groups[key], e)
	}
	joined := make([]*syntax.Entry, 0, len(entries))
	for _, key := range order {
		joined = append(joined, groups[key]...)
	}
	return joined
}

// entryKey returns the name that an entry is for; entries without a fixed name
// have one in common.
func entryKey(e *syntax.Entry) string {
	key := e.Key
	if len(e.Path) > 0 {
		key = e.Path[0]
	}
	switch key := key.(type) {
	case *syntax.Ident:
		return key.Name
	case *syntax.String:
		return key.Value
	}
	return ""
}

// apply returns what a statement of the main package is replaced with, nil for
// one that was joined into another.
func (u *unifications) apply(stmt syntax.Stmt) syntax.Stmt {
	if u.gone[stmt] {
		return nil
	}
	entries, ok := u.merged[stmt]
	if !ok {
		return stmt
	}
	switch stmt := stmt.(type) {
	case *syntax.Unify:
		if stmt.Value.Config != nil && len(entries) != len(stmt.Value.Config.Entries) {
			joined := *stmt
			joined.Value = withEntries(stmt.Value, entries)
			return &joined
		}
	case *syntax.Assign:
		x := stmt.Value.(*syntax.SchemaExpr)
		if len(entries) != len(x.Config.Entries) {
			joined := *stmt
			joined.Value = withEntries(x, entries)
			return &joined
		}
	}
	return stmt
}

func withEntries(x *syntax.SchemaExpr, entries []*syntax.Entry) *syntax.SchemaExpr {
	joined, config := *x, *x.Config
	config.Entries = entries
	joined.Config = &config
	return &joined
}

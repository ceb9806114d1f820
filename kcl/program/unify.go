package program

import (
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// unified joins the statements `name: Schema {...}` of a package that have the
// same name, and an assignment `name = Schema {...}` before them, into the last
// of them: its config gets the entries of all. So one instance is made of all
// statements, and each attribute sees what any of them gives. The result holds
// the value of each last one, and nil for those that were joined into it.
func unified(files []*syntax.File) map[syntax.Stmt]*syntax.SchemaExpr {
	groups := map[string][]syntax.Stmt{}
	values := map[syntax.Stmt]*syntax.SchemaExpr{}
	for _, f := range files {
		for _, stmt := range f.Body {
			switch stmt := stmt.(type) {
			case *syntax.Unify:
				if stmt.Target == nil || stmt.Value == nil { // not whole
					continue
				}
				name := stmt.Target.Text
				groups[name] = append(groups[name], stmt)
				values[stmt] = stmt.Value
			case *syntax.Assign:
				x, ok := stmt.Value.(*syntax.SchemaExpr)
				if !ok || len(stmt.Targets) != 1 || stmt.Targets[0] == nil || stmt.Targets[0].Name == nil || len(stmt.Targets[0].Path) > 0 {
					continue
				}
				// One to a hidden name starts anew; a second one to any other
				// name is a fault, and left to be found.
				if name := stmt.Targets[0].Name.Text; groups[name] == nil || strings.HasPrefix(name, "_") {
					groups[name] = []syntax.Stmt{stmt}
					values[stmt] = x
				}
			}
		}
	}
	joined := map[syntax.Stmt]*syntax.SchemaExpr{}
	for _, group := range groups {
		if len(group) < 2 {
			continue
		}
		var entries []*syntax.Entry
		for _, stmt := range group {
			joined[stmt] = nil
			if config := values[stmt].Config; config != nil {
				entries = append(entries, config.Entries...)
			}
		}
		last := group[len(group)-1]
		value := *values[last]
		value.Config = &syntax.Config{Range: value.Range, Entries: joinEntries(entries)}
		joined[last] = &value
	}
	return joined
}

// joinEntries groups entries by key, in the order of their first ones. An
// entry that overrides drops those of its key before it.
func joinEntries(entries []*syntax.Entry) []*syntax.Entry {
	groups := map[string][]*syntax.Entry{}
	var order []string
	for _, e := range entries {
		if e == nil {
			continue
		}
		key := entryKey(e)
		if _, ok := groups[key]; !ok {
			order = append(order, key)
		} else if e.Op == syntax.ASSIGN && e.Path == nil {
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

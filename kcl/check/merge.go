package check

import (
	"slices"

	"github.com/berth-oci/berth/kcl/syntax"
)

// merge finds the names of the main package that several statements give configs of
// schemas, as in
//
//	a: S {x = 1}
//	a: S {y = 2}
//
// They mean one statement, the last, with all the entries; but an entry with =
// makes those for the same key before it void. The result has the value of the
// last one and nil for the others.
func merge(files []*syntax.File) map[syntax.Stmt]*syntax.SchemaExpr {
	groups := map[string][]syntax.Stmt{}
	values := map[syntax.Stmt]*syntax.SchemaExpr{}
	for _, f := range files {
		for _, stmt := range f.Body {
			switch stmt := stmt.(type) {
			case *syntax.Unify:
				if stmt.Target != nil && stmt.Value != nil {
					groups[stmt.Target.Text] = append(groups[stmt.Target.Text], stmt)
					values[stmt] = stmt.Value
				}
			case *syntax.Assign:
				x, ok := stmt.Value.(*syntax.SchemaExpr)
				if !ok || len(stmt.Targets) != 1 || stmt.Targets[0] == nil || stmt.Targets[0].Name == nil || len(stmt.Targets[0].Path) > 0 {
					continue
				}
				if name := stmt.Targets[0].Name.Text; groups[name] == nil || hidden(name) {
					groups[name] = []syntax.Stmt{stmt}
					values[stmt] = x
				}
			}
		}
	}
	var merged map[syntax.Stmt]*syntax.SchemaExpr
	for _, group := range groups {
		if len(group) < 2 {
			continue
		}
		if merged == nil {
			merged = map[syntax.Stmt]*syntax.SchemaExpr{}
		}
		var all []*syntax.Entry
		for _, stmt := range group {
			merged[stmt] = nil
			if values[stmt].Config != nil {
				all = append(all, values[stmt].Config.Entries...)
			}
		}
		last := *values[group[len(group)-1]]
		last.Config = &syntax.Config{Range: last.Range, Entries: effective(all)}
		merged[group[len(group)-1]] = &last
	}
	return merged
}

// effective returns the entries without those that a later = makes void.
func effective(list []*syntax.Entry) []*syntax.Entry {
	var order []string
	byKey := map[string][]*syntax.Entry{}
	for _, e := range list {
		if e == nil {
			continue
		}
		key := mergeKey(e)
		if byKey[key] == nil {
			order = append(order, key)
		}
		if e.Op == syntax.ASSIGN && len(e.Path) == 0 {
			byKey[key] = nil
		}
		byKey[key] = append(byKey[key], e)
	}
	var kept []*syntax.Entry
	for _, key := range order {
		kept = append(kept, byKey[key]...)
	}
	return slices.Clip(kept)
}

// mergeKey is what entries for the same key have in common; those without a
// constant key are all taken for one.
func mergeKey(e *syntax.Entry) string {
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
	return "$"
}

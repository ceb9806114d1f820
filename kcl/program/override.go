package program

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// override is a change to the configs of a main package before it is evaluated.
type override struct {
	path  []string    // the name of a global, then keys
	op    syntax.Kind // ASSIGN, COLON or ADD_ASSIGN; 0 removes
	value syntax.Expr // nil to remove
}

// parseOverride reads PATH=VALUE, PATH:VALUE, PATH+=VALUE or PATH-. The source
// is that of the value; nil without one.
func parseOverride(text string) (*override, *syntax.Source, diag.List) {
	bad := func(why string) (*override, *syntax.Source, diag.List) {
		return nil, nil, diag.List{diag.Errorf(diag.Usage, "override %s: %s", text, why).
			WithHint("write PATH=VALUE, PATH:VALUE, PATH+=VALUE or PATH-, as in app.image=\"nginx\"")}
	}
	path, value, op := splitOverride(text)
	if path = strings.TrimSpace(path); path == "" || op != 0 && value == "" {
		return bad("a path and a value are needed")
	}
	steps, why := splitPath(path)
	if why != "" {
		return bad(why)
	}
	if op == 0 {
		return &override{path: steps}, nil, nil
	}
	src := syntax.NewSource("override "+path, value)
	x, faults := syntax.ParseExpr(src)
	if faults.Err() != nil {
		for _, d := range faults {
			d.Hint = cmp.Or(d.Hint, "put a text in quotes, and those in quotes for the shell")
		}
		return nil, src, faults
	}
	switch x.(type) {
	case *syntax.Unary, *syntax.Binary: // a text, as the reference runtime has it
		x = &syntax.String{Range: x.At(), Value: value}
	}
	return &override{path: steps, op: op, value: x}, src, nil
}

// splitOverride finds the operator, outside of brackets and quotes; 0 for the
// one that removes.
func splitOverride(text string) (path, value string, op syntax.Kind) {
	depth, quote := 0, rune(0)
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case depth != 0:
		case c == '=':
			return text[:i], strings.TrimSpace(text[i+1:]), syntax.ASSIGN
		case c == ':':
			return text[:i], strings.TrimSpace(text[i+1:]), syntax.COLON
		case strings.HasPrefix(text[i:], "+="):
			return text[:i], strings.TrimSpace(text[i+2:]), syntax.ADD_ASSIGN
		}
	}
	path, ok := strings.CutSuffix(text, "-")
	if !ok {
		return "", "", 0
	}
	return path, "", 0
}

// splitPath returns the steps of a.b["c"].d, or what is wrong with it.
func splitPath(path string) (steps []string, why string) {
	for path != "" {
		if rest, ok := strings.CutPrefix(path, "["); ok {
			if rest == "" || rest[0] != '"' && rest[0] != '\'' {
				return nil, "what stands in [ ] must be a key in quotes"
			}
			key, after, ok := strings.Cut(rest[1:], rest[:1]+"]")
			if !ok {
				return nil, "a bracket is not closed"
			}
			steps, path = append(steps, key), after
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if end > 0 {
			steps = append(steps, path[:end])
		}
		path = strings.TrimPrefix(path[end:], ".")
	}
	if len(steps) == 0 {
		return nil, "the path names nothing"
	}
	return steps, ""
}

// apply changes the file that sets the global; the last one gets a statement
// of its own where none does.
func (o *override) apply(files []*syntax.File) *diag.Diagnostic {
	for _, f := range files {
		if d := o.refuse(f); d != nil {
			return d
		}
		if o.applyTo(f) {
			return nil
		}
	}
	if o.op != 0 && len(files) > 0 {
		o.add(files[len(files)-1])
	}
	return nil
}

// refuse reports a statement that gives one config to several names.
func (o *override) refuse(f *syntax.File) *diag.Diagnostic {
	for _, stmt := range f.Body {
		if stmt, ok := stmt.(*syntax.Assign); ok && len(stmt.Targets) > 1 && o.sets(stmt) {
			return diag.Errorf(diag.Unsupported, "an override of %s would change all that this statement sets", o.path[0]).
				At(stmt.Span()).WithHint("give %s a statement of its own", o.path[0])
		}
	}
	return nil
}

// add sets the global in a statement of its own.
func (o *override) add(f *syntax.File) {
	at, value := o.value.At(), o.value
	global := &syntax.Name{Range: at, Text: o.path[0]}
	if len(o.path) > 1 {
		value = &syntax.Config{Range: at, Entries: []*syntax.Entry{o.entry(o.path[1:])}}
	}
	target := &syntax.Target{Range: at, Name: global}
	x, isSchema := value.(*syntax.SchemaExpr)
	switch {
	case o.op == syntax.ADD_ASSIGN:
		f.Body = append(f.Body, &syntax.AugAssign{Range: at, Target: target, Op: syntax.ADD, Value: value})
	case o.op == syntax.COLON && isSchema:
		f.Body = append(f.Body, &syntax.Unify{Range: at, Target: global, Value: x})
	default:
		f.Body = append(f.Body, &syntax.Assign{Range: at, Targets: []*syntax.Target{target}, Value: value})
	}
}

// applyTo changes the statements of a file that set the global as a whole;
// those in an if do not count. It reports whether there is one.
func (o *override) applyTo(f *syntax.File) bool {
	if len(o.path) == 1 && o.op == 0 {
		before := len(f.Body)
		f.Body = slices.DeleteFunc(f.Body, func(stmt syntax.Stmt) bool { return o.sets(stmt) })
		return len(f.Body) < before
	}
	done := false
	for _, stmt := range f.Body {
		if !o.sets(stmt) || done && len(o.path) > 1 {
			continue
		}
		switch stmt := stmt.(type) {
		case *syntax.Assign:
			done = o.change(&stmt.Value, len(o.path) == 1) || done
		case *syntax.AugAssign:
			done = len(o.path) == 1 && o.change(&stmt.Value, true) || done
		case *syntax.Unify:
			value := syntax.Expr(stmt.Value)
			if o.change(&value, len(o.path) == 1) {
				if x, ok := value.(*syntax.SchemaExpr); ok {
					stmt.Value, done = x, true
				}
			}
		}
	}
	return done
}

// sets reports whether a statement sets the global.
func (o *override) sets(stmt syntax.Stmt) bool {
	targets := []*syntax.Target(nil)
	switch stmt := stmt.(type) {
	case *syntax.Assign:
		targets = stmt.Targets
	case *syntax.AugAssign:
		targets = []*syntax.Target{stmt.Target}
	case *syntax.Unify:
		return stmt.Target.Text == o.path[0]
	}
	return slices.ContainsFunc(targets, func(t *syntax.Target) bool { return len(t.Path) == 0 && t.Name.Text == o.path[0] })
}

// change changes the value of the global, or what the rest of the path leads
// to in it.
func (o *override) change(value *syntax.Expr, whole bool) bool {
	if whole {
		return o.set(value)
	}
	config := configOf(*value)
	return config != nil && o.changeIn(config, o.path[1:])
}

// changeIn changes the entries that a path leads to in a config, or adds one.
func (o *override) changeIn(config *syntax.Config, path []string) bool {
	changed := false
	config.Entries = slices.DeleteFunc(config.Entries, func(e *syntax.Entry) bool {
		nest(e)
		if name, ok := keyOf(e); !ok || name != path[0] {
			return false
		}
		if len(path) > 1 {
			inner := configOf(e.Value)
			changed = inner != nil && o.changeIn(inner, path[1:]) || changed
			return false
		}
		changed = o.op == 0 || o.set(&e.Value) || changed
		return o.op == 0
	})
	if !changed && o.op != 0 {
		config.Entries = append(config.Entries, o.entry(path))
		changed = true
	}
	return changed
}

// nest turns an entry a.b = x into a: {b = x}.
func nest(e *syntax.Entry) {
	if len(e.Path) < 2 {
		return
	}
	if _, ok := name(e.Path[1]); !ok { // an index
		return
	}
	inner := &syntax.Entry{Range: e.Range, Path: e.Path[1:], Op: e.Op, Value: e.Value}
	if len(inner.Path) == 1 {
		inner.Key, inner.Path = inner.Path[0], nil
	}
	e.Key, e.Path, e.Op = e.Path[0], nil, syntax.COLON
	e.Value = &syntax.Config{Range: e.Value.At(), Entries: []*syntax.Entry{inner}}
}

// keyOf returns the key of an entry that has one which is not computed.
func keyOf(e *syntax.Entry) (string, bool) {
	if e.Key == nil {
		return "", false
	}
	return name(e.Key)
}

// name returns the text of a step that is a name or a string.
func name(step syntax.Expr) (string, bool) {
	switch step := step.(type) {
	case *syntax.Ident:
		return step.Name, true
	case *syntax.String:
		return step.Value, true
	}
	return "", false
}

// set replaces a value, adds to a list, or joins configs.
func (o *override) set(value *syntax.Expr) bool {
	switch o.op {
	case syntax.ADD_ASSIGN:
		list, ok := (*value).(*syntax.List)
		more, isList := o.value.(*syntax.List)
		if !ok || !isList {
			return false
		}
		list.Elems = append(list.Elems, more.Elems...)
		return true
	case syntax.COLON:
		if more := configOf(o.value); more != nil {
			config := configOf(*value)
			if config == nil {
				return false
			}
			for _, e := range more.Entries {
				o.join(config, e)
			}
			return true
		}
	}
	*value = o.value
	return true
}

// join adds an entry to a config: its value takes the place of one of the same
// key, unless both are configs to be joined.
func (o *override) join(config *syntax.Config, e *syntax.Entry) {
	nest(e)
	if key, ok := keyOf(e); ok {
		inner := &override{op: e.Op, value: e.Value}
		inner.changeIn(config, []string{key})
		return
	}
	config.Entries = append(config.Entries, e)
}

// entry returns the override as an entry of a config.
func (o *override) entry(path []string) *syntax.Entry {
	e := &syntax.Entry{Range: o.value.At(), Op: o.op, Value: o.value}
	for _, step := range path {
		e.Path = append(e.Path, &syntax.Ident{Range: o.value.At(), Name: step})
	}
	if len(path) == 1 {
		e.Key, e.Path = e.Path[0], nil
	}
	return e
}

// configOf returns the config that an expression is or has, nil for none.
func configOf(x syntax.Expr) *syntax.Config {
	switch x := x.(type) {
	case *syntax.Config:
		return x
	case *syntax.SchemaExpr:
		return x.Config
	}
	return nil
}

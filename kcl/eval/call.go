package eval

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// call is one call of a Builtin.
type call struct {
	ev       *evaluator
	name     string
	args     []Value
	keywords map[string]Value
	at       syntax.Range
	failed   bool // a wrong argument was reported
}

// arg returns the keyword argument name or the positional argument i, nil when
// neither is given.
func (c *call) arg(i int, name string) Value {
	if v, ok := c.keywords[name]; ok {
		return v
	}
	if i < len(c.args) {
		return c.args[i]
	}
	return nil
}

func (c *call) errorf(format string, a ...any) Value {
	return c.ev.errorf(diag.EvalFailed, c.at, c.name+": "+format, a...)
}

// call evaluates `f(...)`.
func (s *scope) call(x *syntax.Call) Value {
	f := s.eval(x.Fun)
	a := s.args(x.Args, x.Keywords)
	return s.ev.invoke(f, a, x.Range)
}

// invoke calls a function, or makes an instance of a schema.
func (ev *evaluator) invoke(f Value, a *args, at syntax.Range) Value {
	if isBad(f) || isBad(a.positional...) {
		return bad{}
	}
	for _, v := range a.keywords {
		if isBad(v) {
			return v
		}
	}
	switch f := f.(type) {
	case *Builtin:
		return f.call(&call{ev: ev, name: f.name, args: a.positional, keywords: a.keywords, at: at})
	case *Schema:
		return ev.instantiate(f, a, &Dict{}, at)
	case *Func:
		s := f.scope.child()
		s.lambda = f.def
		if !ev.bind(s, f.def.Params, a, at, "the lambda") {
			return bad{}
		}
		v := s.body(f.def.Body)
		if f.def.Result != nil {
			v = ev.conform(v, ev.resolveType(f.def.Result, s), at, "the result of the lambda")
		}
		return v
	}
	return ev.errorf(diag.WrongType, at, "%s cannot be called", describe(f))
}

// bind gives the parameters their values and reports whether all have one.
func (ev *evaluator) bind(s *scope, params []*syntax.Param, a *args, at syntax.Range, what string) bool {
	if a == nil {
		a = &args{}
	}
	if len(a.positional) > len(params) {
		ev.errorf(diag.WrongType, at, "%s takes %d arguments, not %d", what, len(params), len(a.positional))
		return false
	}
	names := map[string]bool{}
	for i, p := range params {
		names[p.Name.Text] = true
		var v Value
		switch given, ok := a.keywords[p.Name.Text]; {
		case i < len(a.positional):
			v = a.positional[i]
		case ok:
			v = given
		case p.Default != nil:
			v = s.eval(p.Default)
		default:
			v = Undefined{}
		}
		if p.Type != nil {
			v = ev.conform(v, ev.resolveType(p.Type, s), at, "argument "+p.Name.Text)
		}
		s.set(p.Name.Text, v)
	}
	for name := range a.keywords {
		if !names[name] {
			ev.errorf(diag.UnknownName, at, "%s has no parameter %s", what, name)
			return false
		}
	}
	return true
}

// body runs the statements of a lambda and returns the value of the last
// expression.
func (s *scope) body(stmts []syntax.Stmt) Value {
	var result Value = Undefined{}
	for _, stmt := range stmts {
		if v := s.exec(stmt); v != nil {
			result = v
		}
		if s.ev.stopped {
			return bad{}
		}
	}
	return result
}

// exec runs a statement with local variables. It returns the value of an
// expression or assignment, nil of anything else.
func (s *scope) exec(stmt syntax.Stmt) Value {
	switch stmt := stmt.(type) {
	case *syntax.ExprStmt:
		return s.eval(stmt.X)
	case *syntax.Assign:
		var v Value
		for _, t := range stmt.Targets {
			v = s.assign(t, stmt, s.local(t.Name.Text))
			s.set(t.Name.Text, v)
		}
		return v
	case *syntax.AugAssign:
		name := stmt.Target.Name.Text
		v := s.augment(stmt, s.local(name))
		s.set(name, v)
		return v
	case *syntax.Unify:
		v := s.unifyStmt(stmt, s.local(stmt.Target.Text))
		s.set(stmt.Target.Text, v)
		return v
	case *syntax.If:
		cond := s.eval(stmt.Cond)
		if isBad(cond) {
			return nil
		}
		body := stmt.Then
		if !truth(cond) {
			body = stmt.Else
		}
		var result Value
		for _, inner := range body {
			result = s.exec(inner)
		}
		return result
	case *syntax.Assert:
		s.assert(stmt)
	}
	return nil
}

// local returns the value of a local variable, Undefined if there is none.
func (s *scope) local(name string) Value {
	for sc := s; sc != nil && sc.frame == nil; sc = sc.parent {
		if v, ok := sc.vars[name]; ok {
			return v
		}
	}
	return Undefined{}
}

func (s *scope) assert(a *syntax.Assert) {
	if a.Guard != nil {
		if g := s.eval(a.Guard); isBad(g) || !truth(g) {
			return
		}
	}
	v := s.eval(a.Cond)
	if isBad(v) || truth(v) {
		return
	}
	message := "assertion failed: " + a.Cond.At().Text()
	if a.Message != nil {
		message = text(s.eval(a.Message))
	}
	s.ev.errorf(diag.CheckFailed, a.Range, "%s", message)
}

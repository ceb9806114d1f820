package eval

import (
	"math"
	"math/bits"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

func (ev *evaluator) unary(op syntax.Kind, x Value, at syntax.Range) Value {
	if isBad(x) {
		return x
	}
	if op == syntax.NOT {
		return Bool(!truth(x))
	}
	switch x := x.(type) {
	case Int:
		switch op {
		case syntax.SUB:
			return -x
		case syntax.NOT_BIT:
			return ^x
		}
		return x
	case Float:
		switch op {
		case syntax.SUB:
			return 0 - x // 0 has no sign
		case syntax.ADD:
			return x
		}
	}
	return ev.errorf(diag.WrongType, at, "%s has no operator %s", describe(x), op)
}

// binary computes a op b for all operators but the logical ones.
func (ev *evaluator) binary(op syntax.Kind, a, b Value, at syntax.Range) Value {
	if isBad(a, b) {
		return bad{}
	}
	if op == syntax.OR_BIT {
		if v, ok := ev.unionOperator(a, b, at); ok {
			return v
		}
	}
	switch x := a.(type) {
	case Int:
		switch y := b.(type) {
		case Int:
			return ev.ints(op, x, y, at)
		case Float:
			return ev.floats(op, Float(x), y, at)
		case String:
			if op == syntax.MUL {
				return ev.repeat(string(y), x, at)
			}
		case *List:
			if op == syntax.MUL {
				return ev.repeatList(y, x, at)
			}
		}
	case Float:
		switch y := b.(type) {
		case Int:
			return ev.floats(op, x, Float(y), at)
		case Float:
			return ev.floats(op, x, y, at)
		}
	case String:
		switch y := b.(type) {
		case String:
			if op == syntax.ADD {
				return ev.str(string(x)+string(y), at)
			}
		case Int:
			if op == syntax.MUL {
				return ev.repeat(string(x), y, at)
			}
		}
	case *List:
		switch y := b.(type) {
		case *List:
			if op == syntax.ADD && ev.grow(len(x.Elems)+len(y.Elems), at) {
				return concat(x, y)
			}
		case Int:
			if op == syntax.MUL {
				return ev.repeatList(x, y, at)
			}
		}
		if op == syntax.ADD && isMissing(b) {
			return x
		}
	}
	return ev.errorf(diag.WrongType, at, "%s and %s have no operator %s", describe(a), describe(b), op)
}

// unionOperator is | on anything but two ints.
func (ev *evaluator) unionOperator(a, b Value, at syntax.Range) (Value, bool) {
	mergeable := isMissing(a) || isMissing(b)
	switch a.(type) {
	case *Dict:
		_, mergeable = b.(*Dict)
		mergeable = mergeable || isMissing(b)
	case *Instance:
		switch b.(type) {
		case *Dict, *Instance:
			mergeable = true
		}
	case *List:
		_, mergeable = b.(*List)
		mergeable = mergeable || isMissing(b)
	}
	if !mergeable {
		return nil, false
	}
	return ev.union(a, b, unionOperator, at), true
}

func (ev *evaluator) overflow(at syntax.Range) Value {
	return ev.errorf(diag.EvalFailed, at, "the result does not fit a 64-bit integer")
}

func (ev *evaluator) ints(op syntax.Kind, x, y Int, at syntax.Range) Value {
	switch op {
	case syntax.ADD:
		if z := x + y; (z > x) == (y > 0) {
			return z
		}
		return ev.overflow(at)
	case syntax.SUB:
		if z := x - y; (z < x) == (y > 0) {
			return z
		}
		return ev.overflow(at)
	case syntax.MUL:
		if z, ok := mulInts(x, y); ok {
			return z
		}
		return ev.overflow(at)
	case syntax.DIV:
		return Float(x) / Float(y)
	case syntax.FLOORDIV, syntax.MOD:
		if y == 0 {
			return ev.errorf(diag.EvalFailed, at, "division by zero")
		}
		q, m := x/y, x%y
		if m != 0 && (m < 0) != (y < 0) {
			q, m = q-1, m+y
		}
		if op == syntax.MOD {
			return m
		}
		return q
	case syntax.POW:
		return ev.power(x, y, at)
	case syntax.AND_BIT:
		return x & y
	case syntax.OR_BIT:
		return x | y
	case syntax.XOR_BIT:
		return x ^ y
	case syntax.SHL, syntax.SHR:
		if y < 0 || y > 63 {
			return ev.errorf(diag.EvalFailed, at, "cannot shift by %d", y)
		}
		if op == syntax.SHR {
			return x >> y
		}
		if z := x << y; z>>y == x {
			return z
		}
		return ev.overflow(at)
	}
	return ev.errorf(diag.WrongType, at, "int and int have no operator %s", op)
}

func mulInts(x, y Int) (Int, bool) {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	negative := (x < 0) != (y < 0)
	if hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative {
		return 0, false
	}
	return x * y, true
}

func magnitude(x Int) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func (ev *evaluator) power(x, y Int, at syntax.Range) Value {
	if y < 0 {
		return ev.overflow(at)
	}
	result := Int(1)
	for ; y > 0; y >>= 1 {
		var ok bool
		if y&1 == 1 {
			if result, ok = mulInts(result, x); !ok {
				return ev.overflow(at)
			}
		}
		if y > 1 {
			if x, ok = mulInts(x, x); !ok {
				return ev.overflow(at)
			}
		}
	}
	return result
}

func (ev *evaluator) floats(op syntax.Kind, x, y Float, at syntax.Range) Value {
	switch op {
	case syntax.ADD:
		return x + y
	case syntax.SUB:
		return x - y
	case syntax.MUL:
		return x * y
	case syntax.DIV:
		return x / y
	case syntax.FLOORDIV:
		return Float(math.Floor(float64(x / y)))
	case syntax.MOD:
		return Float(math.Mod(float64(x), float64(y)))
	case syntax.POW:
		return Float(math.Pow(float64(x), float64(y)))
	}
	return ev.errorf(diag.WrongType, at, "float has no operator %s", op)
}

// str returns s as a value unless it is larger than a program may make.
func (ev *evaluator) str(s string, at syntax.Range) Value {
	if !ev.grow(len(s)/16, at) {
		return bad{}
	}
	return String(s)
}

func (ev *evaluator) repeat(s string, n Int, at syntax.Range) Value {
	n = max(n, 0)
	if size, ok := mulInts(Int(len(s)), n); !ok || !ev.grow(int(min(size/16, maxSize+1)), at) {
		return bad{}
	}
	return String(strings.Repeat(s, int(n)))
}

func (ev *evaluator) repeatList(l *List, n Int, at syntax.Range) Value {
	n = max(n, 0)
	if size, ok := mulInts(Int(len(l.Elems)), n); !ok || !ev.grow(int(min(size, maxSize+1)), at) {
		return bad{}
	}
	out := &List{Elems: make([]Value, 0, len(l.Elems)*int(n))}
	for range n {
		out.Elems = append(out.Elems, l.Elems...)
	}
	return out
}

// compare computes a op b for comparisons and memberships.
func (ev *evaluator) compare(op syntax.Kind, a, b Value, at syntax.Range) Value {
	if isBad(a, b) {
		return bad{}
	}
	switch op {
	case syntax.EQ, syntax.IS:
		return Bool(ev.equal(a, b))
	case syntax.NE, syntax.IS_NOT:
		return Bool(!ev.equal(a, b))
	case syntax.IN, syntax.NOT_IN:
		found, ok := ev.contains(b, a)
		if !ok {
			return ev.errorf(diag.WrongType, at, "%s cannot be in %s", describe(a), describe(b))
		}
		return Bool(found == (op == syntax.IN))
	}
	c, ok := order(a, b)
	if _, isString := a.(String); !ok || isString { // strings have no order in KCL
		return ev.errorf(diag.WrongType, at, "%s and %s cannot be compared with %s", describe(a), describe(b), op)
	}
	switch op {
	case syntax.LT:
		return Bool(c < 0)
	case syntax.LE:
		return Bool(c <= 0)
	case syntax.GT:
		return Bool(c > 0)
	}
	return Bool(c >= 0)
}

// contains reports whether x is an element, key or part of c; ok is false when
// c cannot contain it.
func (ev *evaluator) contains(c, x Value) (found, ok bool) {
	switch c := c.(type) {
	case *List:
		ev.spend(len(c.Elems))
		for _, e := range c.Elems {
			if ev.equal(e, x) {
				return true, true
			}
		}
		return false, true
	case *Dict:
		key, ok := x.(String)
		return ok && c.Get(string(key)) != nil, true
	case *Instance:
		key, ok := x.(String)
		return ok && c.Attrs.Get(string(key)) != nil, true
	case String:
		part, ok := x.(String)
		ev.spend(len(c) / readSize)
		return ok && strings.Contains(string(c), string(part)), true
	}
	return false, false
}

// order compares two numbers or strings.
func order(a, b Value) (int, bool) {
	if x, ok := a.(String); ok {
		y, ok := b.(String)
		return strings.Compare(string(x), string(y)), ok
	}
	if x, ok := a.(Int); ok {
		if y, ok := b.(Int); ok {
			switch {
			case x < y:
				return -1, true
			case x > y:
				return 1, true
			}
			return 0, true
		}
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	switch {
	case !ok1 || !ok2:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

// number returns an Int, Float or Bool as a float.
func number(v Value) (float64, bool) {
	switch v := v.(type) {
	case Int:
		return float64(v), true
	case Float:
		return float64(v), true
	case Bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

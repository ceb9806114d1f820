package check

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

func (c *checker) operation(x *syntax.Binary) *typ {
	before := len(c.faults)
	left := c.expr(x.X)
	right := c.expr(x.Y)
	if len(c.faults) > before && (left.isAny() || right.isAny()) {
		return anyType
	}
	return c.binary(x.Op, left, right, x.Range)
}

// binary returns the type of a op b.
func (c *checker) binary(op syntax.Kind, left, right *typ, at syntax.Range) *typ {
	a, b := operand(left), operand(right)
	if a.isAny() || b.isAny() {
		return anyType
	}
	var t *typ
	switch op {
	case syntax.AND:
		t = boolType
	case syntax.OR:
		t = join(a, b)
	case syntax.OR_BIT:
		t = unite(a, b)
	default:
		t = c.arithmetic(op, a, b, at)
	}
	if t == nil {
		c.report(diag.WrongType, at, "%s and %s have no operator %s", describe(left), describe(right), op)
		return anyType
	}
	return t
}

// arithmetic returns the type of a op b, nil if they have no such operator.
func (c *checker) arithmetic(op syntax.Kind, a, b *typ, at syntax.Range) *typ {
	number := intType
	if a.isFloat() || b.isFloat() {
		number = floatType
	}
	numbers := a.isNumber() && b.isNumber()
	switch op {
	case syntax.ADD:
		switch {
		case a.isStr() && b.isStr():
			return strType
		case a.kind == kindList && b.kind == kindList:
			return listOf(join(a.elem, b.elem))
		}
	case syntax.MUL:
		switch {
		case numbers:
		case a.isInt() && b.all(repeatable):
			return b
		case b.isInt() && a.all(repeatable):
			return a
		}
	case syntax.DIV, syntax.FLOORDIV, syntax.MOD:
		if numbers && (b.kind == kindIntLit && b.bits == 0 || b.kind == kindFloatLit && b.float() == 0) {
			c.report(diag.WrongType, at, "division by zero")
		}
		if op == syntax.MOD {
			number = intType
		}
	case syntax.SHL, syntax.SHR, syntax.XOR_BIT, syntax.AND_BIT:
		numbers = a.isInt() && b.isInt()
		number = intType
	}
	if !numbers {
		return nil
	}
	return number
}

// repeatable reports whether a value can be multiplied by an int.
func repeatable(t *typ) bool { return t.isNumber() || t.isStr() || t.kind == kindList }

// unite returns the type of a | b, nil if they cannot be united.
func unite(a, b *typ) *typ {
	switch {
	case a.isInt() && b.isInt():
		return intType
	case a.kind == kindNone:
		return b
	case b.kind == kindNone:
		return a
	case a.kind == kindList && b.kind == kindList:
		return listOf(join(a.elem, b.elem))
	case a.kind == kindSchema && b.isConfig():
		return a
	case a.kind == kindDict && b.kind == kindDict:
		t := dictOf(join(a.key, b.key), join(a.elem, b.elem))
		t.entries = &fields{}
		for _, d := range []*typ{a, b} {
			for _, f := range d.entries.all() {
				t.entries.set(f.name, f.typ, f.at)
			}
		}
		return t
	}
	return nil
}

func (c *checker) unary(x *syntax.Unary) *typ {
	t := c.expr(x.X)
	wide := operand(t)
	switch {
	case wide.isAny() || x.Op == syntax.NOT:
		return wide
	case x.Op == syntax.NOT_BIT && (wide.isInt() || wide.isBool()), x.Op != syntax.NOT_BIT && wide.isNumber():
		return wide
	}
	c.report(diag.WrongType, x.Range, "%s has no operator %s", describe(t), x.Op)
	return anyType
}

// cast checks `x as T`: T must be one of the types that x may have.
func (c *checker) cast(x *syntax.Cast) *typ {
	before := len(c.faults)
	t := c.expr(x.X)
	named, ok := x.Type.(*syntax.NamedType)
	if !ok {
		if x.Type != nil {
			c.report(diag.WrongType, onLine(x.Type, x.Range), "as needs the name of a type").
				WithHint("name the type: type T = %s", x.Type.At().Text())
		}
		return t
	}
	want := c.typeOf(named)
	if want.kind == kindSchema {
		want = want.schema.inst
	}
	wide := operand(t)
	if wide.isAny() || want.isAny() || len(c.faults) > before {
		return anyType
	}
	if !narrows(want, widen(wide)) {
		c.report(diag.WrongType, onLine(x.X, x.Range), "the value must be %s, not %s", want, describe(t))
	}
	return operand(want)
}

// compare checks a chain of comparisons. Of one of more than two operands the
// reference looks at the first of each pair only, and not at the last at all.
func (c *checker) compare(x *syntax.Compare) *typ {
	if len(x.Operands) < 2 || len(x.Ops) != len(x.Operands)-1 {
		for _, operand := range x.Operands {
			c.expr(operand)
		}
		return boolType
	}
	first := c.expr(x.Operands[0])
	c.comparable(x.Ops[0], first, c.expr(x.Operands[1]), x.Range)
	for i := 1; i < len(x.Ops)-1; i++ {
		c.comparable(x.Ops[i+1], first, c.expr(x.Operands[i+1]), x.Operands[i+1].At())
	}
	return boolType
}

func (c *checker) comparable(op syntax.Kind, left, right *typ, at syntax.Range) {
	a, b := operand(left), operand(right)
	if a.isAny() || b.isAny() {
		return
	}
	in := op == syntax.IN || op == syntax.NOT_IN
	same := op == syntax.EQ || op == syntax.NE
	identity := same || op == syntax.IS || op == syntax.IS_NOT
	ordered := func(t *typ) bool { return t.isNumber() || t.isBool() }
	switch {
	case !in && a.all(ordered) && b.all(ordered):
	case same && (a.kind == kindList && b.kind == kindList || a.isConfig() && b.isConfig()):
	case same && a.all((*typ).isPrimitive) && b.all((*typ).isPrimitive):
	case in && b.isIterable():
	case identity && (a.kind == kindNone || b.kind == kindNone):
	case in:
		c.report(diag.WrongType, at, "%s cannot be in %s", describe(left), describe(right))
	default:
		c.report(diag.WrongType, at, "%s and %s cannot be compared with %s", describe(left), describe(right), op)
	}
}

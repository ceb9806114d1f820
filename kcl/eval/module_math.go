package eval

import "math"

func mathModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"ceil":      toWhole(math.Ceil),
		"exp":       ofFloat(math.Exp),
		"expm1":     ofFloat(math.Expm1),
		"factorial": mathFactorial,
		"floor":     toWhole(math.Floor),
		"gcd":       mathGCD,
		"isfinite":  ofKind(true, func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }),
		"isinf":     mathIsInf,
		"isnan":     ofKind(false, math.IsNaN),
		"log":       mathLog,
		"log10":     ofFloat(math.Log10),
		"log1p":     ofFloat(func(f float64) float64 { return math.Log1p(f + 1) }), // as the reference runtime has it
		"log2":      mathLog2,
		"modf":      mathModf,
		"pow":       mathPow,
		"sqrt":      ofFloat(math.Sqrt),
	}
}

// number returns an argument that must be an int or float, and as which.
func (c *call) number(i int, name string) (f float64, n Int, isInt bool) {
	v := c.value(i, name)
	f, ok := number(v)
	if _, isBool := v.(Bool); isBool || !ok {
		c.mismatch(v, name, "a number")
	}
	n, isInt = v.(Int)
	return f, n, isInt
}

func ofFloat(f func(float64) float64) func(*call) Value {
	return func(c *call) Value {
		x, _, _ := c.number(0, "x")
		return Float(f(x))
	}
}

func toWhole(f func(float64) float64) func(*call) Value {
	return func(c *call) Value {
		x, n, isInt := c.number(0, "x")
		if isInt {
			return n
		}
		return toInt(f(x))
	}
}

func ofKind(ofInt bool, f func(float64) bool) func(*call) Value {
	return func(c *call) Value {
		x, _, isInt := c.number(0, "x")
		if isInt {
			return Bool(ofInt)
		}
		return Bool(f(x))
	}
}

func mathIsInf(c *call) Value {
	if _, ok := c.value(0, "x").(Bool); ok {
		return Bool(false)
	}
	x, _, _ := c.number(0, "x")
	return Bool(math.IsInf(x, 0))
}

func mathFactorial(c *call) Value {
	x, _, isInt := c.number(0, "x")
	if x < 0 || x != math.Trunc(x) {
		return c.errorf("expected a whole number, not negative")
	}
	if x > 20 {
		return c.errorf("the result does not fit an int")
	}
	result := Int(1)
	for i := Int(2); i <= Int(x); i++ {
		result *= i
	}
	if isInt {
		return result
	}
	return Float(result)
}

func mathGCD(c *call) Value {
	a, b := magnitude(c.int(0, "a")), magnitude(c.int(1, "b"))
	for b != 0 {
		a, b = b, a%b
	}
	return Int(a)
}

// mathLog returns an int for an int. A base that is no float counts as e.
func mathLog(c *call) Value {
	x, _, isInt := c.number(0, "x")
	base := math.E
	if f, ok := c.arg(1, "e").(Float); ok {
		base = float64(f)
	}
	result := math.Log(x) / math.Log(base)
	switch {
	case base == math.E:
		result = math.Log(x)
	case base == 10:
		result = math.Log10(x)
	case base == 2:
		result = math.Log2(x)
	}
	if isInt {
		return toInt(result)
	}
	return Float(result)
}

func mathLog2(c *call) Value {
	x, _, isInt := c.number(0, "x")
	if isInt {
		return toInt(math.Log2(x))
	}
	return Float(math.Log2(x))
}

func mathModf(c *call) Value {
	x, _, isInt := c.number(0, "x")
	switch {
	case isInt:
		return listOf(Float(0), Float(x))
	case math.IsInf(x, 0):
		return listOf(Float(math.Copysign(0, x)), Float(x))
	}
	return listOf(Float(x-math.Trunc(x)), Float(math.Trunc(x)))
}

// mathPow returns an int for ints; one that does not fit loses its high bits,
// as in the reference runtime.
func mathPow(c *call) Value {
	x, base, isInt1 := c.number(0, "x")
	y, n, isInt2 := c.number(1, "n")
	if !isInt1 || !isInt2 || n < 0 {
		return Float(math.Pow(x, y))
	}
	result := Int(1)
	for e := uint32(n); e > 0; e >>= 1 {
		if e&1 == 1 {
			result *= base
		}
		base *= base
	}
	return result
}

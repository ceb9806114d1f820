package eval

import (
	"math"
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// language is what every program finds defined.
type language struct {
	builtins map[string]Value
	modules  map[string]map[string]Value // the system modules
	methods  map[string]func(*call) Value
}

func newLanguage() *language {
	return &language{builtins: newBuiltins(), modules: newModules(), methods: newStringMethods()}
}

// newBuiltins returns the functions that every program can call.
func newBuiltins() map[string]Value {
	return functions(map[string]func(*call) Value{
		"abs": builtinAbs, "all_true": builtinAllTrue, "any_true": builtinAnyTrue, "bin": radix("0b", 2),
		"bool": builtinBool, "dict": builtinDict, "float": builtinFloat, "hex": radix("0x", 16), "int": builtinInt,
		"isunique": builtinIsUnique, "len": builtinLen, "list": builtinList, "max": extreme(1), "min": extreme(-1),
		"multiplyof": builtinMultiplyOf, "option": builtinOption, "oct": radix("0o", 8), "ord": builtinOrd, "pow": builtinPow,
		"print": func(*call) Value { return None{} }, "range": builtinRange, "round": builtinRound,
		"sorted": builtinSorted, "str": builtinStr, "sum": builtinSum, "typeof": builtinTypeof, "zip": builtinZip,
	})
}

func functions(m map[string]func(*call) Value) map[string]Value {
	out := make(map[string]Value, len(m))
	for name, f := range m {
		out[name] = &Builtin{name: name, call: f}
	}
	return out
}

func builtinLen(c *call) Value {
	switch v := c.arg(0, "inval").(type) {
	case String:
		return Int(len(v)) // in bytes, as the runtime counts
	case *List:
		return Int(len(v.Elems))
	case *Dict:
		return Int(v.Len())
	case *Instance:
		return Int(v.Attrs.Len())
	case nil, None, Undefined:
		return c.wrong(c.arg(0, "inval"), "a str, list or dict")
	default:
		return c.wrong(v, "a str, list or dict")
	}
}

func builtinAbs(c *call) Value {
	switch v := c.arg(0, "inval").(type) {
	case Int:
		return max(v, -v)
	case Float:
		return Float(math.Abs(float64(v)))
	default:
		return c.wrong(v, "a number")
	}
}

// elems returns the elements of a list, the keys of a dict or the characters
// of a string.
func elems(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case *List:
		return v.Elems, true
	case *Dict:
		keys := make([]Value, 0, v.Len())
		for _, e := range v.entries {
			keys = append(keys, String(e.Key))
		}
		return keys, true
	case *Instance:
		return elems(v.Attrs)
	case String:
		var chars []Value
		for _, r := range string(v) {
			chars = append(chars, String(r))
		}
		return chars, true
	}
	return nil, false
}

func builtinAllTrue(c *call) Value {
	list, ok := elems(c.arg(0, "inval"))
	if !ok {
		return c.wrong(c.arg(0, "inval"), "a list")
	}
	return Bool(!slices.ContainsFunc(list, func(v Value) bool { return !truth(v) }))
}

func builtinAnyTrue(c *call) Value {
	list, ok := elems(c.arg(0, "inval"))
	if !ok {
		return c.wrong(c.arg(0, "inval"), "a list")
	}
	return Bool(slices.ContainsFunc(list, truth))
}

func builtinIsUnique(c *call) Value {
	list, ok := c.arg(0, "inval").(*List)
	if !ok {
		return c.wrong(c.arg(0, "inval"), "a list")
	}
	for i, v := range list.Elems {
		if slices.ContainsFunc(list.Elems[:i], func(o Value) bool { return c.ev.equal(o, v) }) {
			return Bool(false)
		}
	}
	return Bool(true)
}

// extreme is max (sign 1) or min (sign -1), of the arguments or of one list.
func extreme(sign int) func(*call) Value {
	return func(c *call) Value {
		list := c.args
		if len(list) == 1 {
			inner, ok := elems(list[0])
			if !ok {
				return c.wrong(list[0], "a list or several numbers")
			}
			list = inner
		}
		if len(list) == 0 {
			return c.errorf("nothing to choose from")
		}
		best := list[0]
		for _, v := range list[1:] {
			o, ok := order(v, best)
			if !ok {
				return c.errorf("%s and %s cannot be compared", describe(v), describe(best))
			}
			if o*sign > 0 {
				best = v
			}
		}
		return best
	}
}

func builtinMultiplyOf(c *call) Value {
	a, ok1 := c.arg(0, "a").(Int)
	b, ok2 := c.arg(1, "b").(Int)
	if !ok1 || !ok2 || b == 0 {
		return c.errorf("expected two ints, the second not 0")
	}
	return Bool(a%b == 0)
}

func builtinPow(c *call) Value {
	x, y := c.arg(0, "x"), c.arg(1, "y")
	if m, ok := c.arg(2, "z").(Int); ok {
		base, ok1 := x.(Int)
		n, ok2 := y.(Int)
		if !ok1 || !ok2 || m == 0 || n < 0 {
			return c.errorf("with a modulus, pow takes ints and the modulus is not 0")
		}
		return powMod(base, n, m)
	}
	a, ok1 := x.(Int)
	b, ok2 := y.(Int)
	if ok1 && ok2 && b >= 0 {
		return c.ev.power(a, b, c.at)
	}
	fx, ok1 := numberOf(x)
	fy, ok2 := numberOf(y)
	if !ok1 || !ok2 {
		return c.errorf("expected two numbers")
	}
	return Float(math.Pow(fx, fy))
}

func numberOf(v Value) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return number(v)
}

func powMod(base, n, m Int) Value {
	result := Int(1)
	base %= m
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result = result * base % m
		}
		base = base * base % m
	}
	return result
}

func builtinRange(c *call) Value {
	var b [3]Int
	b[2] = 1
	for i := range 3 {
		v := c.arg(i, [...]string{"start", "stop", "step"}[i])
		if v == nil {
			continue
		}
		n, ok := v.(Int)
		if !ok {
			return c.wrong(v, "an int")
		}
		b[i] = n
	}
	start, stop, step := b[0], b[1], b[2]
	if len(c.args) == 1 && c.keywords["stop"] == nil {
		start, stop = 0, b[0]
	}
	if step == 0 {
		return c.errorf("step must not be 0")
	}
	if n := float64(stop-start) / float64(step); n > maxSize && !c.ev.grow(maxSize+1, c.at) {
		return bad{}
	}
	l := listOf()
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		l.Elems = append(l.Elems, i)
		if !c.ev.grow(1, c.at) {
			return bad{}
		}
	}
	return l
}

func builtinRound(c *call) Value {
	x := c.arg(0, "number")
	f, ok := numberOf(x)
	if !ok {
		return c.wrong(x, "a number")
	}
	if digits, ok := c.arg(1, "ndigits").(Int); ok {
		scale := math.Pow(10, float64(digits))
		return Float(math.Round(f*scale) / scale)
	}
	return Int(math.Round(f))
}

func builtinSorted(c *call) Value {
	list, ok := elems(c.arg(0, "inval"))
	if !ok {
		return c.wrong(c.arg(0, "inval"), "a list")
	}
	out := slices.Clone(list)
	comparable := true
	slices.SortStableFunc(out, func(a, b Value) int {
		o, ok := order(a, b)
		comparable = comparable && ok
		return o
	})
	if !comparable {
		return c.ev.errorf(diag.WrongType, c.at, "sorted: the elements cannot be compared with each other")
	}
	if reverse, ok := c.arg(1, "reverse").(Bool); ok && bool(reverse) {
		slices.Reverse(out)
	}
	return listOf(out...)
}

func builtinSum(c *call) Value {
	list, ok := elems(c.arg(0, "iterable"))
	if !ok {
		return c.wrong(c.arg(0, "iterable"), "a list")
	}
	var total Value = Int(0)
	if start := c.arg(1, "start"); start != nil {
		total = start
	}
	for _, v := range list {
		if total = c.ev.binary(syntax.ADD, total, v, c.at); isBad(total) {
			return total
		}
	}
	return total
}

func builtinZip(c *call) Value {
	out := listOf()
	for i := 0; ; i++ {
		row := listOf()
		for _, a := range c.args {
			list, ok := elems(a)
			if !ok {
				return c.wrong(a, "a list")
			}
			if i >= len(list) {
				return out
			}
			row.Elems = append(row.Elems, list[i])
		}
		if len(row.Elems) == 0 || !c.ev.grow(1, c.at) {
			return out
		}
		out.Elems = append(out.Elems, row)
	}
}

// str returns a string argument and whether it is one.
func (c *call) str(i int, name string) (string, bool) {
	s, ok := c.arg(i, name).(String)
	return string(s), ok
}

package eval

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strings"

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
		"isnullish": builtinIsNullish, "isunique": builtinIsUnique, "len": builtinLen, "list": builtinList,
		"max": extreme(1), "min": extreme(-1), "multiplyof": builtinMultiplyOf, "option": builtinOption,
		"oct": radix("0o", 8), "ord": builtinOrd, "pow": builtinPow, "print": builtinPrint, "range": builtinRange,
		"reduce": builtinReduce, "round": builtinRound, "sorted": builtinSorted, "str": builtinStr, "sum": builtinSum, "typeof": builtinTypeof,
		"zip": builtinZip,
	})
}

func builtinLen(c *call) Value {
	switch v := c.value(0, "inval").(type) {
	case String:
		return Int(len(v)) // in bytes, as the reference runtime counts
	case *List:
		return Int(len(v.Elems))
	case *Dict:
		return Int(v.Len())
	case *Instance:
		return Int(v.Attrs.Len())
	default:
		c.mismatch(v, "inval", "a str, list or dict")
		return bad{}
	}
}

func builtinAbs(c *call) Value {
	switch v := c.value(0, "inval").(type) {
	case Int:
		return max(v, -v)
	case Float:
		return Float(math.Abs(float64(v)))
	default:
		return Undefined{} // of anything but a number
	}
}

func builtinAllTrue(c *call) Value {
	return Bool(!slices.ContainsFunc(c.list(0, "inval"), func(v Value) bool { return !truth(v) }))
}

func builtinAnyTrue(c *call) Value {
	return Bool(slices.ContainsFunc(c.list(0, "inval"), truth))
}

func builtinIsNullish(c *call) Value { return Bool(isMissing(c.value(0, "inval"))) }

// builtinIsUnique compares dicts by the order of their keys too.
func builtinIsUnique(c *call) Value {
	seen := map[string]bool{}
	for _, v := range c.list(0, "inval") {
		var b strings.Builder
		writeIdentity(&b, v, maxDepth)
		if !c.ev.grow(1+b.Len()/16, c.at) {
			return bad{}
		}
		if seen[b.String()] {
			return Bool(false)
		}
		seen[b.String()] = true
	}
	return Bool(true)
}

// writeIdentity writes what is the same for equal values only, as far as it is
// no longer than a text may be.
func writeIdentity(b *strings.Builder, v Value, depth int) {
	if tooLong(b) || depth == 0 {
		return
	}
	switch v := v.(type) {
	case Int:
		writeIdentity(b, Float(v), depth)
	case *List:
		b.WriteByte('[')
		for _, e := range v.Elems {
			writeIdentity(b, e, depth-1)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case *Dict:
		b.WriteByte('{')
		for _, e := range v.entries {
			b.WriteString(quote(e.Key, '"'))
			writeIdentity(b, e.Value, depth-1)
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case *Instance:
		b.WriteString(v.Schema.Name)
		writeIdentity(b, v.Attrs, depth)
	case String:
		b.WriteString(quote(string(v), '"'))
	default:
		b.WriteString(text(v))
	}
}

// extreme is max (sign 1) or min (sign -1), of the arguments or of one list.
func extreme(sign int) func(*call) Value {
	return func(c *call) Value {
		list := c.args
		if len(list) <= 1 {
			list = c.iterable(0, "inval")
		}
		if len(list) == 0 {
			return c.errorf("nothing to choose from")
		}
		best := list[0]
		for _, v := range list {
			o, ok := c.ev.rank(v, best)
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

// rank orders values as the comparison operators do at run time: numbers
// and bools with each other, strs, and lists of such by their elements.
func (ev *evaluator) rank(a, b Value) (int, bool) {
	if x, ok := a.(Bool); ok {
		return ev.rank(truthInt(x), b)
	}
	if y, ok := b.(Bool); ok {
		return ev.rank(a, truthInt(y))
	}
	x, ok1 := a.(*List)
	y, ok2 := b.(*List)
	if !ok1 || !ok2 {
		return order(a, b)
	}
	if !ev.enter() {
		return 0, false
	}
	defer ev.leave()
	for i := range min(len(x.Elems), len(y.Elems)) {
		if o, ok := ev.rank(x.Elems[i], y.Elems[i]); !ok || o != 0 {
			return o, ok
		}
	}
	return cmp.Compare(len(x.Elems), len(y.Elems)), true
}

func truthInt(b Bool) Int {
	if b {
		return 1
	}
	return 0
}

func builtinMultiplyOf(c *call) Value {
	a, b := c.int(0, "a"), c.int(1, "b")
	if b == 0 {
		return c.errorf("expected two ints, the second not 0")
	}
	return Bool(a%b == 0)
}

// builtinPow computes ints as floats and gives the nearest int, as the
// reference runtime does. Another kind of argument than a number has no power.
func builtinPow(c *call) Value {
	x, y := c.value(0, "x"), c.value(1, "y")
	a, ok1 := x.(Int)
	b, ok2 := y.(Int)
	if m, ok := c.arg(2, "z").(Int); ok {
		if !ok1 || !ok2 || m == 0 || b < 0 {
			return c.errorf("with a modulus, pow takes ints; the exponent is not negative and the modulus is not 0")
		}
		return powMod(a, b, m)
	}
	fx, isNum1 := number(x)
	fy, isNum2 := number(y)
	if !isNum1 || !isNum2 {
		return Undefined{}
	}
	result := math.Pow(fx, fy)
	if ok1 && ok2 && b >= 0 {
		return toInt(result)
	}
	return Float(result)
}

// toInt drops the fraction of f. What is out of range becomes the nearest int,
// what is no number 0.
func toInt(f float64) Int {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f < -1<<63:
		return math.MinInt64
	}
	return Int(f)
}

// builtinRange takes the stop alone, or start, stop and step; without a stop
// the step counts for nothing.
func builtinRange(c *call) Value {
	start, stop, step := Int(0), c.int(0, "start"), Int(1)
	if _, ok := c.given(1, "stop"); ok {
		start, stop = stop, c.int(1, "stop")
		step = c.intOr(2, "step", 1)
	}
	if step == 0 {
		return c.errorf("step must not be 0")
	}
	if n := (float64(stop) - float64(start)) / float64(step); n > maxSize && !c.ev.grow(maxSize+1, c.at) {
		return bad{}
	}
	l := listOf()
	for i := start; step > 0 && i < stop || step < 0 && i > stop; {
		l.Elems = append(l.Elems, i)
		if !c.ev.grow(1, c.at) {
			return bad{}
		}
		next := i + step
		if (next > i) != (step > 0) { // beyond the last int
			break
		}
		i = next
	}
	return l
}

// builtinRound rounds halves away from 0, but to a digit behind the point
// halves to even.
func builtinRound(c *call) Value {
	x := c.value(0, "number")
	digits, toDigit := c.arg(1, "ndigits").(Int)
	switch v := x.(type) {
	case Int:
		if toDigit {
			return Float(v)
		}
		return v
	case Float:
		switch f := float64(v); {
		case !toDigit:
			return toInt(math.Round(f))
		case digits == 0:
			return Float(math.Round(f))
		default:
			return roundAt(f, digits)
		}
	}
	return Undefined{}
}

// roundAt keeps each power of ten below what overflows.
func roundAt(f float64, digits Int) Value {
	p1, p2 := math.Pow(10, math.Abs(float64(digits))), 1.0
	if digits > 22 {
		p1, p2 = math.Pow(10, float64(digits-22)), 1e22
	}
	y := f * p1 * p2
	if digits < 0 {
		y = f / p1
	}
	if math.IsInf(y, 0) || math.IsNaN(y) {
		return Float(f)
	}
	z := math.Round(y)
	if math.Abs(y-z) == 0.5 {
		z = 2 * math.Round(y/2)
	}
	if digits < 0 {
		z *= p1
	} else {
		z = z / p2 / p1
	}
	if math.IsInf(z, 0) || math.IsNaN(z) {
		return Undefined{}
	}
	return Float(z)
}

func powMod(base, n, m Int) Value {
	result := Int(1)
	base %= m
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result = mulMod(result, base, m)
		}
		base = mulMod(base, base, m)
	}
	return result
}

// mulMod returns the remainder of a*b, which has the sign of the product.
func mulMod(a, b, m Int) Int {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	_, rem := bits.Div64(hi%magnitude(m), lo, magnitude(m))
	if (a < 0) != (b < 0) {
		return -Int(rem)
	}
	return Int(rem)
}

// builtinSorted compares numbers or strs, nothing else.
func builtinSorted(c *call) Value {
	out := slices.Clone(c.iterable(0, "inval"))
	sign := 1
	if c.flag(1, "reverse") {
		sign = -1
	}
	var a, b Value // that cannot be compared
	slices.SortStableFunc(out, func(x, y Value) int {
		o, ok := order(x, y)
		if !ok || !sortable(x) || !sortable(y) {
			a, b = x, y
		}
		return o * sign
	})
	if a != nil {
		return c.errorf("%s and %s cannot be compared", describe(a), describe(b))
	}
	return c.newList(out)
}

// sortable reports whether v has a place among others: neither bools nor what
// is no number have one.
func sortable(v Value) bool {
	if _, isBool := v.(Bool); isBool {
		return false
	}
	f, ok := v.(Float)
	return !ok || !math.IsNaN(float64(f))
}

func builtinSum(c *call) Value {
	list := c.list(0, "iterable")
	var total Value = Int(0)
	if start := c.arg(1, "start"); start != nil {
		total = start
	}
	if _, ok := total.(String); ok {
		return c.errorf("strs cannot be summed; use \"\".join")
	}
	for _, v := range list {
		if total = c.ev.binary(syntax.ADD, total, v, c.at); isBad(total) {
			return total
		}
	}
	return total
}

func builtinZip(c *call) Value {
	lists := make([][]Value, len(c.args))
	n := math.MaxInt
	for i := range c.args {
		lists[i] = c.iterable(i, "")
		n = min(n, len(lists[i]))
	}
	if len(lists) == 0 {
		return c.errorf("missing argument, expected lists")
	}
	if !c.ev.grow(n*len(lists), c.at) {
		return bad{}
	}
	rows := make([]Value, n)
	for i := range rows {
		row := listOf()
		for _, l := range lists {
			row.Elems = append(row.Elems, l[i])
		}
		rows[i] = row
	}
	return c.newList(rows)
}

// builtinReduce calls a function with what it returned last and each element in
// turn. Without an initial value it begins with the first element.
func builtinReduce(c *call) Value {
	f, list := c.value(0, "reducer"), c.list(1, "list")
	total := c.arg(2, "initial")
	if total == nil {
		if len(list) == 0 {
			return None{}
		}
		total, list = list[0], list[1:]
	}
	for _, v := range list {
		if total = c.ev.invoke(f, &args{positional: []Value{total, v}}, c.at); isBad(total) {
			return total
		}
	}
	return total
}

// builtinPrint writes its arguments to where the program's messages go. They
// are always separated by a space.
func builtinPrint(c *call) Value {
	if c.ev.opts.Print == nil {
		return None{}
	}
	parts := make([]string, len(c.args))
	for i, v := range c.args {
		parts[i] = text(v)
		if !c.ev.grow(len(parts[i])/16, c.at) {
			return bad{}
		}
	}
	end := "\n"
	if v, ok := c.keywords["end"]; ok {
		end = text(v)
	}
	if _, err := c.ev.opts.Print.Write([]byte(strings.Join(parts, " ") + end)); err != nil {
		return c.errorf("%v", err)
	}
	return None{}
}

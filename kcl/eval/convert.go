package eval

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// radix is bin, oct or hex; anything but an int has no such form.
func radix(prefix string, base int) func(*call) Value {
	return func(c *call) Value {
		n, ok := c.value(0, "number").(Int)
		switch {
		case !ok:
			return Undefined{}
		case n == math.MinInt64 && base == 8: // the reference runtime leaves the o out
			return String("-01000000000000000000000")
		}
		s := strconv.FormatInt(int64(n), base)
		if rest, negative := strings.CutPrefix(s, "-"); negative {
			return String("-" + prefix + rest)
		}
		return String(prefix + s)
	}
}

func builtinBool(c *call) Value { return Bool(truth(c.value(0, "x"))) }

// builtinDict joins a dict with the keyword arguments. Of a list of pairs it
// makes what the reference runtime makes: one entry of the first two.
func builtinDict(c *call) Value {
	d := &Dict{}
	switch x := c.arg(0, "x").(type) {
	case nil:
	case *Dict:
		d = x
	case *Instance:
		d = x.Attrs
	case *List:
		for _, pair := range x.Elems {
			if inner, ok := elems(pair); !ok || len(inner) != 2 || len(x.Elems) < 2 {
				return c.errorf("expected a dict or a list of pairs")
			}
			d = newDict(&Entry{Key: text(x.Elems[0]), Value: x.Elems[1]})
		}
	default:
		c.mismatch(x, "x", "a dict")
	}
	if !c.ev.grow(d.Len()+len(c.keywords), c.at) {
		return bad{}
	}
	given := &Dict{}
	for _, name := range slices.Sorted(maps.Keys(c.keywords)) {
		if name != "x" || len(c.args) > 0 {
			given.set(&Entry{Key: name, Value: c.keywords[name], Op: syntax.COLON, Place: c.at, KeyPlace: c.at})
		}
	}
	return c.ev.unionDicts(d, given, unionOperator, c.at)
}

func builtinList(c *call) Value {
	if len(c.args) == 0 {
		return listOf()
	}
	return c.newList(append([]Value(nil), c.iterable(0, "x")...))
}

func builtinInt(c *call) Value {
	switch v := c.value(0, "number").(type) {
	case Int:
		return v
	case Bool:
		return truthInt(v)
	case Float:
		return toInt(float64(v))
	case Quantity:
		return toInt(v.Value())
	case String:
		base := c.arg(1, "base")
		if base == nil {
			base = Int(10)
		}
		return intOfText(c, string(v), base)
	default:
		c.mismatch(v, "number", "a number or str")
		return bad{}
	}
}

// intOfText reads an int. To base 10 it may have a unit, to any other the
// prefix of its base.
func intOfText(c *call, s string, baseValue Value) Value {
	base, _ := baseValue.(Int)
	if f, ok := baseValue.(Float); ok {
		base = toInt(float64(f))
	}
	if base < 2 || base > 36 {
		return c.errorf("base must be 2 to 36")
	}
	digits, factor := s, Int(1)
	if base == 10 {
		digits, factor = cutUnit(s)
	} else {
		sign := ""
		if rest, ok := strings.CutPrefix(s, "-"); ok {
			sign, digits = "-", rest
		}
		if len(digits) > 1 && digits[0] == '0' && strings.ContainsRune("xXoObB", rune(digits[1])) {
			digits = digits[2:]
		}
		digits = sign + digits
	}
	n, err := strconv.ParseInt(digits, int(base), 64)
	if err != nil {
		return c.errorf("%s is no int to base %d", quote(s, '"'), base)
	}
	return Int(n) * factor
}

// cutUnit parts a number from its unit and returns what the unit multiplies
// by. The fractions n, u and m make any int 0.
func cutUnit(s string) (string, Int) {
	base := Int(1000)
	number := s
	if rest, ok := strings.CutSuffix(number, "i"); ok {
		number, base = rest, 1024
	}
	if number == "" {
		return s, 1
	}
	number, unit := number[:len(number)-1], number[len(number)-1:]
	exponent := strings.Index("kMGTP", strings.Replace(unit, "K", "k", 1)) + 1
	switch {
	case strings.Contains("num", unit):
		return number, 0
	case exponent == 0:
		return s, 1
	}
	factor := Int(1)
	for range exponent {
		factor *= base
	}
	return number, factor
}

func builtinFloat(c *call) Value {
	var f float64
	switch v := c.value(0, "number").(type) {
	case Int:
		return Float(v)
	case Float:
		f = float64(v)
	case Bool:
		return Float(truthInt(v))
	case Quantity:
		return Float(v.Value())
	case String:
		var ok bool
		if f, ok = parseFloat(string(v)); !ok {
			return c.errorf("%s is no number", quote(string(v), '"'))
		}
	default:
		c.mismatch(v, "number", "a number or str")
	}
	if math.IsInf(f, 0) {
		return c.errorf("the number is too large for a float")
	}
	return Float(f)
}

// parseFloat reads a float in decimal notation. One that is too large is
// infinite.
func parseFloat(s string) (float64, bool) {
	if strings.ContainsAny(s, "xXpP_") { // that Go would read
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil || math.IsInf(f, 0)
}

func builtinStr(c *call) Value {
	v := c.arg(0, "x")
	if v == nil {
		return String("")
	}
	return c.newStr(text(v))
}

func builtinTypeof(c *call) Value {
	v := c.value(0, "x")
	if inst, ok := v.(*Instance); ok && c.flag(1, "full_name") {
		return String(inst.Schema.FullName())
	}
	return String(v.Type())
}

// builtinOption returns an argument of the program, else the default, either
// converted to the wanted type.
func builtinOption(c *call) Value {
	name := c.text(0, "key")
	v, ok := c.ev.opts.Arguments[name]
	if !ok {
		v = c.arg(3, "default")
	}
	if v != nil {
		if typ := c.arg(1, "type"); typ != nil {
			return c.optionAs(v, c.text(1, "type"))
		}
		return v
	}
	if c.flag(2, "required") {
		return c.errorf("the program needs a value: -D %s=...", name)
	}
	return None{}
}

func (c *call) optionAs(v Value, typ string) Value {
	f, isNumber := number(v)
	s, isText := v.(String)
	if b, ok := v.(Bool); ok {
		f, isNumber = float64(truthInt(b)), true
	}
	switch typ {
	case "":
		return v
	case "bool":
		switch {
		case isNumber:
			return Bool(f != 0)
		case isText:
			return Bool(s == "True" || s == "true")
		}
		return Undefined{}
	case "int":
		if n, ok := v.(Int); ok {
			return n
		}
		if n, err := strconv.ParseInt(string(s), 10, 64); err == nil {
			return Int(n)
		}
		if isNumber {
			return toInt(f)
		}
	case "float":
		if isText {
			f, _ = parseFloat(string(s))
		}
		if isNumber || isText {
			return Float(f)
		}
	case "str":
		switch v := v.(type) {
		case Bool:
			return String(strconv.FormatBool(bool(v)))
		case Float:
			return String(strings.TrimSuffix(floatText(float64(v)), ".0"))
		case Int, String:
			return String(text(v))
		}
	case "list", "dict":
		if v.Type() == typ {
			return v
		}
	default:
		return c.errorf("%s is no type; expected bool, int, float, str, list or dict", quote(typ, '"'))
	}
	return c.errorf("%s is no %s", describe(v), typ)
}

// builtinOrd returns the code point of a str of one character; nothing else
// has one.
func builtinOrd(c *call) Value {
	s, ok := c.value(0, "c").(String)
	if !ok {
		return Undefined{}
	}
	r := []rune(string(s))
	if len(r) != 1 {
		return c.errorf("expected a str of one character, not of %d", len(r))
	}
	return Int(r[0])
}

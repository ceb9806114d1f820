package eval

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

func radix(prefix string, base int) func(*call) Value {
	return func(c *call) Value {
		n, ok := c.arg(0, "number").(Int)
		if !ok {
			return c.wrong(c.arg(0, "number"), "an int")
		}
		s := strconv.FormatInt(int64(n), base)
		if rest, negative := strings.CutPrefix(s, "-"); negative {
			return String("-" + prefix + rest)
		}
		return String(prefix + s)
	}
}

func builtinBool(c *call) Value {
	v := c.arg(0, "x")
	return Bool(v != nil && truth(v))
}

func builtinDict(c *call) Value {
	d := &Dict{}
	if src, ok := c.arg(0, "x").(*Dict); ok {
		d = src.clone()
	}
	for name, v := range c.keywords {
		d.set(&Entry{Key: name, Value: v})
	}
	return d
}

func builtinList(c *call) Value {
	v := c.arg(0, "x")
	if v == nil {
		return listOf()
	}
	list, ok := elems(v)
	if !ok {
		return c.wrong(v, "a list, dict or str")
	}
	return listOf(slices.Clone(list)...)
}

func builtinInt(c *call) Value {
	switch v := c.arg(0, "number").(type) {
	case Int:
		return v
	case Bool:
		if v {
			return Int(1)
		}
		return Int(0)
	case Float:
		if math.IsNaN(float64(v)) || math.Abs(float64(v)) >= 1<<63 {
			return c.errorf("%s does not fit a 64-bit integer", text(v))
		}
		return Int(v)
	case Quantity:
		return Int(v.Value())
	case String:
		base := 10
		if b, ok := c.arg(1, "base").(Int); ok {
			base = int(b)
		}
		s := strings.ToLower(strings.ReplaceAll(string(v), "_", ""))
		if q, ok := parseQuantity(string(v)); ok && base == 10 {
			return Int(q.Value())
		}
		for b, prefix := range map[int]string{16: "0x", 8: "0o", 2: "0b"} {
			if b == base {
				s = strings.TrimPrefix(s, prefix)
			}
		}
		if base < 2 || base > 36 {
			return c.errorf("base must be 2 to 36")
		}
		n, err := strconv.ParseInt(s, base, 64)
		if err != nil {
			return c.errorf("%s is no number of base %d", quote(string(v), '"'), base)
		}
		return Int(n)
	default:
		return c.wrong(v, "a number or str")
	}
}

func parseQuantity(s string) (Quantity, bool) {
	for suffix := range units {
		if digits, ok := strings.CutSuffix(s, suffix); ok {
			if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
				return Quantity{n, suffix}, true
			}
		}
	}
	return Quantity{}, false
}

func builtinFloat(c *call) Value {
	switch v := c.arg(0, "number").(type) {
	case Int:
		return Float(v)
	case Float:
		return v
	case Bool:
		if v {
			return Float(1)
		}
		return Float(0)
	case Quantity:
		return Float(v.Value())
	case String:
		f, err := strconv.ParseFloat(strings.TrimSpace(string(v)), 64)
		if err != nil {
			return c.errorf("%s is no number", quote(string(v), '"'))
		}
		return Float(f)
	default:
		return c.wrong(v, "a number or str")
	}
}

func builtinStr(c *call) Value {
	v := c.arg(0, "x")
	if v == nil {
		return String("")
	}
	return c.ev.str(text(v), c.at)
}

func builtinTypeof(c *call) Value {
	v := c.arg(0, "x")
	if v == nil {
		return c.wrong(v, "a value")
	}
	if inst, ok := v.(*Instance); ok {
		if full, ok := c.arg(1, "full_name").(Bool); ok && bool(full) {
			return String(inst.Schema.FullName())
		}
	}
	return String(v.Type())
}

// builtinOption returns an argument of the program, converted to the wanted
// type, else the default.
func builtinOption(c *call) Value {
	name, ok := c.str(0, "key")
	if !ok {
		return c.wrong(c.arg(0, "key"), "a str")
	}
	v, given := c.ev.opts.Arguments[name]
	if !given {
		if def := c.arg(3, "default"); def != nil {
			return def
		}
		if required, ok := c.arg(2, "required").(Bool); ok && bool(required) {
			return c.errorf("the program needs a value: -D %s=...", name)
		}
		return None{}
	}
	typ, _ := c.str(1, "type")
	convert := map[string]func(*call) Value{"int": builtinInt, "float": builtinFloat, "str": builtinStr, "bool": builtinBool}[typ]
	if convert == nil {
		return v
	}
	return convert(&call{ev: c.ev, name: c.name, args: []Value{v}, at: c.at})
}

func builtinOrd(c *call) Value {
	s, ok := c.arg(0, "c").(String)
	r := []rune(string(s))
	if !ok || len(r) != 1 {
		return c.wrong(c.arg(0, "c"), "a str of one character")
	}
	return Int(r[0])
}

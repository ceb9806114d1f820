package eval

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stringFormat is str.format: {}, {0} and {name}, with .attribute and [key]
// behind and a format spec after a colon, as in Python.
func stringFormat(c *call) Value {
	var b strings.Builder
	s, next := self(c), 0
	for len(s) > 0 {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		if i+1 < len(s) && s[i+1] == s[i] {
			b.WriteByte(s[i])
			s = s[i+2:]
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if s[i] == '}' || end < 0 {
			return c.errorf("single brace in the format; {{ and }} stand for braces")
		}
		field := s[i+1 : i+end]
		out, err := formatField(c, field, &next)
		if err != nil {
			return c.errorf("{%s}: %v", field, err)
		}
		b.WriteString(out)
		if b.Len()/16 > maxSize {
			return c.newStr(b.String()) // reports that it is too much
		}
		s = s[i+end+1:]
	}
	return c.newStr(b.String())
}

// formatField writes one field. A conversion (!s) is of no effect.
func formatField(c *call, field string, next *int) (string, error) {
	if strings.IndexFunc(field, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 || strings.Contains(field, "{") {
		return "", errors.New("a field has ASCII characters only, and no braces")
	}
	name, spec, _ := strings.Cut(field, ":")
	name, _, _ = strings.Cut(name, "!")
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	v, err := formatArgument(c, name[:end], next)
	for path := name[end:]; path != "" && err == nil; {
		v, path, err = formatStep(v, path)
	}
	if err != nil {
		return "", err
	}
	return formatValue(v, spec)
}

func formatArgument(c *call, name string, next *int) (Value, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "+"), 10, 63)
	switch {
	case name == "":
		n, *next = uint64(*next), *next+1
	case err != nil:
		if v, ok := c.keywords[name]; ok {
			return v, nil
		}
		return nil, errors.New("there is no such keyword argument")
	case *next != 0:
		return nil, errors.New("numbered fields cannot follow fields without a number")
	}
	if n+1 >= uint64(len(c.args)) { // argument 0 is the string
		return nil, errors.New("there are not that many arguments")
	}
	return c.args[n+1], nil
}

// formatStep goes one .attribute or [key] down and returns the rest of the path.
func formatStep(v Value, path string) (Value, string, error) {
	var key string
	if path[0] == '.' {
		end := strings.IndexAny(path[1:], ".[") + 1
		if end == 0 {
			end = len(path)
		}
		key, path = path[1:end], path[end:]
	} else {
		end := strings.IndexByte(path, ']')
		if path[0] != '[' || end < 0 {
			return nil, "", errors.New("expected .attribute or [key]")
		}
		key, path = path[1:end], path[end+1:]
		if n, err := strconv.ParseUint(key, 10, 63); err == nil {
			if l, ok := v.(*List); ok && n < uint64(len(l.Elems)) {
				return l.Elems[n], path, nil
			}
			return nil, "", fmt.Errorf("%s has no element %d", describe(v), n)
		}
	}
	if d := entriesOf(v); d != nil {
		if e := d.Get(key); e != nil {
			return e.Value, path, nil
		}
	}
	return nil, "", fmt.Errorf("%s has no %s", describe(v), quote(key, '"'))
}

// entriesOf returns the entries of a dict or instance, nil of anything else.
func entriesOf(v Value) *Dict {
	switch v := v.(type) {
	case *Dict:
		return v
	case *Instance:
		return v.Attrs
	}
	return nil
}

// formatSpec is [[fill]align][sign][#][0][width][grouping][.precision][type].
type formatSpec struct {
	fill, align byte // align is <, >, = or ^; 0 for the usual one
	sign        byte
	alternate   bool
	width       int
	grouping    string
	precision   int // negative for none
	typ         byte
}

func parseSpec(s string) (f formatSpec, err error) {
	f = formatSpec{fill: ' ', precision: -1}
	if len(s) > 1 && s[0] == '!' && strings.IndexByte("srab", s[1]) >= 0 {
		s = s[2:]
	}
	takeAny := func(set string) (ch byte) {
		if s != "" && strings.IndexByte(set, s[0]) >= 0 {
			ch, s = s[0], s[1:]
		}
		return ch
	}
	takeNumber := func() int {
		digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
		s = s[len(digits):]
		if digits == "" {
			return -1
		}
		n, convErr := strconv.Atoi(digits)
		if convErr != nil || n > maxSize {
			err = fmt.Errorf("%s is too much", digits)
		}
		return n
	}
	filled := len(s) > 1 && strings.IndexByte("<>=^", s[1]) >= 0
	if filled {
		f.fill, s = s[0], s[1:]
	}
	f.align = takeAny("<>=^")
	f.sign = takeAny("-+ ")
	f.alternate = takeAny("#") != 0
	if takeAny("0") != 0 && !filled {
		f.fill = '0'
		if f.align == 0 {
			f.align = '='
		}
	}
	f.width = takeNumber()
	if g := takeAny("_,"); g != 0 {
		f.grouping = string(g)
	}
	if len(s) > 1 && s[0] == '.' && '0' <= s[1] && s[1] <= '9' {
		s = s[1:]
		f.precision = takeNumber()
	}
	f.typ = takeAny("sbcdoxXeEfFgGn%")
	if s != "" && err == nil {
		err = fmt.Errorf("%s is not understood", quote(s, '"'))
	}
	return f, err
}

// formatValue writes numbers and strs by the spec. Other values have none.
func formatValue(v Value, spec string) (string, error) {
	switch v.(type) {
	case Int, Float, String:
	default:
		return text(v), nil
	}
	f, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case Int:
		return f.int(int64(v))
	case Float:
		return f.float(float64(v))
	}
	return f.text(string(v.(String)))
}

func (f *formatSpec) text(s string) (string, error) {
	switch {
	case f.typ != 0 && f.typ != 's':
		return "", fmt.Errorf("%c is for numbers, not for a str", f.typ)
	case f.sign != 0:
		return "", errors.New("a sign is for numbers, not for a str")
	case f.align == '=':
		return "", errors.New("= and leading zeros are for numbers, not for a str")
	}
	if f.precision >= 0 && f.precision < utf8.RuneCountInString(s) {
		s = string([]rune(s)[:f.precision])
	}
	if f.align == 0 {
		f.align = '<'
	}
	return f.pad("", s), nil
}

func (f *formatSpec) int(n int64) (string, error) {
	base := map[byte]int{0: 10, 'd': 10, 'n': 10, 'b': 2, 'o': 8, 'x': 16, 'X': 16}[f.typ]
	if base == 0 {
		if strings.IndexByte("fFeE%", f.typ) < 0 {
			return "", fmt.Errorf("%c is not for an int", f.typ)
		}
		return f.float(float64(n))
	}
	digits := strconv.FormatUint(magnitude(Int(n)), base)
	if f.typ == 'X' {
		digits = strings.ToUpper(digits)
	}
	digits, err := f.group(digits)
	if f.alternate {
		digits = map[int]string{2: "0b", 8: "0o", 16: "0x", 10: ""}[base] + digits
	}
	return f.pad(f.signOf(n < 0), digits), err
}

func (f *formatSpec) float(x float64) (string, error) {
	precision := f.precision
	if precision < 0 {
		precision = 6
	}
	m := math.Abs(x)
	special := math.IsNaN(x) || math.IsInf(x, 0)
	var s string
	switch f.typ {
	case 'f', 'F':
		s = strconv.FormatFloat(m, 'f', precision, 64)
	case 'e', 'E':
		s = strconv.FormatFloat(m, 'e', precision, 64)
	case 'g', 'G':
		s = strconv.FormatFloat(m, 'g', max(precision, 1), 64)
	case '%':
		s = strconv.FormatFloat(m*100, 'f', precision, 64) + "%"
		if special {
			s = strconv.FormatFloat(m, 'f', precision, 64) + "%"
		}
	case 0:
		s = generalFloat(m)
	default:
		return "", fmt.Errorf("%c is not for a float", f.typ)
	}
	if special {
		s = strings.ToLower(strings.TrimPrefix(s, "+"))
	}
	if f.typ == 'F' || f.typ == 'E' || f.typ == 'G' {
		s = strings.ToUpper(s)
	}
	s, err := f.group(s)
	return f.pad(f.signOf(math.Signbit(x) && !math.IsNaN(x)), s), err
}

// generalFloat is the shortest form that has a fraction or an exponent.
func generalFloat(m float64) string {
	s := strconv.FormatFloat(m, 'e', -1, 64)
	if _, exponent, ok := strings.Cut(s, "e"); ok {
		if n, err := strconv.Atoi(exponent); err == nil && -5 < n && n < 16 {
			s = strconv.FormatFloat(m, 'f', -1, 64)
			if !strings.Contains(s, ".") {
				s += ".0"
			}
		}
	}
	return s
}

func (f *formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.sign == '+' || f.sign == ' ':
		return string(f.sign)
	}
	return ""
}

// group puts the separator between the digits before the point.
func (f *formatSpec) group(s string) (string, error) {
	if f.grouping == "" {
		return s, nil
	}
	every := map[byte]int{0: 3, 'd': 3, 'n': 3, 'f': 3, 'F': 3, 'b': 4, 'o': 4, 'x': 4, 'X': 4}[f.typ]
	if every == 0 {
		return "", fmt.Errorf("%c has no groups of digits", f.typ)
	}
	whole, fraction, hasPoint := strings.Cut(s, ".")
	var b strings.Builder
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%every == 0 {
			b.WriteString(f.grouping)
		}
		b.WriteByte(whole[i])
	}
	if hasPoint {
		b.WriteString("." + fraction)
	}
	return b.String(), nil
}

func (f *formatSpec) pad(sign, s string) string {
	n := max(0, f.width-len(sign)-utf8.RuneCountInString(s))
	fill := func(n int) string { return strings.Repeat(string(f.fill), n) }
	switch f.align {
	case '<':
		return sign + s + fill(n)
	case '=':
		return sign + fill(n) + s
	case '^':
		return fill(n/2) + sign + s + fill(n-n/2)
	}
	return fill(n) + sign + s
}

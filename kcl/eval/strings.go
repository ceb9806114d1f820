package eval

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berth-oci/berth/kcl/syntax"
)

// newStringMethods returns the methods of str. Their first argument is the
// string.
func newStringMethods() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"capitalize":   mapString(capitalize),
		"chars":        func(c *call) Value { l, _ := elems(c.args[0]); return listOf(l...) },
		"count":        stringCount,
		"endswith":     affix(strings.HasSuffix),
		"find":         find(strings.Index, false),
		"format":       stringFormat,
		"index":        find(strings.Index, true),
		"isalnum":      every(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }),
		"isalpha":      every(unicode.IsLetter),
		"isdigit":      every(unicode.IsDigit),
		"islower":      cased(unicode.IsUpper, unicode.IsLower),
		"isspace":      every(unicode.IsSpace),
		"istitle":      isTitle,
		"isupper":      cased(unicode.IsLower, unicode.IsUpper),
		"join":         stringJoin,
		"lower":        mapString(strings.ToLower),
		"lstrip":       strip(strings.TrimLeft),
		"removeprefix": trimAffix(strings.TrimPrefix),
		"removesuffix": trimAffix(strings.TrimSuffix),
		"replace":      stringReplace,
		"rfind":        find(strings.LastIndex, false),
		"rindex":       find(strings.LastIndex, true),
		"rsplit":       stringSplit(true),
		"rstrip":       strip(strings.TrimRight),
		"split":        stringSplit(false),
		"splitlines":   splitLines,
		"startswith":   affix(strings.HasPrefix),
		"strip":        strip(strings.Trim),
		"title":        mapString(title),
		"upper":        mapString(strings.ToUpper),
	}
}

func self(c *call) string { return string(c.args[0].(String)) }

func mapString(f func(string) string) func(*call) Value {
	return func(c *call) Value { return String(f(self(c))) }
}

func capitalize(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + strings.ToLower(s[size:])
}

func title(s string) string {
	var b strings.Builder
	inWord := false
	for _, r := range s {
		if inWord {
			r = unicode.ToLower(r)
		} else {
			r = unicode.ToUpper(r)
		}
		inWord = unicode.IsLetter(r)
		b.WriteRune(r)
	}
	return b.String()
}

func isTitle(c *call) Value {
	s := self(c)
	return Bool(s == title(s) && strings.IndexFunc(s, unicode.IsLetter) >= 0)
}

func every(f func(rune) bool) func(*call) Value {
	return func(c *call) Value {
		s := self(c)
		return Bool(s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0)
	}
}

func cased(not, want func(rune) bool) func(*call) Value {
	return func(c *call) Value {
		s := self(c)
		return Bool(strings.IndexFunc(s, not) < 0 && strings.IndexFunc(s, want) >= 0)
	}
}

func affix(f func(s, affix string) bool) func(*call) Value {
	return func(c *call) Value {
		part, ok := c.str(1, "val")
		if !ok {
			return c.wrong(c.arg(1, "val"), "a str")
		}
		return Bool(f(window(c, self(c), 2), part))
	}
}

// window returns the part of s that the optional bounds at arguments i and
// i+1 select.
func window(c *call, s string, i int) string {
	var bounds [3]*Int
	for j := range 2 {
		if n, ok := c.arg(i+j, [...]string{"start", "end"}[j]).(Int); ok {
			bounds[j] = &n
		}
	}
	if bounds[0] == nil && bounds[1] == nil {
		return s
	}
	return string(sliced([]rune(s), bounds))
}

func find(f func(s, sub string) int, must bool) func(*call) Value {
	return func(c *call) Value {
		part, ok := c.str(1, "sub")
		if !ok {
			return c.wrong(c.arg(1, "sub"), "a str")
		}
		s := self(c)
		i := f(window(c, s, 2), part)
		if i < 0 {
			if must {
				return c.errorf("substring not found")
			}
			return Int(-1)
		}
		offset := Int(0)
		if start, ok := c.arg(2, "start").(Int); ok {
			if offset = start; offset < 0 {
				offset = max(0, offset+Int(utf8.RuneCountInString(s)))
			}
		}
		return offset + Int(utf8.RuneCountInString(window(c, s, 2)[:i]))
	}
}

func stringCount(c *call) Value {
	part, ok := c.str(1, "sub")
	if !ok {
		return c.wrong(c.arg(1, "sub"), "a str")
	}
	return Int(strings.Count(window(c, self(c), 2), part))
}

func stringJoin(c *call) Value {
	list, ok := elems(c.arg(1, "iter"))
	if !ok {
		return c.wrong(c.arg(1, "iter"), "a list")
	}
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return c.ev.str(strings.Join(parts, self(c)), c.at)
}

func stringReplace(c *call) Value {
	from, ok1 := c.str(1, "old")
	to, ok2 := c.str(2, "new")
	if !ok1 || !ok2 {
		return c.errorf("expected two strs")
	}
	n := -1
	if count, ok := c.arg(3, "count").(Int); ok {
		n = int(count)
	}
	return c.ev.str(strings.Replace(self(c), from, to, n), c.at)
}

func strip(f func(s, cutset string) string) func(*call) Value {
	return func(c *call) Value {
		if cut, ok := c.str(1, "chars"); ok {
			return String(f(self(c), cut))
		}
		return String(f(self(c), " \t\n\r\f\v"))
	}
}

func trimAffix(f func(s, affix string) string) func(*call) Value {
	return func(c *call) Value {
		part, ok := c.str(1, "affix")
		if !ok {
			return c.wrong(c.arg(1, "affix"), "a str")
		}
		return String(f(self(c), part))
	}
}

func stringSplit(fromRight bool) func(*call) Value {
	return func(c *call) Value {
		limit := -1
		if n, ok := c.arg(2, "maxsplit").(Int); ok && n >= 0 {
			limit = int(n)
		}
		sep, ok := c.str(1, "sep")
		if ok && sep == "" {
			return c.errorf("empty separator")
		}
		var parts []string
		switch {
		case !ok:
			parts = splitFields(self(c), limit)
		case fromRight && limit >= 0:
			parts = rsplit(self(c), sep, limit)
		case limit >= 0:
			parts = strings.SplitN(self(c), sep, limit+1)
		default:
			parts = strings.Split(self(c), sep)
		}
		return stringList(parts)
	}
}

func stringList(parts []string) *List {
	l := listOf()
	for _, p := range parts {
		l.Elems = append(l.Elems, String(p))
	}
	return l
}

// splitFields splits at white space, limit times at most unless it is negative.
func splitFields(s string, limit int) []string {
	if limit < 0 {
		return strings.Fields(s)
	}
	var parts []string
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	for ; limit > 0 && s != ""; limit-- {
		i := strings.IndexFunc(s, unicode.IsSpace)
		if i < 0 {
			break
		}
		parts = append(parts, s[:i])
		s = strings.TrimLeftFunc(s[i:], unicode.IsSpace)
	}
	if s != "" {
		parts = append(parts, s)
	}
	return parts
}

func rsplit(s, sep string, limit int) []string {
	parts := strings.Split(s, sep)
	if len(parts) <= limit+1 {
		return parts
	}
	head := len(parts) - limit
	return append([]string{strings.Join(parts[:head], sep)}, parts[head:]...)
}

func splitLines(c *call) Value {
	s := strings.ReplaceAll(self(c), "\r\n", "\n")
	keep, _ := c.arg(1, "keepends").(Bool)
	var parts []string
	for len(s) > 0 {
		i := strings.IndexAny(s, "\n\r")
		if i < 0 {
			parts = append(parts, s)
			break
		}
		end := i
		if keep {
			end++
		}
		parts = append(parts, s[:end])
		s = s[i+1:]
	}
	return stringList(parts)
}

// stringFormat replaces {}, {0} and {name}, as Python's format without specs.
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
			return c.errorf("single brace in a format string")
		}
		v, ok := formatField(c, s[i+1:i+end], &next)
		if !ok {
			return c.errorf("no argument for {%s}", s[i+1:i+end])
		}
		b.WriteString(text(v))
		s = s[i+end+1:]
	}
	return c.ev.str(b.String(), c.at)
}

func formatField(c *call, field string, next *int) (Value, bool) {
	name := strings.FieldsFunc(field+" ", func(r rune) bool { return r == '.' || r == '[' || r == ' ' || r == ':' })
	var v Value
	switch {
	case len(name) == 0 || strings.HasPrefix(field, ":"):
		*next++
		v = c.arg(*next, "")
	case name[0][0] >= '0' && name[0][0] <= '9':
		if n, err := strconv.ParseUint(name[0], 10, 16); err == nil {
			v = c.arg(int(n)+1, "")
		}
	default:
		v = c.keywords[name[0]]
	}
	if v == nil {
		return nil, false
	}
	for _, step := range name[min(1, len(name)):] {
		v = c.ev.selectAttr(v, strings.TrimSuffix(step, "]"), false, syntax.Range{})
	}
	return v, true
}

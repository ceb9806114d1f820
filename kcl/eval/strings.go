package eval

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	xlanguage "golang.org/x/text/language"
)

// newStringMethods returns the methods of str. Their first argument is the
// string. All but four know arguments by their place only, as in the reference
// runtime.
func newStringMethods() map[string]func(*call) Value {
	methods := map[string]func(*call) Value{
		"capitalize":   mapString(capitalize),
		"chars":        func(c *call) Value { l, _ := elems(c.args[0]); return c.newList(l) },
		"count":        stringCount,
		"endswith":     affix(strings.HasSuffix),
		"find":         find(strings.Index, false),
		"index":        find(strings.Index, true),
		"isalnum":      every(func(r rune) bool { return isAlphabetic(r) || unicode.IsNumber(r) }),
		"isalpha":      every(isAlphabetic),
		"isdigit":      every(isDigit),
		"islower":      cased(isUpper, isLower),
		"isspace":      every(isBlank),
		"istitle":      isTitle,
		"isupper":      cased(isLower, isUpper),
		"join":         stringJoin,
		"lower":        mapString(lower),
		"lstrip":       strip(strings.TrimLeftFunc),
		"removeprefix": trimAffix(strings.TrimPrefix),
		"removesuffix": trimAffix(strings.TrimSuffix),
		"replace":      stringReplace,
		"rfind":        find(strings.LastIndex, false),
		"rindex":       find(strings.LastIndex, true),
		"rstrip":       strip(strings.TrimRightFunc),
		"startswith":   affix(strings.HasPrefix),
		"strip":        strip(strings.TrimFunc),
		"title":        mapString(title),
		"upper":        mapString(upper),
	}
	for name, f := range methods {
		methods[name] = checked(func(c *call) Value {
			c.keywords = nil
			return f(c)
		})
	}
	methods["format"] = checked(stringFormat)
	methods["rsplit"] = checked(stringSplit(true))
	methods["split"] = checked(stringSplit(false))
	methods["splitlines"] = checked(splitLines)
	return methods
}

// self returns the string that a method is called on.
func self(c *call) string {
	s := string(c.args[0].(String))
	c.read(s, 1)
	return s
}

func mapString(f func(string) string) func(*call) Value {
	return func(c *call) Value { return c.newStr(f(self(c))) }
}

func lower(s string) string { return cases.Lower(xlanguage.Und).String(s) }
func upper(s string) string { return cases.Upper(xlanguage.Und).String(s) }

func capitalize(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return upper(s[:size]) + lower(s[size:])
}

// title begins each run of cased letters in upper case and goes on in lower.
func title(s string) string {
	var b strings.Builder
	inWord := false
	for _, r := range s {
		switch {
		case isLower(r) && !inWord:
			b.WriteRune(unicode.ToTitle(r))
		case isLower(r) || !isUpper(r):
			b.WriteRune(r)
		case inWord:
			b.WriteString(lower(string(r)))
		default:
			b.WriteRune(r)
		}
		inWord = isLower(r) || isUpper(r)
	}
	return b.String()
}

func isTitle(c *call) Value {
	any, inWord := false, false
	for _, r := range self(c) {
		isCased := isUpper(r) || isLower(r)
		if isCased && isUpper(r) == inWord {
			return Bool(false)
		}
		any, inWord = any || isCased, isCased
	}
	return Bool(any)
}

func isLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }

// isUpper reports whether r is of upper case, or of title case.
func isUpper(r rune) bool {
	return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) || unicode.IsTitle(r)
}

func isAlphabetic(r rune) bool {
	return unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) || unicode.Is(unicode.Other_Alphabetic, r)
}

// isDigit knows ASCII digits and superscript ones.
func isDigit(r rune) bool {
	return '0' <= r && r <= '9' || r < 0x10000 && strings.ContainsRune("⁰¹²³⁴⁵⁶⁷⁸⁹", r)
}

// isBlank reports whether r is a space or parts words, lines or paragraphs in
// bidirectional text.
func isBlank(r rune) bool {
	return unicode.Is(unicode.Zs, r) || '\t' <= r && r <= '\r' || 0x1c <= r && r <= 0x1f || r == 0x85 || r == 0x2028 || r == 0x2029
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

// window returns the part of the string between the optional bounds at
// arguments 2 and 3, which count bytes, and where it starts; ok is false where
// the bounds leave nothing, not even an empty part.
func window(c *call) (part string, start int, ok bool) {
	s := self(c)
	size := Int(len(s))
	from, to := c.intOr(2, "start", 0), min(c.intOr(3, "end", size), size)
	if from < 0 {
		from = max(0, from+size)
	}
	if to < 0 {
		to = max(0, to+size)
	}
	if from > to {
		return "", 0, false
	}
	if !boundary(s, int(from)) || !boundary(s, int(to)) {
		c.failed = true
		c.errorf("start and end count bytes, and one of them is inside a character")
		return "", 0, false
	}
	return s[from:to], int(from), true
}

func boundary(s string, i int) bool { return i == len(s) || utf8.RuneStart(s[i]) }

func stringCount(c *call) Value {
	part := c.str(1, "sub")
	s, _, ok := window(c)
	if !ok {
		return Int(0)
	}
	return Int(strings.Count(s, part))
}

func affix(f func(s, affix string) bool) func(*call) Value {
	return func(c *call) Value {
		part := c.str(1, "val")
		s, _, ok := window(c)
		return Bool(ok && f(s, part))
	}
}

func find(f func(s, sub string) int, must bool) func(*call) Value {
	return func(c *call) Value {
		part := c.str(1, "sub")
		s, start, ok := window(c)
		i := -1
		if ok {
			i = f(s, part)
		}
		switch {
		case i >= 0:
			return Int(start + i)
		case must && !c.failed:
			return c.errorf("there is no %s", quote(part, '"'))
		}
		return Int(-1)
	}
}

func stringJoin(c *call) Value {
	list := c.iterable(1, "iter")
	parts := make([]string, len(list))
	size := 0
	for i, v := range list {
		parts[i] = text(v)
		if size += len(parts[i]); size/16 > maxSize {
			return c.newStr(parts[i]) // reports that it is too much
		}
	}
	sep := self(c)
	if !c.ev.grow((size+len(sep)*len(parts))/16, c.at) {
		return bad{}
	}
	return String(strings.Join(parts, sep))
}

func stringReplace(c *call) Value {
	s, from, to, n := self(c), c.text(1, "old"), c.text(2, "new"), c.intOr(3, "count", -1)
	count := strings.Count(s, from)
	if n >= 0 {
		count = int(min(n, Int(count)))
	}
	if growth := count * (len(to) - len(from)); growth > 0 && !c.ev.grow(growth/16, c.at) {
		return bad{}
	}
	return c.newStr(strings.Replace(s, from, to, count))
}

func strip(f func(string, func(rune) bool) string) func(*call) Value {
	return func(c *call) Value {
		if _, ok := c.given(1, "chars"); !ok {
			return String(f(self(c), unicode.IsSpace))
		}
		cut := c.text(1, "chars")
		return String(f(self(c), func(r rune) bool { return strings.ContainsRune(cut, r) }))
	}
}

func trimAffix(f func(s, affix string) string) func(*call) Value {
	return func(c *call) Value { return String(f(self(c), c.text(1, "affix"))) }
}

func stringSplit(fromRight bool) func(*call) Value {
	return func(c *call) Value {
		limit := int(min(c.intOr(2, "maxsplit", -1), maxSize))
		if _, ok := c.given(1, "sep"); ok {
			return c.newStrings(split(self(c), c.text(1, "sep"), limit, fromRight))
		}
		if fromRight {
			return c.newStrings(rsplitFields(self(c), limit))
		}
		return c.newStrings(splitFields(self(c), limit))
	}
}

// split splits at sep, limit times at most unless it is negative. An empty sep
// is between all characters, before the first and after the last.
func split(s, sep string, limit int, fromRight bool) []string {
	if limit < 0 {
		limit = len(s) + 1
	}
	if sep == "" {
		var chars []string
		for _, r := range s {
			chars = append(chars, string(r))
		}
		parts := append(append([]string{""}, chars...), "")
		switch {
		case limit >= len(parts)-1:
			return parts
		case fromRight:
			head := len(parts) - limit
			return append([]string{strings.Join(parts[:head], "")}, parts[head:]...)
		}
		return append(parts[:limit:limit], strings.Join(parts[limit:], ""))
	}
	if !fromRight {
		return strings.SplitN(s, sep, limit+1)
	}
	var parts []string
	for ; limit > 0; limit-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return parts
}

const asciiSpace = " \t\n\f\r\v"

// splitFields splits at white space, limit times at most unless it is negative.
func splitFields(s string, limit int) []string {
	var parts []string
	for s = strings.TrimLeft(s, asciiSpace); s != ""; s = strings.TrimLeft(s, asciiSpace) {
		i := strings.IndexAny(s, asciiSpace)
		if i < 0 || limit == 0 {
			return append(parts, s)
		}
		parts = append(parts, s[:i])
		s = s[i:]
		limit--
	}
	return parts
}

func rsplitFields(s string, limit int) []string {
	var parts []string
	for {
		i := strings.LastIndexAny(s, asciiSpace)
		if i < 0 || i+1 < len(s) && limit == 0 {
			break
		}
		if i+1 < len(s) {
			parts = append(parts, s[i+1:])
			limit--
		}
		s = s[:i]
	}
	if s != "" {
		parts = append(parts, s)
	}
	slices.Reverse(parts)
	return parts
}

func splitLines(c *call) Value {
	s, keep := self(c), c.flag(1, "keepends")
	var parts []string
	for len(s) > 0 {
		i := strings.IndexAny(s, "\n\r")
		if i < 0 {
			parts = append(parts, s)
			break
		}
		next := i + 1
		if strings.HasPrefix(s[i:], "\r\n") {
			next++
		}
		if keep {
			i = next
		}
		parts = append(parts, s[:i])
		s = s[next:]
	}
	return c.newStrings(parts)
}

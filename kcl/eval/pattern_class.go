package eval

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// runeSet is a set of characters: ranges in order that do not touch.
type runeSet [][2]rune

func (s runeSet) normal() runeSet {
	slices.SortFunc(s, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var out runeSet
	for _, r := range s {
		if n := len(out); n > 0 && r[0] <= out[n-1][1]+1 {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s runeSet) complement() runeSet {
	var out runeSet
	next := rune(0)
	for _, r := range s.normal() {
		if next < r[0] {
			out = append(out, [2]rune{next, r[0] - 1})
		}
		next = r[1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, [2]rune{next, unicode.MaxRune})
	}
	return out
}

func (s runeSet) intersect(o runeSet) runeSet {
	return append(s.complement(), o.complement()...).complement()
}

// String writes the set as a class of Go's engine, or a single character.
func (s runeSet) String() string {
	if len(s) == 0 {
		return `[^\x{0}-\x{10FFFF}]`
	}
	if len(s) == 1 && s[0][0] == s[0][1] {
		return fmt.Sprintf(`\x{%X}`, s[0][0])
	}
	var b strings.Builder
	b.WriteByte('[')
	for _, r := range s {
		fmt.Fprintf(&b, `\x{%X}-\x{%X}`, r[0], r[1])
	}
	b.WriteByte(']')
	return b.String()
}

func tables(list ...*unicode.RangeTable) runeSet {
	var s runeSet
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, [2]rune{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			s = append(s, [2]rune{r, r})
		}
	}
	for _, t := range list {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return s.normal()
}

func wordSet() runeSet {
	s := tables(unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
	return s
}

// class reads a class in brackets. Classes may hold others, and && -- and ~~
// stand for intersection, difference and symmetric difference.
func (t *translator) class(depth int) (runeSet, error) {
	if depth > 50 {
		return nil, errors.New("classes nest too deeply")
	}
	t.pos++
	negated := strings.HasPrefix(t.rest(), "^")
	if negated {
		t.pos++
	}
	var set, left runeSet
	op := ""
	finish := func() {
		switch op {
		case "&&":
			set = left.intersect(set)
		case "--":
			set = left.intersect(set.complement())
		case "~~":
			set = append(left.intersect(set.complement()), set.intersect(left.complement())...)
		}
		set = set.normal()
	}
	for first := true; ; first = false {
		rest := t.rest()
		switch {
		case rest == "":
			return nil, errors.New("a class has no end")
		case rest[0] == ']' && !first:
			t.pos++
			finish()
			if negated {
				set = set.complement()
			}
			return set, nil
		case strings.HasPrefix(rest, "&&") || strings.HasPrefix(rest, "--") && !first || strings.HasPrefix(rest, "~~"):
			finish()
			left, set, op = set, nil, rest[:2]
			t.pos += 2
		default:
			item, err := t.classItem(depth)
			if err != nil {
				return nil, err
			}
			set = append(set, item...)
		}
	}
}

// classItem reads one element of a class: a class, a character or a range.
func (t *translator) classItem(depth int) (runeSet, error) {
	rest := t.rest()
	if strings.HasPrefix(rest, "[:") {
		if end := strings.Index(rest, ":]"); end > 0 {
			name, negated := strings.CutPrefix(rest[2:end], "^")
			if set, ok := posixClass(name); ok {
				t.pos += end + 2
				if negated {
					set = set.complement()
				}
				return set, nil
			}
		}
	}
	if rest[0] == '[' {
		return t.class(depth + 1)
	}
	lo, err := t.classAtom()
	if err != nil {
		return nil, err
	}
	rest = t.rest()
	if !strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "-]") || strings.HasPrefix(rest, "--") || len(rest) < 2 {
		return lo, nil
	}
	t.pos++
	hi, err := t.classAtom()
	switch {
	case err != nil:
		return nil, err
	case len(lo) != 1 || len(hi) != 1 || lo[0][0] != lo[0][1] || hi[0][0] != hi[0][1] || lo[0][0] > hi[0][0]:
		return nil, errors.New("a range of a class is none")
	}
	return runeSet{{lo[0][0], hi[0][0]}}, nil
}

func (t *translator) classAtom() (runeSet, error) {
	if strings.HasPrefix(t.rest(), `\`) {
		return t.classEscape()
	}
	r, size := utf8.DecodeRuneInString(t.rest())
	t.pos += size
	return runeSet{{r, r}}, nil
}

// posixClass returns an ASCII class by its name.
func posixClass(name string) (runeSet, bool) {
	s, ok := map[string]runeSet{
		"alnum": {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, "alpha": {{'A', 'Z'}, {'a', 'z'}}, "ascii": {{0, 0x7f}},
		"blank": {{'\t', '\t'}, {' ', ' '}}, "cntrl": {{0, 0x1f}, {0x7f, 0x7f}}, "digit": {{'0', '9'}}, "graph": {{'!', '~'}},
		"lower": {{'a', 'z'}}, "print": {{' ', '~'}}, "punct": {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}},
		"space": {{'\t', '\r'}, {' ', ' '}}, "upper": {{'A', 'Z'}}, "word": {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
		"xdigit": {{'0', '9'}, {'A', 'F'}, {'a', 'f'}},
	}[name]
	return s, ok
}

// classEscape reads an escape that stands for characters.
func (t *translator) classEscape() (runeSet, error) {
	if t.pos+1 >= len(t.src) {
		return nil, errors.New("a backslash at the end")
	}
	ch, size := utf8.DecodeRuneInString(t.src[t.pos+1:])
	t.pos += 1 + size
	var set runeSet
	switch unicode.ToLower(ch) {
	case 'd':
		set = tables(unicode.Nd)
	case 'w':
		set = wordSet()
	case 's':
		set = tables(unicode.White_Space)
	case 'h':
		set, _ = posixClass("xdigit")
	case 'p':
		return t.property(ch == 'P')
	case 'x', 'u':
		return t.codePoint(ch)
	}
	if set != nil {
		if unicode.IsUpper(ch) {
			set = set.complement()
		}
		return set, nil
	}
	if digit := t.rest(); ch == '0' && digit != "" && '0' <= digit[0] && digit[0] <= '9' {
		return nil, errors.New("octal escapes are not known")
	}
	if i := strings.IndexRune("aftnrve0", ch); i >= 0 {
		r := rune("\a\f\t\n\r\v\x1b\x00"[i])
		return runeSet{{r, r}}, nil
	}
	if ch >= utf8.RuneSelf || 'a' <= unicode.ToLower(ch) && unicode.ToLower(ch) <= 'z' || '0' <= ch && ch <= '9' {
		return nil, fmt.Errorf(`the escape \%c is not known`, ch)
	}
	return runeSet{{ch, ch}}, nil
}

// codePoint reads \x41, \u0041, \U00000041 or one of them with braces.
func (t *translator) codePoint(kind rune) (runeSet, error) {
	digits := t.rest()
	if strings.HasPrefix(digits, "{") {
		end := strings.IndexByte(digits, '}')
		if end < 0 {
			return nil, errors.New("an escape has no }")
		}
		t.pos += end + 1
		digits = digits[1:end]
	} else {
		n := map[rune]int{'x': 2, 'u': 4, 'U': 8}[kind]
		digits = digits[:min(n, len(digits))]
		t.pos += len(digits)
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > unicode.MaxRune {
		return nil, fmt.Errorf(`\%c%s is no character`, kind, digits)
	}
	return runeSet{{rune(n), rune(n)}}, nil
}

// property reads the name of a Unicode category, script or property.
func (t *translator) property(negated bool) (runeSet, error) {
	name := t.rest()
	if strings.HasPrefix(name, "{") {
		end := strings.IndexByte(name, '}')
		if end < 0 {
			return nil, errors.New(`\p has no }`)
		}
		t.pos += end + 1
		name = name[1:end]
	} else {
		_, size := utf8.DecodeRuneInString(name)
		name = name[:size]
		t.pos += size
	}
	set := unicodeSet(name)
	if set == nil {
		return nil, fmt.Errorf("there is no Unicode property %s", quote(name, '"'))
	}
	if negated {
		set = set.complement()
	}
	return set, nil
}

func unicodeSet(name string) runeSet {
	for _, prefix := range []string{"gc=", "sc=", "General_Category=", "Script="} {
		name = strings.TrimPrefix(name, prefix)
	}
	loose := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", " ", "", "-", "").Replace(s))
	}
	name = loose(name)
	switch name {
	case "any":
		return runeSet{{0, unicode.MaxRune}}
	case "ascii":
		return runeSet{{0, 0x7f}}
	case "alphabetic", "alpha":
		return tables(unicode.L, unicode.Nl, unicode.Other_Alphabetic)
	case "lowercase", "lower":
		return tables(unicode.Ll, unicode.Other_Lowercase)
	case "uppercase", "upper":
		return tables(unicode.Lu, unicode.Other_Uppercase)
	case "space":
		return tables(unicode.White_Space)
	}
	for alias, full := range unicode.CategoryAliases {
		if loose(alias) == name {
			return tables(unicode.Categories[full])
		}
	}
	for _, tablesByName := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts, unicode.Properties} {
		for key, table := range tablesByName {
			if loose(key) == name {
				return tables(table)
			}
		}
	}
	return nil
}

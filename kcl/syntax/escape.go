package syntax

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/runenames"
)

// unescape decodes the inside of a string, which begins at an offset of the
// source. Escapes that mean nothing stay as they are.
func (p *parser) unescape(raw string, begin int) string {
	if !strings.ContainsAny(raw, "\\\r") {
		return raw
	}
	var b strings.Builder
	for i := 0; i < len(raw); {
		switch {
		case raw[i] == '\\' && i+1 < len(raw):
			text, n := escape(raw[i:])
			if n == 0 {
				p.fail(Range{p.src, begin + i, begin + i + 2}, "", "invalid escape in string")
			}
			b.WriteString(text)
			i += n
		case strings.HasPrefix(raw[i:], "\r\n"):
			i++
		default:
			b.WriteByte(raw[i])
			i++
		}
	}
	return b.String()
}

// escape decodes the escape that s begins with. The length is 0 when it is not
// complete or not a character.
func escape(s string) (text string, length int) {
	const letters, meanings = `\'"abfnrtv`, "\\'\"\a\b\f\n\r\t\v"
	if i := strings.IndexByte(letters, s[1]); i >= 0 {
		return meanings[i : i+1], 2
	}
	switch s[1] {
	case '\n':
		return "", 2
	case '\r':
		if strings.HasPrefix(s, "\\\r\n") {
			return "", 3
		}
	case 'x':
		return codePoint(s, 2)
	case 'u':
		return codePoint(s, 4)
	case 'U':
		return codePoint(s, 8)
	case 'N':
		if end := strings.IndexByte(s, '}'); end > 0 && s[2] == '{' {
			if r, ok := namedRune(s[3:end]); ok {
				return string(r), end + 1
			}
		}
		return "", 0
	}
	n := 1
	for n < len(s) && n < 4 && '0' <= s[n] && s[n] <= '7' {
		n++
	}
	if n == 1 {
		return s[:2], 2
	}
	v, _ := strconv.ParseUint(s[1:n], 8, 32) // at most 0o777
	return string(rune(v)), n
}

// codePoint decodes the number of a character, of which all digits must be
// there. A lone surrogate becomes the replacement character.
func codePoint(s string, digits int) (string, int) {
	if len(s) < 2+digits {
		return "", 0
	}
	v, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil || v > utf8.MaxRune {
		return "", 0
	}
	return string(rune(v)), 2 + digits
}

// runeNames has the characters by the names that Unicode gives them.
var runeNames = sync.OnceValue(func() map[string]rune {
	m := make(map[string]rune)
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if name := runenames.Name(r); name != "" && name[0] != '<' {
			m[name] = r
		}
	}
	return m
})

// namedRune finds the character of a name, in letters of either case.
func namedRune(name string) (rune, bool) {
	name = strings.ToUpper(name)
	if hex, ok := strings.CutPrefix(name, "CJK UNIFIED IDEOGRAPH-"); ok {
		v, err := strconv.ParseUint(hex, 16, 32)
		return rune(v), err == nil && strings.HasPrefix(runenames.Name(rune(v)), "<CJK Ideograph")
	}
	r, ok := runeNames()[name]
	return r, ok
}

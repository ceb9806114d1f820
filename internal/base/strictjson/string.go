package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string. What it returns keeps nothing else of the text in
// memory.
func (r *Reader) String() string {
	raw, escaped := r.scan()
	if escaped {
		return unescape(raw)
	}
	return strings.Clone(raw)
}

// Strings reads an array of strings.
func (r *Reader) Strings() []string {
	list := []string{}
	r.Array(func() { list = append(list, r.String()) })
	return list
}

// name is String without a copy, for what is not kept.
func (r *Reader) name() string {
	raw, escaped := r.scan()
	if escaped {
		return unescape(raw)
	}
	return raw
}

// scan reads a string and returns what is between its quotes.
func (r *Reader) scan() (raw string, escaped bool) {
	if r.next('"', "a string"); r.err != nil {
		return "", false
	}
	for from := r.at; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[from : r.at-1], escaped
		case c == '\\':
			escaped = true
			r.escape()
		case c < ' ':
			r.Fail("a string has the control character %q", c)
		}
		if r.err != nil {
			return "", false
		}
	}
	r.Fail("the JSON ends in a string")
	return "", false
}

// escape checks the escape sequence at hand and goes to its last character. Half
// a surrogate pair is no character (RFC 7493, section 2.1), and read differently
// by everybody.
func (r *Reader) escape() {
	rest := r.text[r.at:]
	if len(rest) > 1 && strings.IndexByte(`"\/bfnrt`, rest[1]) >= 0 {
		r.at++
		return
	}
	switch c, n := character(rest); {
	case n == 0:
		r.Fail("a string has the escape sequence %.6q", rest)
	case utf16.IsSurrogate(c):
		r.Fail("a string has half a surrogate pair: %.6s", rest)
	default:
		r.at += n - 1
	}
}

// character returns what the one or two \u sequences at the beginning of s stand
// for, and how long they are: a half of a surrogate pair as it is, and 0 for no
// such sequence.
func character(s string) (c rune, n int) {
	c, ok := codeUnit(s)
	if !ok {
		return 0, 0
	}
	if low, ok := codeUnit(s[6:]); ok {
		if both := utf16.DecodeRune(c, low); both != utf8.RuneError {
			return both, 12
		}
	}
	return c, 6
}

func codeUnit(s string) (rune, bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	c, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(c), err == nil
}

// unescape returns what a string that was scanned stands for.
func unescape(raw string) string {
	b := make([]byte, 0, len(raw))
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			return string(append(b, raw...))
		}
		b, raw = append(b, raw[:i]...), raw[i:]
		n := 2
		switch raw[1] {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			var c rune
			c, n = character(raw)
			b = utf8.AppendRune(b, c)
		default:
			b = append(b, raw[1])
		}
		raw = raw[n:]
	}
}

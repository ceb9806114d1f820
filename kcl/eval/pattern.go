package eval

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// translatePattern writes a pattern of the reference runtime for Go's engine,
// where the meaning is the same: the classes \d, \w and \s are those of
// Unicode, \h is a hexadecimal digit, classes may hold classes and be
// intersected, and (?x) allows white space and comments.
func translatePattern(expr string) (string, error) {
	t := &translator{src: expr}
	for t.pos < len(t.src) {
		if err := t.next(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

type translator struct {
	src      string
	pos      int
	out      strings.Builder
	extended []bool // whether (?x) holds, for each open group
	spaced   bool   // whether it holds here
	repeated bool   // the last thing was a repetition
	start    bool   // the last thing was ^
}

func (t *translator) rest() string { return t.src[t.pos:] }

func (t *translator) next() error {
	r, size := utf8.DecodeRuneInString(t.rest())
	wasRepeated, wasStart := t.repeated, t.start
	t.repeated, t.start = false, r == '^'
	switch {
	case t.spaced && unicode.IsSpace(r):
		t.pos += size
		t.repeated = wasRepeated
		return nil
	case t.spaced && r == '#':
		if i := strings.IndexByte(t.rest(), '\n'); i >= 0 {
			t.pos += i
		} else {
			t.pos = len(t.src)
		}
		return nil
	case r == '\\':
		return t.escape()
	case r == '[':
		set, err := t.class(0)
		if err == nil {
			t.out.WriteString(set.String())
		}
		return err
	case r == '(':
		return t.group()
	case r == ')':
		if n := len(t.extended); n > 0 {
			t.spaced, t.extended = t.extended[n-1], t.extended[:n-1]
		}
	case strings.HasPrefix(t.rest(), "{,") && len(t.rest()) > 2 && '0' <= t.rest()[2] && t.rest()[2] <= '9':
		t.out.WriteString("{0")
		t.pos++
		return nil
	case wasStart && strings.ContainsRune("*+?", r):
		return errors.New("^ cannot be repeated")
	case r == '+' && wasRepeated:
		return unsupported{"the possessive repetition " + t.src[t.pos-1:t.pos+1], "write the repetition without the second +"}
	case r == '*' || r == '+' || r == '?' && !wasRepeated || r == '}':
		t.repeated = t.out.Len() > 0
	}
	t.out.WriteString(t.src[t.pos : t.pos+size])
	t.pos += size
	return nil
}

// group handles what opens with a parenthesis.
func (t *translator) group() error {
	rest := t.rest()
	for _, look := range []struct{ prefix, name string }{
		{"(?=", "the lookahead (?=...)"}, {"(?!", "the negative lookahead (?!...)"},
		{"(?<=", "the lookbehind (?<=...)"}, {"(?<!", "the negative lookbehind (?<!...)"},
	} {
		if strings.HasPrefix(rest, look.prefix) {
			return unsupported{look.name, "match twice, once for each condition, and join the results with and"}
		}
	}
	switch {
	case strings.HasPrefix(rest, "(?>"):
		return unsupported{"the atomic group (?>...)", "write (?:...): without backtracking it means the same or more"}
	case strings.HasPrefix(rest, "(?#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return errors.New("a comment has no end")
		}
		t.pos += end + 1
		return nil
	case !strings.HasPrefix(rest, "(?") || strings.HasPrefix(rest, "(?P") || strings.HasPrefix(rest, "(?<"):
		t.extended = append(t.extended, t.spaced)
		t.out.WriteByte('(')
		t.pos++
		if end := strings.IndexByte(rest, '>'); strings.HasPrefix(rest, "(?") && end > 0 {
			t.out.WriteString(rest[1 : end+1])
			t.pos += end
		}
		return nil
	}
	end := strings.IndexAny(rest, ":)")
	if end < 0 {
		return errors.New("a group has no end")
	}
	return t.flags(rest[2:end], rest[end] == ':')
}

// flags handles (?flags) and (?flags:...).
func (t *translator) flags(flags string, opens bool) error {
	if strings.ContainsAny(flags, "R") {
		return errors.New("the flag R is not known")
	}
	if opens {
		t.extended = append(t.extended, t.spaced)
	}
	on, off, _ := strings.Cut(flags, "-")
	if strings.Contains(on, "x") {
		t.spaced = true
	}
	if strings.Contains(off, "x") {
		t.spaced = false
	}
	if strings.Contains(off, "u") {
		return errors.New("support for Unicode cannot be turned off")
	}
	kept := strings.NewReplacer("x", "", "u", "").Replace(flags)
	kept = strings.TrimSuffix(kept, "-")
	t.pos += len("(?") + len(flags) + 1
	switch {
	case opens:
		t.out.WriteString("(?" + kept + ":")
	case kept != "":
		t.out.WriteString("(?" + kept + ")")
	}
	return nil
}

// escape handles a backslash outside of a class.
func (t *translator) escape() error {
	if t.pos+1 >= len(t.src) {
		return errors.New("a backslash at the end")
	}
	switch ch := t.src[t.pos+1]; {
	case strings.IndexByte("AzbB", ch) >= 0:
		if strings.HasPrefix(t.src[t.pos+2:], "{") {
			return unsupported{`the boundary ` + t.src[t.pos:], `use \b`}
		}
		t.out.WriteString(t.src[t.pos : t.pos+2])
		t.pos += 2
		return nil
	case '1' <= ch && ch <= '9' || ch == 'k':
		if !strings.Contains(t.out.String(), "(") {
			return fmt.Errorf(`\%c refers to no group`, ch)
		}
		return unsupported{`the backreference \` + string(ch), "compare the groups that regex.findall returns"}
	case ch == '<' || ch == '>':
		return unsupported{`the boundary \` + string(ch), `use \b`}
	}
	set, err := t.classEscape()
	if err == nil {
		t.out.WriteString(set.String())
	}
	return err
}

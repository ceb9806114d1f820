package eval

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

// WriteYAML writes a plain value (see Plain) as a block-style document that
// ends with a line break. Style and quotes are those of libyaml, which the
// reference runtime writes with.
func WriteYAML(b *strings.Builder, v any) {
	w := &yamlWriter{b: b}
	w.node(v, -2, atStart)
	w.line(0)
}

// blockHeader matches the last line but the text of an entry that is a literal
// block.
var blockHeader = lazyregexp.New(`^( *).*: \|[+-]?$`)

// document returns a document without the line break at its end. That stays
// where the line before the last one that is indented less begins a literal
// block, as the reference runtime has it.
func document(text string) string {
	stripped := strings.TrimSuffix(text, "\n")
	last := -1
	for lines := strings.Split(stripped, "\n"); len(lines) > 0; lines = lines[:len(lines)-1] {
		line := lines[len(lines)-1]
		indent := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case indent == len(line): // empty
		case last < 0:
			last = indent
		case indent < last && blockHeader().MatchString(line):
			return text
		case indent < last:
			return stripped
		}
	}
	return stripped
}

type yamlWriter struct{ b *strings.Builder }

// yamlPlace is what stands before a value on its line.
type yamlPlace int

const (
	atStart    yamlPlace = iota // nothing
	afterKey                    // key:
	afterDash                   // -
	afterColon                  // : of a value whose key has lines of its own, or ? of such a key
)

// node writes a value that is part of something at the given indentation.
func (w *yamlWriter) node(v any, indent int, place yamlPlace) {
	if tooLong(w.b) {
		return
	}
	switch v := v.(type) {
	case *Object:
		if len(v.Keys) > 0 {
			w.object(v, indent+2, place)
			return
		}
	case []any:
		if len(v) > 0 {
			if place != afterKey {
				indent += 2
			}
			w.list(v, max(indent, 0), place)
			return
		}
	}
	if place != atStart {
		w.b.WriteByte(' ')
	}
	w.b.WriteString(yamlScalar(v, max(indent, 0)))
}

func (w *yamlWriter) object(o *Object, indent int, place yamlPlace) {
	for i, key := range o.Keys {
		w.begin(i, indent, place)
		if simpleKey(key) {
			w.b.WriteString(yamlKey(key) + ":")
			w.node(o.Values[key], indent, afterKey)
			continue
		}
		w.b.WriteString("?")
		w.node(key, indent, afterColon)
		w.line(indent)
		w.b.WriteString(":")
		w.node(o.Values[key], indent, afterColon)
	}
}

func (w *yamlWriter) list(list []any, indent int, place yamlPlace) {
	for i, v := range list {
		w.begin(i, indent, place)
		w.b.WriteByte('-')
		w.node(v, indent, afterDash)
	}
}

// begin starts entry i of a collection. The first one goes on the line of a
// dash or colon.
func (w *yamlWriter) begin(i, indent int, place yamlPlace) {
	switch {
	case i > 0 || place == afterKey:
		w.line(indent)
	case place != atStart:
		w.b.WriteByte(' ')
	}
}

// line goes to a new line unless the last value ended its own.
func (w *yamlWriter) line(indent int) {
	if last, _ := utf8.DecodeLastRuneInString(w.b.String()); w.b.Len() > 0 && !isLineBreak(last) {
		w.b.WriteByte('\n')
	}
	w.b.WriteString(strings.Repeat(" ", indent))
}

func yamlScalar(v any, indent int) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return shortFloat(readFloat(shortFloat(v, "e")), "e") // the reference runtime goes by way of JSON
	case string:
		return yamlString(v, indent)
	case []any:
		return "[]"
	}
	return "{}"
}

// yamlString writes a str: in quotes where it would be read as something else,
// as a literal block where it has several lines.
func yamlString(s string, indent int) string {
	a := analyze(s)
	switch {
	case strings.Contains(s, "\n") && a.block:
		return yamlBlock(s, indent)
	case strings.Contains(s, "\n"):
		return yamlDoubleQuoted(s)
	case a.plain && !ambiguous(s):
		return s
	case a.single:
		return yamlSingleQuoted(s, indent)
	}
	return yamlDoubleQuoted(s)
}

// yamlKey writes a key that has one line.
func yamlKey(s string) string { return yamlString(s, 0) }

// simpleKey reports whether a key stands on the line of its value.
func simpleKey(s string) bool { return len(s) <= 128 && !strings.ContainsFunc(s, isLineBreak) }

// yamlSingleQuoted indents what stands behind a line break other than \n, with
// which a str would be a literal block.
func yamlSingleQuoted(s string, indent int) string {
	var b strings.Builder
	b.WriteByte('\'')
	atLine := false
	for _, r := range s + "'" {
		if atLine && !isLineBreak(r) {
			b.WriteString(strings.Repeat(" ", indent+2))
		}
		atLine = isLineBreak(r)
		b.WriteRune(r)
		if r == '\'' {
			b.WriteRune(r)
		}
	}
	return strings.TrimSuffix(b.String(), "'")
}

// ambiguous reports whether a plain s could be read as something else than a
// str, by whatever version of YAML: what begins as a number or date is quoted.
func ambiguous(s string) bool {
	switch strings.ToLower(s) {
	case "", "~", "null", "true", "false", "y", "yes", "n", "no", "on", "off", "nan":
		return true
	}
	return strings.IndexByte("0123456789+-.", s[0]) >= 0
}

// styles are the ways in which a str can be written.
type styles struct{ plain, single, block bool }

// analyze follows yaml_emitter_analyze_scalar of libyaml.
func analyze(s string) styles {
	if s == "" {
		return styles{plain: true, single: true}
	}
	var special, indicator, breaks, spaceBreak, breakSpace bool
	indicator = strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...")
	previous := ' ' // what stands before counts as white space, and what comes behind
	for i, r := range s {
		next, size := rune(' '), utf8.RuneLen(r)
		if i+size < len(s) {
			next, _ = utf8.DecodeRuneInString(s[i+size:])
		}
		blankNext := isBlankOrBreak(next)
		switch {
		case r == ':' && blankNext, r == '#' && isBlankOrBreak(previous):
			indicator = true
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r), i == 0 && (r == '?' || r == '-') && blankNext:
			indicator = true
		}
		special = special || !printable(r)
		breaks = breaks || isLineBreak(r)
		spaceBreak = spaceBreak || i > 0 && previous == ' ' && isLineBreak(r)
		breakSpace = breakSpace || i > 0 && isLineBreak(previous) && r == ' '
		previous = r
	}
	first, _ := utf8.DecodeRuneInString(s)
	outer := first == ' ' || isLineBreak(first) || previous == ' ' || isLineBreak(previous)
	special = special || spaceBreak
	return styles{
		plain:  !special && !indicator && !breaks && !outer,
		single: !special && !breakSpace,
		block:  !special && previous != ' ',
	}
}

func isLineBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029
}

func isBlankOrBreak(r rune) bool { return r == ' ' || r == '\t' || r == 0 || isLineBreak(r) }

// printable reports whether libyaml writes r as it is.
func printable(r rune) bool {
	return r == '\n' || ' ' <= r && r <= '~' || 0xa0 <= r && r < 0xd800 || 0xe000 <= r && r != 0xfeff && r != 0xfffe && r != 0xffff
}

// yamlBlock writes a text of several lines as a literal block.
func yamlBlock(s string, indent int) string {
	var b strings.Builder
	b.WriteByte('|')
	if first, _ := utf8.DecodeRuneInString(s); first == ' ' || isLineBreak(first) {
		b.WriteByte('2')
	}
	runes := []rune(s)
	last := len(runes) - 1
	switch {
	case !isLineBreak(runes[last]):
		b.WriteByte('-')
	case last == 0 || isLineBreak(runes[last-1]):
		b.WriteByte('+')
	}
	b.WriteByte('\n')
	atLine := true
	for _, r := range runes {
		if !isLineBreak(r) && atLine {
			b.WriteString(strings.Repeat(" ", indent+2))
		}
		atLine = isLineBreak(r)
		b.WriteRune(r)
	}
	return b.String()
}

func yamlDoubleQuoted(s string) string {
	short := map[rune]string{
		0: "0", '\a': "a", '\b': "b", '\t': "t", '\n': "n", '\v': "v", '\f': "f", '\r': "r", 0x1b: "e",
		'"': `"`, '\\': `\`, 0x85: "N", 0x2028: "L", 0x2029: "P",
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		esc, isShort := short[r]
		switch {
		case isShort:
			b.WriteString(`\` + esc)
		case printable(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02X`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

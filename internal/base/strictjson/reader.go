// Package strictjson reads JSON that means the same to whoever reads it: the
// profile of RFC 7493 (I-JSON), and a little more. What programs make differently
// of a text, such as two members of one name, is a way to show one of them what
// the other does not see; such texts are refused, and not interpreted.
//
// What a text says it means to encoding/json as well, for types with the members
// that a caller asks for. It knows no documents: those who call it do.
package strictjson

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep values are nested: manifests and configs of images
// have four levels, and what tools add to them few more.
const maxDepth = 64

// maxMembers bounds the members of one object: the larger it is, the longer each of
// its names takes to compare. Manifests have some dozen annotations.
const maxMembers = 10_000

// Reader reads one text from its beginning. After a fault its methods do nothing
// and return zero values, so that only Read has to look at it.
type Reader struct {
	text  string
	at    int
	depth int
	names []string // of the members so far of all objects that are open
	err   error
}

// Read lets value read the value that data consists of.
//
// Errors: what is wrong with the text first, and where; they name no document.
func Read(data []byte, value func(*Reader)) error {
	r := &Reader{text: string(data)}
	if !utf8.ValidString(r.text) {
		return fmt.Errorf("it is not UTF-8")
	}
	value(r)
	if r.space(); r.err == nil && r.at < len(r.text) {
		r.Fail("something follows the end of the JSON")
	}
	return r.err
}

// Fail stops the reading with a fault, and the place that it was found at.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format+" (at byte %d)", append(args, r.at)...)
	}
}

// Object reads an object. member is called with the name of each member and has to
// read its value; it clones a name that it keeps. No name may be there twice, nor
// one of known in other letters: encoding/json takes "Layers" for "layers", and
// others do not. A member of known that is null counts as missing.
func (r *Reader) Object(known []string, member func(name string)) {
	if !r.open('{', "an object") {
		return
	}
	first := len(r.names)
	var many map[string]struct{}
	for more := !r.closes('}'); more; more = r.more('}') {
		name := r.name()
		if r.next(':', "a colon"); r.err != nil {
			return
		}
		if many = r.once(name, first, many); r.err != nil {
			return
		}
		if !r.knows(known, name) || !r.Null() {
			member(name)
		}
	}
	r.names = r.names[:first]
	r.depth--
}

// once fails for a name that the object has already. Few are compared one by one;
// from some on, many has them.
func (r *Reader) once(name string, first int, many map[string]struct{}) map[string]struct{} {
	const few = 16
	twice := false
	if len(many) == maxMembers {
		r.Fail("an object has more than %d members", maxMembers)
		return many
	}
	switch own := r.names[first:]; {
	case many != nil:
		_, twice = many[name]
		many[name] = struct{}{}
	case len(own) < few:
		twice = slices.Contains(own, name)
		r.names = append(r.names, name)
	default:
		many = make(map[string]struct{}, 4*few)
		for _, n := range own {
			many[n] = struct{}{}
		}
		return r.once(name, first, many)
	}
	if twice {
		r.Fail("an object has two members %.100q", name)
	}
	return many
}

// knows reports whether a name is one of known. It fails for one in other letters.
func (r *Reader) knows(known []string, name string) bool {
	if slices.Contains(known, name) {
		return true
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			r.Fail("the member %.100q is spelled %q", name, k)
		}
	}
	return false
}

// Array reads an array. element is called before each element and has to read it.
func (r *Reader) Array(element func()) {
	if !r.open('[', "an array") {
		return
	}
	for more := !r.closes(']'); more; more = r.more(']') {
		element()
	}
	r.depth--
}

// open reads the beginning of an object or array.
func (r *Reader) open(c byte, what string) bool {
	if r.next(c, what); r.err != nil {
		return false
	}
	if r.depth++; r.depth > maxDepth {
		r.Fail("the JSON is nested deeper than %d levels", maxDepth)
	}
	return r.err == nil
}

// closes reads the end of an object or array, if it is there.
func (r *Reader) closes(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

// more reads what follows a member or element, and reports whether that is
// another one.
func (r *Reader) more(end byte) bool {
	switch {
	case r.err != nil || r.closes(end):
		return false
	case r.peek() != ',':
		r.unexpected("a comma or " + strconv.QuoteRune(rune(end)))
		return false
	}
	r.at++
	return true
}

// Null reads null, if that is what is there.
func (r *Reader) Null() bool {
	if r.peek() != 'n' {
		return false
	}
	r.word("null")
	return r.err == nil
}

// Int reads a number that is an integer of 64 bits, written without a fraction or
// an exponent.
func (r *Reader) Int() int64 {
	r.space()
	from := r.at
	if r.number(); r.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(r.text[from:r.at], 10, 64)
	if err != nil {
		r.at = from
		r.Fail("%.40s is not an integer of 64 bits", r.text[from:])
	}
	return n
}

// Skip reads a value that nobody asks for, and checks it as all others.
func (r *Reader) Skip() {
	switch c := r.peek(); {
	case c == '{':
		r.Object(nil, func(string) { r.Skip() })
	case c == '[':
		r.Array(r.Skip)
	case c == '"':
		r.scan()
	case c == 't':
		r.word("true")
	case c == 'f':
		r.word("false")
	case c == 'n':
		r.word("null")
	case c == '-' || digit(c):
		r.number()
	default:
		r.unexpected("a value")
	}
}

// number reads one of RFC 8259, section 6.
func (r *Reader) number() {
	from := r.at
	r.accept("-")
	if !r.accept("0") {
		r.digits(from)
	}
	if r.accept(".") {
		r.digits(from)
	}
	if r.accept("eE") {
		r.accept("+-")
		r.digits(from)
	}
}

// digits reads one or more of the number that begins at from.
func (r *Reader) digits(from int) {
	first := r.at
	for r.at < len(r.text) && digit(r.text[r.at]) {
		r.at++
	}
	if r.at == first {
		r.at = from
		r.unexpected("a number")
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// accept reads one of some characters, if that is next.
func (r *Reader) accept(chars string) bool {
	if r.err != nil || r.at == len(r.text) || strings.IndexByte(chars, r.text[r.at]) < 0 {
		return false
	}
	r.at++
	return true
}

func (r *Reader) word(w string) {
	if !strings.HasPrefix(r.text[r.at:], w) {
		r.unexpected(w)
		return
	}
	r.at += len(w)
}

// next reads a character that has to be there.
func (r *Reader) next(c byte, what string) {
	if r.peek() != c {
		r.unexpected(what)
		return
	}
	r.at++
}

// peek returns the next character that is no space, and 0 at the end or after a
// fault.
func (r *Reader) peek() byte {
	if r.space(); r.err != nil || r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

func (r *Reader) unexpected(want string) {
	if r.at == len(r.text) {
		r.Fail("the JSON ends where %s has to be", want)
		return
	}
	c, _ := utf8.DecodeRuneInString(r.text[r.at:])
	r.Fail("%q is where %s has to be", c, want)
}

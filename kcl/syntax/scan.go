package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tabWidth is what a tab counts for in indentation.
const tabWidth = 4

// scanner splits a source into tokens. It keeps no structure: brackets, lines
// and indentation are the parser's.
type scanner struct {
	src    *Source
	text   string
	pos    int
	errorf func(start, end int, hint, format string, args ...any)

	indentChar byte // the first character that indents a line, ' ' or '\t'
}

// scan returns all tokens, the last of which is EOF.
func (s *scanner) scan() []token {
	tokens := make([]token, 0, len(s.text)/4+1)
	first, column := true, s.indent()
	for {
		newline, col := s.skip()
		if newline {
			first, column = true, col
		}
		t := token{start: s.pos, first: first, column: column}
		if s.pos >= len(s.text) {
			t.kind, t.end, t.first = EOF, s.pos, true
			t.column = 0
			return append(tokens, t)
		}
		t.kind = s.next()
		t.end = s.pos
		tokens = append(tokens, t)
		first = false
	}
}

// indent measures the white space at the start of a line.
func (s *scanner) indent() int {
	width, start := 0, s.pos
	var mixed bool
	for ; s.pos < len(s.text); s.pos++ {
		c := s.text[s.pos]
		if c != ' ' && c != '\t' {
			break
		}
		if s.indentChar == 0 {
			s.indentChar = c
		}
		mixed = mixed || c != s.indentChar
		if c == '\t' {
			width += tabWidth
		} else {
			width++
		}
	}
	if mixed && s.pos < len(s.text) && !strings.ContainsRune("\r\n#", rune(s.text[s.pos])) {
		s.errorf(start, s.pos, "indent with spaces only", "inconsistent use of tabs and spaces in indentation")
	}
	return width
}

// skip passes white space, comments and line breaks, and reports whether a
// line began and how far it is indented.
func (s *scanner) skip() (newline bool, column int) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\f':
			s.pos++
		case c == '\n':
			s.pos++
			newline, column = true, s.indent()
		case c == '#':
			if i := strings.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
				s.pos += i
			} else {
				s.pos = len(s.text)
			}
		case c == '\\':
			rest := strings.TrimLeft(s.text[s.pos+1:], " \t\r")
			if !strings.HasPrefix(rest, "\n") {
				return newline, column
			}
			s.pos = len(s.text) - len(rest) + 1
		default:
			return newline, column
		}
	}
	return newline, column
}

// operators, longest first.
var operators = [][]struct {
	text string
	kind Kind
}{
	{{"//=", FLOORDIV_ASSIGN}, {"**=", POW_ASSIGN}, {"<<=", SHL_ASSIGN}, {">>=", SHR_ASSIGN}, {"...", ELLIPSIS}},
	{{"//", FLOORDIV}, {"**", POW}, {"<<", SHL}, {">>", SHR}, {"==", EQ}, {"!=", NE}, {"<=", LE}, {">=", GE}, {"->", ARROW},
		{"+=", ADD_ASSIGN}, {"-=", SUB_ASSIGN}, {"*=", MUL_ASSIGN}, {"/=", DIV_ASSIGN}, {"%=", MOD_ASSIGN}, {"&=", AND_ASSIGN}, {"|=", OR_ASSIGN}, {"^=", XOR_ASSIGN}},
	{{"(", LPAREN}, {")", RPAREN}, {"[", LBRACK}, {"]", RBRACK}, {"{", LBRACE}, {"}", RBRACE}, {",", COMMA}, {":", COLON}, {".", DOT},
		{"?", QUESTION}, {"@", AT}, {"+", ADD}, {"-", SUB}, {"*", MUL}, {"/", DIV}, {"%", MOD}, {"&", AND_BIT}, {"|", OR_BIT}, {"^", XOR_BIT},
		{"~", NOT_BIT}, {"<", LT}, {">", GT}, {"=", ASSIGN}},
}

// next reads one token at s.pos.
func (s *scanner) next() Kind {
	c := s.text[s.pos]
	switch {
	case c == '"' || c == '\'':
		return s.str(s.pos)
	case (c == 'r' || c == 'R') && s.pos+1 < len(s.text) && (s.text[s.pos+1] == '"' || s.text[s.pos+1] == '\''):
		start := s.pos
		s.pos++
		return s.str(start)
	case isDigit(c), c == '.' && s.pos+1 < len(s.text) && isDigit(s.text[s.pos+1]):
		return s.number()
	}
	if r, size := utf8.DecodeRuneInString(s.text[s.pos:]); c == '_' || c == '$' || unicode.IsLetter(r) {
		return s.name(size)
	}
	for i, ops := range operators {
		for _, op := range ops {
			if strings.HasPrefix(s.text[s.pos:], op.text) {
				s.pos += 3 - i
				return op.kind
			}
		}
	}
	r, size := utf8.DecodeRuneInString(s.text[s.pos:])
	switch {
	case r == utf8.RuneError && size <= 1:
		s.errorf(s.pos, s.pos+size, "save the file as UTF-8", "the text is not UTF-8")
	case r == '!':
		s.errorf(s.pos, s.pos+size, "write not x, or x != y", "unexpected character '!'")
	case r == ';':
		s.errorf(s.pos, s.pos+size, "start a new line instead", "unexpected character ';'")
	default:
		s.errorf(s.pos, s.pos+size, "", "unexpected character %q", r)
	}
	s.pos += size
	return INVALID
}

func (s *scanner) name(size int) Kind {
	start := s.pos
	escaped := s.text[s.pos] == '$'
	s.pos += size
	for s.pos < len(s.text) {
		r, size := utf8.DecodeRuneInString(s.text[s.pos:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		s.pos += size
	}
	if escaped && s.pos == start+1 {
		s.errorf(start, s.pos, "", "unexpected character '$'")
		return INVALID
	}
	if k, ok := keywords[s.text[start:s.pos]]; ok {
		return k
	}
	return IDENT
}

// number reads a number with its unit suffix. The parser checks and converts it.
func (s *scanner) number() Kind {
	start := s.pos
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		prev := s.text[max(s.pos-1, start)]
		exponent := (c == '+' || c == '-') && (prev == 'e' || prev == 'E') && !strings.HasPrefix(strings.ToLower(s.text[start:s.pos]), "0x")
		// A dot belongs to the number unless it starts a range or a method.
		dot := c == '.' && !(s.pos+1 < len(s.text) && (s.text[s.pos+1] == '.' || isLetter(s.text[s.pos+1])))
		if !isDigit(c) && !isLetter(c) && c != '_' && !dot && !exponent {
			break
		}
		s.pos++
	}
	return NUMBER
}

// str reads a string that began at start; s.pos is at its quote.
func (s *scanner) str(start int) Kind {
	quote := s.text[s.pos : s.pos+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.pos:], triple) {
		quote = triple
	}
	s.pos += len(quote)
	for s.pos < len(s.text) {
		switch {
		case s.text[s.pos] == '\\' && s.pos+1 < len(s.text):
			s.pos += 2
		case strings.HasPrefix(s.text[s.pos:], quote):
			s.pos += len(quote)
			return STRING
		case s.text[s.pos] == '\n' && len(quote) == 1:
			s.errorf(start, s.pos, "close it on the same line, or use three quotes", "unterminated string")
			return STRING
		default:
			s.pos++
		}
	}
	s.pos = min(s.pos, len(s.text))
	s.errorf(start, min(start+len(quote), len(s.text)), "close it with "+quote, "unterminated string")
	return STRING
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

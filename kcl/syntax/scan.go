package syntax

import (
	"strings"
	"unicode/utf8"
)

// scanner splits a source into tokens. It pairs the brackets, and turns the
// indentation of lines into INDENT and DEDENT tokens, inside brackets too: the
// parser knows where they mean nothing.
type scanner struct {
	text     string
	pos      int
	tokens   []token
	comments bool // keep comments as tokens
	errorf   func(start, end int, hint, format string, args ...any)

	lineStart bool     // only white space was seen on this line
	indents   []indent // of the blocks that are open, outermost first
	brackets  []int32  // tokens of the brackets that are open
}

// scan returns all tokens, the last of which is EOF. The indentation of the
// very first line does not count, as the runtime has it.
func (s *scanner) scan() []token {
	s.indents = append(s.indents, indent{})
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t':
			if s.lineStart {
				s.line()
			} else {
				s.pos++
			}
		case c == '\n':
			s.newline(s.pos + 1)
		case c == '\r' && strings.HasPrefix(s.text[s.pos:], "\r\n"):
			s.newline(s.pos + 2)
		case c == '#':
			s.comment()
		case s.lineStart:
			s.line()
		default:
			s.next()
		}
	}
	s.eof()
	return s.tokens
}

func (s *scanner) emit(kind Kind, start, end int, n int) {
	s.tokens = append(s.tokens, token{kind, int32(start), int32(end), int32(n)})
}

// newline ends a line. Several make one token.
func (s *scanner) newline(end int) {
	if n := len(s.tokens); n == 0 || s.tokens[n-1].kind != NEWLINE {
		s.emit(NEWLINE, s.pos, s.pos, 0)
	}
	s.pos, s.lineStart = end, true
}

// comment passes a comment, the line break excepted.
func (s *scanner) comment() {
	start := s.pos
	if i := strings.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.text)
	}
	if s.comments {
		s.emit(COMMENT, start, s.pos, 0)
	}
}

// eof ends the last line and the blocks that are still open. The end of the
// file is on its last line, not behind it.
func (s *scanner) eof() {
	if !s.lineStart || len(s.tokens) == 0 {
		s.newline(s.pos)
	}
	end := len(s.text)
	if strings.HasSuffix(s.text, "\n") {
		end--
	}
	for range s.indents[1:] {
		s.emit(DEDENT, end, end, 0)
	}
	s.newline(s.pos)
	s.emit(EOF, end, end, 0)
}

// next reads one token, or passes what is none.
func (s *scanner) next() {
	start := s.pos
	switch c := s.text[start]; class[c] {
	case letter:
		if (c == 'r' || c == 'R') && start+1 < len(s.text) && (s.text[start+1] == '"' || s.text[start+1] == '\'') {
			s.str(start + 1)
			return
		}
		s.name()
	case digit:
		sh := shapeOf(s.text[start:])
		s.pos += sh.length
		if fault, hint := sh.fault(s.text[start:s.pos]); fault != "" {
			s.errorf(start, s.pos, hint, "%q is not a number: %s", s.text[start:s.pos], fault)
		}
		s.emit(NUMBER, start, s.pos, 0)
	case quote:
		s.str(start)
	case open:
		s.brackets = append(s.brackets, int32(len(s.tokens)))
		s.pos++
		s.emit(brackets[c], start, s.pos, 0)
	case closing:
		s.pos++
		s.closing(brackets[c], start)
	case operator:
		kind, length := operatorOf(s.text[start:])
		s.pos += length
		if last := len(s.tokens) - 1; kind == GT && last >= 0 && s.tokens[last].kind == SUB {
			s.tokens[last].kind, s.tokens[last].end = ARROW, int32(s.pos)
			return
		}
		s.emit(kind, start, s.pos, 0)
	default:
		s.other()
	}
}

// other reads what is neither a bracket, a literal nor an operator, nor a name
// in ASCII: white space of other kinds, and what is no token at all.
func (s *scanner) other() {
	start := s.pos
	r, size := utf8.DecodeRuneInString(s.text[start:])
	s.pos += size
	switch {
	case isNameStart(r):
		s.pos = start
		s.name()
	case r == '$':
		if next, _ := utf8.DecodeRuneInString(s.text[s.pos:]); isNameStart(next) {
			s.name()
			s.tokens[len(s.tokens)-1].start = int32(start)
			s.tokens[len(s.tokens)-1].kind = IDENT
			return
		}
		s.errorf(start, s.pos, "", "unexpected character '$'")
		s.emit(INVALID, start, s.pos, 0)
	case r == '\\':
		s.continued(start)
	case strings.HasPrefix(s.text[start:], "!="):
		s.pos++
		s.emit(NE, start, s.pos, 0)
	case r == '!':
		s.errorf(start, s.pos, "write not x, or x != y", "unexpected character '!'")
		s.emit(NOT, start, s.pos, 0)
	case r == ';':
		s.errorf(start, s.pos, "start a new line instead", "unexpected character ';'")
	case r == utf8.RuneError && size <= 1: // reported
	case !isSpace(r):
		s.errorf(start, s.pos, "", "unexpected character %q", r)
	}
}

// continued passes a backslash and the line break that it undoes.
func (s *scanner) continued(start int) {
	switch rest := s.text[s.pos:]; {
	case rest == "" || rest[0] == '\n':
		s.pos = min(s.pos+1, len(s.text))
	case strings.HasPrefix(rest, "\r\n"):
		s.pos += 2
	default:
		s.errorf(start, s.pos, "a line is continued by a \\ that is its last character", "unexpected character after the line continuation")
	}
}

func (s *scanner) name() {
	start := s.pos
	for s.pos < len(s.text) {
		if c := s.text[s.pos]; c < utf8.RuneSelf {
			if class[c] != letter && class[c] != digit {
				break
			}
			s.pos++
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[s.pos:])
		if !isNamePart(r) {
			break
		}
		s.pos += size
	}
	kind := IDENT
	if n := s.pos - start; n <= len("Undefined") {
		if k, ok := keywords[s.text[start:s.pos]]; ok {
			kind = k
		}
	}
	s.emit(kind, start, s.pos, 0)
}

// str reads a string whose first quote is at open. One quote holds a single
// line; a backslash protects a quote and a backslash only.
func (s *scanner) str(open int) {
	start, mark := s.pos, s.text[open]
	width := 1
	if strings.HasPrefix(s.text[open:], tripleQuotes[mark]) {
		width = 3
	}
	for i := open + width; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && i+1 < len(s.text) && (s.text[i+1] == '\\' || s.text[i+1] == mark):
			i++
		case c == mark && (width == 1 || strings.HasPrefix(s.text[i:], tripleQuotes[mark])):
			s.pos = i + width
			s.emit(STRING, start, s.pos, width)
			return
		case width == 1 && (c == '\n' || c == '\r'):
			s.unterminated(start, i, width, "close it on the same line, or use three quotes")
			return
		}
	}
	s.unterminated(start, len(s.text), width, "close it with "+s.text[open:open+width])
}

func (s *scanner) unterminated(start, end, width int, hint string) {
	shown := end
	if width == 3 {
		shown = min(start+width, end)
	}
	s.errorf(start, shown, hint, "unterminated string")
	s.pos = end
	s.emit(STRING, start, end, 0)
}

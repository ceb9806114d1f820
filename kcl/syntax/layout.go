package syntax

// indent is the white space that a line begins with.
type indent struct{ tabs, spaces int }

// compare orders two indentations. Those of which one has more tabs and the
// other more spaces have no order.
func (a indent) compare(b indent) (order int, ok bool) {
	switch {
	case a.tabs == b.tabs:
		return a.spaces - b.spaces, true
	case a.tabs < b.tabs:
		return -1, a.spaces <= b.spaces
	default:
		return 1, a.spaces >= b.spaces
	}
}

// line reads the white space at the start of a line and the token behind it,
// which an INDENT or DEDENTs precede when the line is indented otherwise than
// the block. Blank lines and comments do not count.
func (s *scanner) line() {
	var in indent
	start := s.pos
	for ; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case ' ':
			in.spaces++
			continue
		case '\t':
			in.tabs++
			continue
		}
		break
	}
	if s.pos == len(s.text) || s.text[s.pos] == '\n' || s.text[s.pos] == '#' ||
		s.text[s.pos] == '\r' && s.pos+1 < len(s.text) && s.text[s.pos+1] == '\n' {
		return
	}
	s.lineStart = false
	before := len(s.tokens)
	s.layout(in, start)
	count := len(s.tokens)
	s.next()
	if len(s.tokens) == count { // no token, and so no place for a change
		s.tokens = s.tokens[:before]
	}
}

// layout compares the indentation of a line, which begins at start, with the
// open blocks.
func (s *scanner) layout(in indent, start int) {
	order, ok := in.compare(s.indents[len(s.indents)-1])
	switch {
	case ok && order > 0:
		s.indents = append(s.indents, in)
		s.emit(INDENT, s.pos, s.pos, 0)
	case ok && order < 0:
		s.dedent(in, start)
	case !ok:
		s.mixed(start)
	}
}

// dedent closes the blocks that are indented more than in. The line belongs to
// none when that leaves one that is indented less: the block stays open, and
// its token says so.
func (s *scanner) dedent(in indent, start int) {
	for len(s.indents) > 1 {
		below := s.indents[len(s.indents)-2]
		order, ok := in.compare(below)
		if ok && order > 0 {
			s.emit(DEDENT, s.pos, s.pos, max(in.spaces-below.spaces, 0))
			return
		}
		s.indents = s.indents[:len(s.indents)-1]
		s.emit(DEDENT, s.pos, s.pos, 0)
		if !ok {
			s.mixed(start)
			return
		}
		if order == 0 {
			return
		}
	}
}

func (s *scanner) mixed(start int) {
	s.errorf(start, s.pos, "indent with spaces only", "inconsistent use of tabs and spaces in indentation")
}

// closing reads a closing bracket. One that closes no open bracket of its kind
// is reported and left out; one that leaves others open closes these too.
func (s *scanner) closing(kind Kind, start int) {
	match := len(s.brackets) - 1
	for match >= 0 && s.tokens[s.brackets[match]].kind+1 != kind {
		match--
	}
	if match < 0 {
		s.errorf(start, s.pos, "", "%q closes no bracket", kind)
		return
	}
	if last := len(s.brackets) - 1; match < last {
		opener := s.tokens[s.brackets[last]]
		s.errorf(start, s.pos, "", "%q is not closed before %q", opener.kind, kind)
	}
	for i := len(s.brackets) - 1; i >= match; i-- {
		opener := &s.tokens[s.brackets[i]]
		opener.n = int32(len(s.tokens))
		s.emit(opener.kind+1, start, s.pos, 0)
	}
	s.brackets = s.brackets[:match]
}

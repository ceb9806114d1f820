package syntax

import (
	"sort"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
)

// Source is the text of one file.
type Source struct {
	Name string
	Text string

	lines []int  // offset of the start of each line
	marks []mark // places in long lines, in order
}

// mark is a known column: to count from the start of a long line takes long.
type mark struct{ offset, column int }

// markEvery is how far the marks in a line are apart, in bytes.
const markEvery = 1 << 12

// NewSource prepares text for positions. A byte order mark is dropped.
func NewSource(name, text string) *Source {
	if len(text) >= 3 && text[:3] == "\ufeff" {
		text = text[3:]
	}
	s := &Source{Name: name, Text: text, lines: []int{0}}
	last, column := 0, 1
	for i, r := range text {
		if i-last >= markEvery {
			s.marks = append(s.marks, mark{i, column})
			last = i
		}
		if column++; r == '\n' {
			s.lines = append(s.lines, i+1)
			last, column = i+1, 1
		}
	}
	return s
}

// Pos converts an offset.
func (s *Source) Pos(offset int) diag.Pos {
	offset = min(max(offset, 0), len(s.Text))
	line := sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset }) - 1
	from := mark{s.lines[line], 1}
	if i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].offset > offset }); i > 0 && s.marks[i-1].offset > from.offset {
		from = s.marks[i-1]
	}
	return diag.Pos{File: s.Name, Line: line + 1, Column: from.column + utf8.RuneCountInString(s.Text[from.offset:offset])}
}

// Offset converts a line and a column in characters, both from 1. Places
// beyond the text become its end.
func (s *Source) Offset(line, column int) int {
	if line < 1 || line > len(s.lines) {
		return len(s.Text)
	}
	offset := s.lines[line-1]
	for ; column > 1 && offset < len(s.Text) && s.Text[offset] != '\n'; column-- {
		_, size := utf8.DecodeRuneInString(s.Text[offset:])
		offset += size
	}
	return offset
}

// Line returns the text of a line, counted from 1, without its line break.
func (s *Source) Line(line int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	end := len(s.Text)
	if line < len(s.lines) {
		end = s.lines[line] - 1
	}
	text := s.Text[s.lines[line-1]:end]
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	return text
}

// Range is a piece of a source: the bytes from Start up to, and without, End.
type Range struct {
	Source     *Source
	Start, End int
}

// Span returns the range as diagnostics show it.
func (r Range) Span() diag.Span {
	if r.Source == nil {
		return diag.Span{}
	}
	return diag.Span{Start: r.Source.Pos(r.Start), End: r.Source.Pos(r.End)}
}

// Text returns the source text of the range.
func (r Range) Text() string {
	if r.Source == nil {
		return ""
	}
	return r.Source.Text[r.Start:r.End]
}

// At returns r. It makes every node that embeds a Range a Node.
func (r Range) At() Range { return r }

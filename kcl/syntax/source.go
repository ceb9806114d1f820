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

	lines []int // offset of the start of each line
	runes []int // characters before each block of the text: columns of long lines stay cheap
}

// block is the number of bytes after which characters are counted anew.
const block = 512

// NewSource prepares text for positions. A byte order mark is dropped.
func NewSource(name, text string) *Source {
	if len(text) >= 3 && text[:3] == "\ufeff" {
		text = text[3:]
	}
	s := &Source{Name: name, Text: text, lines: []int{0}, runes: make([]int, 0, len(text)/block+1)}
	count := 0
	for i := 0; i < len(text); i++ {
		if i%block == 0 {
			s.runes = append(s.runes, count)
		}
		if utf8.RuneStart(text[i]) {
			count++
		}
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	s.runes = append(s.runes, count)
	return s
}

// runesBefore returns the number of characters before an offset.
func (s *Source) runesBefore(offset int) int {
	count := s.runes[offset/block]
	for i := offset / block * block; i < offset; i++ {
		if utf8.RuneStart(s.Text[i]) {
			count++
		}
	}
	return count
}

// Pos converts an offset.
func (s *Source) Pos(offset int) diag.Pos {
	offset = min(max(offset, 0), len(s.Text))
	line := sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset }) - 1
	column := s.runesBefore(offset) - s.runesBefore(s.lines[line]) + 1
	return diag.Pos{File: s.Name, Line: line + 1, Column: column}
}

// Offset converts a line and a column in characters, both from 1. Places
// beyond the text become its end.
func (s *Source) Offset(line, column int) int {
	if line < 1 || line > len(s.lines) {
		return len(s.Text)
	}
	offset := s.lines[line-1]
	if column > block { // near the place: the last block that begins at or before it
		want := s.runesBefore(offset) + column - 1
		at := min((sort.SearchInts(s.runes, want+1)-1)*block, len(s.Text))
		for at < len(s.Text) && !utf8.RuneStart(s.Text[at]) {
			at++
		}
		if at > offset && s.Pos(at).Line == line {
			offset, column = at, want-s.runesBefore(at)+1
		}
	}
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

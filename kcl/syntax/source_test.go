package syntax

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestSourcePositions converts offsets to positions and back, in long lines and
// short ones.
func TestSourcePositions(t *testing.T) {
	long := strings.Repeat("añ€😀", 700)
	s := NewSource("f", "ab\n"+long+"\r\n\n"+long+long+"\nend")
	for at := 0; at <= len(s.Text); at++ {
		if at < len(s.Text) && !utf8.RuneStart(s.Text[at]) {
			continue
		}
		p := s.Pos(at)
		before := s.Text[strings.LastIndexByte(s.Text[:at], '\n')+1 : at]
		if p.Line != strings.Count(s.Text[:at], "\n")+1 || p.Column != utf8.RuneCountInString(before)+1 {
			t.Fatalf("offset %d is at %d:%d", at, p.Line, p.Column)
		}
		if got := s.Offset(p.Line, p.Column); got != at {
			t.Fatalf("%d:%d is offset %d, want %d", p.Line, p.Column, got, at)
		}
	}
	if got := s.Offset(1, 600); got != 2 {
		t.Errorf("a column after the line is offset %d, want 2", got)
	}
	if empty := NewSource("e", ""); empty.Pos(0).Line != 1 || empty.Offset(1, 1) != 0 {
		t.Error("the empty text has no first position")
	}
}

package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style colours a piece of text; the zero Style leaves it plain.
type Style struct {
	Color bool
}

func (s Style) paint(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) severity(v Severity, text string) string {
	if v == Warning {
		return s.paint("1;33", text)
	}
	return s.paint("1;31", text)
}

// maxShown is how many diagnostics are written as text. Nobody reads more, and
// the frames of very many take long.
const maxShown = 500

// WriteText writes each diagnostic with its place, a frame of the source that
// marks the value, further places and the hint.
func (s Style) WriteText(w io.Writer, list List, sources map[string]Source) {
	for i, d := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if i == maxShown {
			fmt.Fprintf(w, "... and %d more\n", len(list)-maxShown)
			return
		}
		s.write(w, d, sources)
	}
}

func (s Style) write(w io.Writer, d *Diagnostic, sources map[string]Source) {
	fmt.Fprintf(w, "%s %s\n", s.severity(d.Severity, fmt.Sprintf("%s[%s]:", d.Severity, d.Code)), s.paint("1", d.Message))
	s.frame(w, d.Span, sources, func(mark string) string { return s.severity(d.Severity, mark) }, "")
	for _, r := range d.Related {
		s.frame(w, r.Span, sources, func(mark string) string { return s.paint("36", mark) }, r.Message)
	}
	if d.Path != "" {
		fmt.Fprintf(w, "  attribute: %s\n", d.Path)
	}
	if d.Hint != "" {
		fmt.Fprintf(w, "  %s %s\n", s.paint("1;32", "hint:"), d.Hint)
	}
}

// maxFrame is the widest line that a frame shows whole, in characters.
const maxFrame = 160

func (s Style) frame(w io.Writer, span Span, sources map[string]Source, paint func(string) string, label string) {
	if !span.Start.IsValid() {
		return
	}
	fmt.Fprintf(w, "  %s %s\n", s.paint("34", "-->"), span.Start)
	src, ok := sources[span.Start.File]
	if !ok {
		return
	}
	line := strings.ReplaceAll(src.Line(span.Start.Line), "\t", " ")
	from, to := span.Start.Column, span.End.Column
	if length := utf8.RuneCountInString(line); span.End.Line != span.Start.Line || to > length+1 {
		to = length + 1
	}
	if r := []rune(line); len(r) > maxFrame {
		skip := max(0, min(from-maxFrame/2, len(r)-maxFrame))
		line = string(r[skip : skip+maxFrame])
		from, to = from-skip, min(to-skip, maxFrame+1)
	}
	number := fmt.Sprint(span.Start.Line)
	gutter := strings.Repeat(" ", len(number))
	bar := s.paint("34", "|")
	fmt.Fprintf(w, "  %s %s\n  %s %s %s\n", gutter, bar, s.paint("34", number), bar, printable(line))
	mark := strings.Repeat(" ", max(from-1, 0)) + paint(strings.Repeat("^", max(to-from, 1)))
	if label != "" {
		mark += " " + label
	}
	fmt.Fprintf(w, "  %s %s %s\n", gutter, bar, mark)
}

// printable replaces control characters, so that a source cannot control the
// terminal that shows it.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\ufffd'
		}
		return r
	}, line)
}

package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/internal/base/redact"
)

const (
	maxFrame = 160     // characters: the widest line that a frame shows whole
	maxLine  = 1 << 20 // bytes of a line that may have a frame
)

// frames writes the lines that diagnostics point into, each with a mark. A line is
// made fit to be shown once, as very many diagnostics may point into a long one.
type frames struct {
	Style
	w       io.Writer
	sources map[string]Source
	lines   map[Pos]*frameLine // by the first place of the line
}

// frameLine is a line as frames show it.
type frameLine struct {
	redact.Line
	length int    // of the line itself, in characters
	text   []rune // that is shown
}

// line returns nil for a line that has no frame.
func (f frames) line(file string, n int) *frameLine {
	at := Pos{File: file, Line: n, Column: 1}
	if l, known := f.lines[at]; known {
		return l
	}
	f.lines[at] = nil
	src, ok := f.sources[file]
	if !ok {
		return nil
	}
	line := src.Line(n)
	if len(line) > maxLine {
		return nil
	}
	var secrets []string
	if guarded, ok := src.(Guarded); ok {
		secrets = guarded.Secrets()
	}
	l := &frameLine{Line: redact.LineOf(line, secrets), length: utf8.RuneCountInString(line)}
	l.text = []rune(strings.ReplaceAll(l.Text, "\t", " "))
	f.lines[at] = l
	return l
}

// write writes a place, and the line that is there with a mark below it.
func (f frames) write(span Span, paint func(string) string, label string) {
	if !span.Start.IsValid() {
		return
	}
	fmt.Fprintf(f.w, "  %s %s\n", f.paint("34", "-->"), printable(span.Start.String()))
	line := f.line(span.Start.File, span.Start.Line)
	if line == nil {
		return
	}
	from, to := span.Start.Column, span.End.Column
	if span.End.Line != span.Start.Line || to > line.length+1 {
		to = line.length + 1
	}
	from, to = line.Columns(from, to)
	text := line.text
	if len(text) > maxFrame {
		skip := max(0, min(from-maxFrame/2, len(text)-maxFrame))
		text = text[skip : skip+maxFrame]
		from, to = from-skip, min(to-skip, maxFrame+1)
	}
	number := fmt.Sprint(span.Start.Line)
	gutter := strings.Repeat(" ", len(number))
	bar := f.paint("34", "|")
	fmt.Fprintf(f.w, "  %s %s\n  %s %s %s\n", gutter, bar, f.paint("34", number), bar, printable(string(text)))
	mark := strings.Repeat(" ", max(from-1, 0)) + paint(strings.Repeat("^", max(to-from, 1)))
	if label != "" {
		mark += " " + printable(label)
	}
	fmt.Fprintf(f.w, "  %s %s %s\n", gutter, bar, mark)
}

package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/internal/redact"
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
	fmt.Fprintf(w, "%s %s\n", s.severity(d.Severity, fmt.Sprintf("%s[%s]:", d.Severity, d.Code)), s.paint("1", brief(d.Message)))
	s.frame(w, d.Span, sources, func(mark string) string { return s.severity(d.Severity, mark) }, "")
	for _, r := range d.Related {
		s.frame(w, r.Span, sources, func(mark string) string { return s.paint("36", mark) }, r.Message)
	}
	if d.Path != "" {
		fmt.Fprintf(w, "  attribute: %s\n", printable(d.Path))
	}
	if d.Hint != "" {
		fmt.Fprintf(w, "  %s %s\n", s.paint("1;32", "hint:"), brief(d.Hint))
	}
}

// maxMessage is how much of a message is shown, in bytes: some repeat a value.
const maxMessage = 2000

// brief shortens a message and replaces what a terminal would not show as text. Its
// further lines are indented: none can pass for a diagnostic of its own.
func brief(message string) string {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	message = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return visible(r)
	}, message)
	return strings.ReplaceAll(message, "\n", "\n  ")
}

const (
	maxFrame = 160     // characters: the widest line that a frame shows whole
	maxLine  = 1 << 20 // bytes of a line that may have a frame
)

func (s Style) frame(w io.Writer, span Span, sources map[string]Source, paint func(string) string, label string) {
	if !span.Start.IsValid() {
		return
	}
	fmt.Fprintf(w, "  %s %s\n", s.paint("34", "-->"), printable(span.Start.String()))
	src, ok := sources[span.Start.File]
	if !ok {
		return
	}
	line := src.Line(span.Start.Line)
	if len(line) > maxLine {
		return
	}
	from, to := span.Start.Column, span.End.Column
	if length := utf8.RuneCountInString(line); span.End.Line != span.Start.Line || to > length+1 {
		to = length + 1
	}
	var secrets []string
	if guarded, ok := src.(Guarded); ok {
		secrets = guarded.Secrets()
	}
	shown := redact.LineOf(line, secrets)
	line = strings.ReplaceAll(shown.Text, "\t", " ")
	from, to = shown.Columns(from, to)
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
		mark += " " + printable(label)
	}
	fmt.Fprintf(w, "  %s %s %s\n", gutter, bar, mark)
}

// printable replaces what is hidden, so that a source cannot control the terminal that
// shows it.
func printable(line string) string { return strings.Map(visible, line) }

func visible(r rune) rune {
	if Hidden(r) {
		return '\ufffd'
	}
	return r
}

package diag

import (
	"fmt"
	"io"
	"strings"
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
	f := frames{Style: s, w: w, sources: sources, lines: map[Pos]*frameLine{}}
	for i, d := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if i == maxShown {
			fmt.Fprintf(w, "... and %d more\n", len(list)-maxShown)
			return
		}
		s.write(w, d, f)
	}
}

func (s Style) write(w io.Writer, d *Diagnostic, f frames) {
	fmt.Fprintf(w, "%s %s\n", s.severity(d.Severity, fmt.Sprintf("%s[%s]:", d.Severity, d.Code)), s.paint("1", brief(d.Message)))
	f.write(d.Span, func(mark string) string { return s.severity(d.Severity, mark) }, "")
	for _, r := range d.Related {
		f.write(r.Span, func(mark string) string { return s.paint("36", mark) }, r.Message)
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

// printable replaces what is hidden, so that a source cannot control the terminal that
// shows it.
func printable(line string) string { return strings.Map(visible, line) }

func visible(r rune) rune {
	if Hidden(r) {
		return '\ufffd'
	}
	return r
}

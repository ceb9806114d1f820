package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/berth-oci/berth/diag"
)

// terminal is standard output or standard error. What registries, artifacts and
// files say is data: whatever is written is shown as text, and what a terminal would
// obey, hide or turn round is written as JSON writes it, \u001b. In JSON the result
// means the same, as such characters are in its strings only.
type terminal struct {
	w io.Writer

	mu   sync.Mutex
	held []byte // the beginning of a character
	lost error  // the first that a write failed with
}

func newTerminal(w io.Writer) *terminal { return &terminal{w: w} }

// Write implements io.Writer.
func (t *terminal) Write(p []byte) (int, error) { return t.write(p, false) }

// write writes text, with colours where they are the program's own.
func (t *terminal) write(p []byte, colours bool) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := p
	if len(t.held) > 0 {
		text = append(t.held, p...)
		t.held = nil
	}
	if !plainText(text) {
		var out []byte
		out, t.held = escape(text, colours)
		text = out
	}
	if _, err := t.put(text); err != nil {
		return 0, err
	}
	return len(p), nil
}

// put writes bytes as they are.
func (t *terminal) put(p []byte) (int, error) {
	n, err := t.w.Write(p)
	if t.lost == nil {
		t.lost = err
	}
	return n, err
}

// unwritten returns an error when something could not be written, as to a full disk.
// That nobody reads on, or wants to read, is none.
func (t *terminal) unwritten() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil || errors.Is(t.lost, syscall.EPIPE) || errors.Is(t.lost, syscall.EBADF) || errors.Is(t.lost, os.ErrClosed) {
		return nil
	}
	return diag.Errorf(diag.Failed, "cannot write the result: %w", t.lost).WithHint("what was asked for is done, but what stands on standard output is not all of it")
}

// exact is for what somebody asks for byte by byte, as a program's result is: as long
// as it does not go to a terminal.
func (t *terminal) exact() io.Writer {
	if t.isTerminal() {
		return t
	}
	return exact{t}
}

// exact is a terminal for bytes that stay as they are.
type exact struct{ *terminal }

// Write implements io.Writer.
func (e exact) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.put(p)
}

func (t *terminal) isTerminal() bool { return t.file() != nil }

// file returns the terminal that this is, nil for anything else.
func (t *terminal) file() *os.File {
	if f, ok := t.w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// coloured is a terminal for text that may have colours.
type coloured struct{ *terminal }

// Write implements io.Writer.
func (c coloured) Write(p []byte) (int, error) { return c.write(p, true) }

// plainText reports whether escape would leave all of a text as it is. Nearly all text
// is, and a server writes a line of it for each request.
func plainText(text []byte) bool {
	for i := 0; i < len(text); {
		if b := text[i]; b >= ' ' && b < 0x7f || b == '\n' || b == '\t' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || diag.Hidden(r) {
			return false
		}
		i += n
	}
	return true
}

// colour is a sequence by which diag.Style colours.
var colour = regexp.MustCompile("^\x1b\\[[0-9;]*m")

// escape escapes what is hidden but for line breaks and tabs, and returns what is no
// whole character at the end.
func escape(text []byte, colours bool) (out, rest []byte) {
	out = make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1 && !utf8.FullRune(text):
			return out, append([]byte(nil), text...)
		case r == utf8.RuneError && n == 1:
			out = utf8.AppendRune(out, utf8.RuneError)
		case r == '\x1b' && colours && colour.Match(text):
			n = len(colour.Find(text))
			out = append(out, text[:n]...)
		case r == '\n' || r == '\t' || !diag.Hidden(r):
			out = append(out, text[:n]...)
		default:
			out = appendEscaped(out, r)
		}
		text = text[n:]
	}
	return out, nil
}

// appendEscaped writes a character as JSON does: RFC 8259, section 7.
func appendEscaped(out []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// visible escapes all that is hidden, so that it stays in its line and cell.
func visible(s string) string {
	var out []byte
	for i, r := range s {
		if diag.Hidden(r) && out == nil {
			out = append(make([]byte, 0, len(s)+16), s[:i]...)
		}
		switch {
		case out == nil:
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case diag.Hidden(r):
			out = appendEscaped(out, r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	if out == nil {
		return strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	return string(out)
}

// line formats one line, in which no value can begin another.
func line(format string, values ...any) string {
	for i, v := range values {
		values[i] = shown(v)
	}
	return fmt.Sprintf(format, values...)
}

// shown makes text of a value visible, and leaves the others as they are.
func shown(v any) any {
	switch v := v.(type) {
	case error:
		return visible(v.Error())
	case fmt.Stringer:
		return visible(v.String())
	}
	if value := reflect.ValueOf(v); value.Kind() == reflect.String {
		return visible(value.String())
	}
	return v
}

// table lines up the cells of rows.
type table struct{ w *tabwriter.Writer }

func (a *app) table() table { return table{tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)} }

// row adds a row, the cells of which are values.
func (t table) row(cells ...any) {
	fmt.Fprintln(t.w, line(strings.TrimSuffix(strings.Repeat("%v\t", len(cells)), "\t"), cells...))
}

// print writes the table.
func (t table) print() error { return t.w.Flush() }

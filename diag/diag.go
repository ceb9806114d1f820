// Package diag owns what berth says when something is wrong: a diagnostic has
// a stable code, a position, a message and a hint, whether it is a fault in a
// config or an operation that failed. It renders diagnostics as text with a
// frame of the source; it decides nothing and knows no config.
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-oci/berth/internal/base/redact"
)

// Severity says whether a diagnostic stops the command.
type Severity int

const (
	Error   Severity = iota // the command fails
	Warning                 // the command goes on
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Pos is a place in a source file. Line and Column count from 1; Column counts
// characters, not bytes. The zero Pos means that no place is known.
type Pos struct {
	File   string
	Line   int
	Column int
}

// IsValid reports whether the place is known.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String returns file:line:column, as editors and terminals link it.
func (p Pos) String() string {
	if !p.IsValid() {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Span is the text from Start up to, and without, End.
type Span struct {
	Start, End Pos
}

// Related points at a second place that explains a diagnostic, such as the
// line of the check that failed.
type Related struct {
	Span    Span
	Message string
}

// Diagnostic is one thing that is wrong. It is an error, so that it travels
// through ordinary error returns; Cause, if any, is what Unwrap gives.
type Diagnostic struct {
	Code     Code
	Severity Severity
	Message  string    // what is wrong, without place or code
	Path     string    // attribute path of the value, as in local.http_config.listen_port; "" when there is none
	Span     Span      // the offending value; zero when there is no source
	Hint     string    // what to do next; may be empty
	Related  []Related // further places, most telling first
	Cause    error
}

// Errorf makes an error of the given code. As in fmt.Errorf, %w wraps a cause.
// What a URL may hold of credentials is left out of the message.
func Errorf(code Code, format string, args ...any) *Diagnostic {
	err := fmt.Errorf(format, args...)
	return &Diagnostic{Code: code, Message: redact.Text(err.Error()), Cause: errors.Unwrap(err)}
}

// Err returns d as an error, which is nil where d is.
func (d *Diagnostic) Err() error {
	if d == nil {
		return nil
	}
	return d
}

// At sets the place of the offending value and returns d.
func (d *Diagnostic) At(span Span) *Diagnostic { d.Span = span; return d }

// WithHint says what to do next and returns d.
func (d *Diagnostic) WithHint(format string, args ...any) *Diagnostic {
	d.Hint = redact.Text(fmt.Sprintf(format, args...))
	return d
}

// Hide removes secrets from all that d says.
func (d *Diagnostic) Hide(secrets []string) {
	d.Message, d.Hint = redact.Without(d.Message, secrets), redact.Without(d.Hint, secrets)
	for i := range d.Related {
		d.Related[i].Message = redact.Without(d.Related[i].Message, secrets)
	}
}

// Error gives place and message on one line, without hint or frame.
func (d *Diagnostic) Error() string {
	if d.Span.Start.IsValid() {
		return d.Span.Start.String() + ": " + d.Message
	}
	return d.Message
}

// Unwrap returns the cause.
func (d *Diagnostic) Unwrap() error { return d.Cause }

// List is several diagnostics, and an error when one of them is.
type List []*Diagnostic

// Error gives one line for each diagnostic.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is and errors.As look at each diagnostic.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}
	return errs
}

// Err returns l as an error when it holds at least one of severity Error, and
// nil otherwise.
func (l List) Err() error {
	for _, d := range l {
		if d.Severity == Error {
			return l
		}
	}
	return nil
}

// Sort orders by file, line, column and code, and drops exact repeats.
func (l List) Sort() List {
	slices.SortStableFunc(l, func(a, b *Diagnostic) int {
		p, q := a.Span.Start, b.Span.Start
		return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line),
			cmp.Compare(p.Column, q.Column), cmp.Compare(a.Code, b.Code))
	})
	return slices.CompactFunc(l, func(a, b *Diagnostic) bool {
		return a.Span == b.Span && a.Code == b.Code && a.Message == b.Message && a.Path == b.Path
	})
}

// Source gives the lines of a text for frames.
type Source interface {
	// Line returns a line, counted from 1, without its line break.
	Line(n int) string
}

// Guarded is a Source with secrets that no frame shows. What looks like one is
// not shown of any Source. Secrets is called when there is a frame to show.
type Guarded struct {
	Source
	Secrets func() []string
}

// Faults is a List together with the texts that it points into, by file name.
type Faults struct {
	List    List
	Sources map[string]Source
}

// Error gives one line for each diagnostic.
func (f *Faults) Error() string { return f.List.Error() }

// Unwrap lets errors.Is and errors.As look at each diagnostic.
func (f *Faults) Unwrap() []error { return f.List.Unwrap() }

// Package yaml parses YAML texts from users within bounds: a hostile text can
// neither exhaust memory nor the stack, nor take minutes. It gives the tree of
// goccy/go-yaml, whose nodes know their places, and says what a plain scalar
// means.
package yaml

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Limits on a text, far above any real one. The parser needs memory that grows
// with the square of how deep brackets nest, and time that grows with the square
// of the number of keys.
const (
	maxFlow = 500
	maxDash = 500 // on one line

	MaxKeys  = 10_000
	MaxItems = 100_000 // lines and commas
)

// LimitError says where a text goes beyond a limit.
type LimitError struct {
	Line, Column int // from 1; the column counts bytes
	message      string
}

func (e *LimitError) Error() string { return e.message }

// Parse parses a text, without its byte order mark. A mapping may have a key
// twice: the caller knows better what to say of it. The error is a *LimitError
// or a goccy/go-yaml Error with a token.
func Parse(text []byte) (f *ast.File, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if err := checkLimits(text); err != nil {
		return nil, err
	}
	defer func() { // a text that the parser is not up to is no reason to crash
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("the text cannot be understood (%v)", r)
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// dashes returns how many sequences begin at the start of a text.
func dashes(text []byte) int {
	n := 0
	for text = bytes.TrimLeft(text, " "); n <= maxDash && bytes.HasPrefix(text, []byte("- ")); n++ {
		text = bytes.TrimLeft(text[2:], " ")
	}
	return n
}

// checkLimits counts open brackets and keys outside of quotes and comments. In
// plain and block texts it may count some that mean nothing: the limits leave
// room.
func checkLimits(text []byte) error {
	depth, keys, items, line, start := 0, 0, 0, 1, 0
	var quote byte
	for i, c := range text {
		if c == '\n' || c == ',' {
			if items++; items > MaxItems {
				return &LimitError{line, i - start + 1, fmt.Sprintf("too many lines and elements (limit %d)", MaxItems)}
			}
		}
		if i == start && dashes(text[i:]) > maxDash {
			return &LimitError{line, 1, fmt.Sprintf("sequences nest too deeply (limit %d)", maxDash)}
		}
		switch {
		case c == '\n':
			line, start = line+1, i+1
			if quote == '#' {
				quote = 0
			}
		case quote == '#' || quote != 0 && c != quote:
		case quote != 0 && quote == '"' && escaped(text[:i]):
		case quote != 0:
			quote = 0
		case c == '#' && (i == start || text[i-1] == ' ' || text[i-1] == '\t'):
			quote = '#'
		case (c == '"' || c == '\'') && opensQuote(text[:i]):
			quote = c
		case c == '[' || c == '{':
			if depth++; depth > maxFlow {
				return &LimitError{line, i - start + 1, fmt.Sprintf("brackets nest too deeply (limit %d)", maxFlow)}
			}
		case c == ']' || c == '}':
			depth = max(depth-1, 0)
		case c == ':':
			if keys++; keys > MaxKeys {
				return &LimitError{line, i - start + 1, fmt.Sprintf("too many keys (limit %d)", MaxKeys)}
			}
		}
	}
	return nil
}

// escaped reports whether an odd number of backslashes ends the text.
func escaped(text []byte) bool {
	n := len(text) - len(bytes.TrimRight(text, "\\"))
	return n%2 == 1
}

// opensQuote reports whether a quote after the text begins a quoted scalar: it
// does not inside a plain one, as in don't.
func opensQuote(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	return bytes.IndexByte([]byte(" \t\n[{,:-"), text[len(text)-1]) >= 0
}

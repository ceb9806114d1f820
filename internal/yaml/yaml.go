// Package yaml parses YAML texts from users within bounds: a hostile text can
// neither exhaust memory nor the stack. It gives the tree of goccy/go-yaml, whose
// nodes know their places.
package yaml

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFlow is how deep [ and { may nest. The parser needs memory that grows with
// the square of it.
const maxFlow = 500

// DepthError says where a text nests too deeply.
type DepthError struct {
	Line, Column int // from 1; the column counts bytes
}

func (e *DepthError) Error() string {
	return fmt.Sprintf("brackets nest too deeply (limit %d)", maxFlow)
}

// Parse parses a text, without its byte order mark. A mapping may have a key
// twice: the caller knows better what to say of it. The error is a *DepthError
// or a goccy/go-yaml Error with a token.
func Parse(text []byte) (*ast.File, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if err := checkDepth(text); err != nil {
		return nil, err
	}
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// checkDepth counts open brackets outside of quotes and comments. In plain and
// block texts it may count brackets that mean nothing: the limit leaves room.
func checkDepth(text []byte) error {
	depth, line, start := 0, 1, 0
	var quote byte
	for i, c := range text {
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
				return &DepthError{Line: line, Column: i - start + 1}
			}
		case c == ']' || c == '}':
			depth = max(depth-1, 0)
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

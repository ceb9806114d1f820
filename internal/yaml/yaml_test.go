package yaml

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRefusesDepth(t *testing.T) {
	deep := strings.Repeat("[", maxFlow+1)
	for text, refused := range map[string]bool{
		"a: " + deep: true,
		"a: " + strings.Repeat("{a: ", maxFlow+1):                 true,
		"a: " + strings.Repeat("[", 50) + strings.Repeat("]", 50): false,
		"a: '" + deep + "'":                   false,
		"a: \"\\\"" + deep + "\"":             false,
		"a: 1 # " + deep:                      false,
		"a: don't\nb: 'x'\nc: '" + deep + "'": false,
		"\ufeffa: 1":                          false,
	} {
		_, err := Parse([]byte(text))
		var depth *DepthError
		if errors.As(err, &depth) != refused || !refused && err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
		if refused && depth.Line != 1 {
			t.Errorf("%.20q: at %d:%d", text, depth.Line, depth.Column)
		}
	}
}

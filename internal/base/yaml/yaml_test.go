package yaml

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseLimits(t *testing.T) {
	deep := strings.Repeat("[", maxFlow+1)
	for text, refused := range map[string]bool{
		"a: " + deep: true,
		"a: " + strings.Repeat("{a: ", maxFlow+1):                 true,
		"a: " + strings.Repeat("[", 50) + strings.Repeat("]", 50): false,
		"a: '" + deep + "'":                        false,
		"a: \"\\\"" + deep + "\"":                  false,
		"a: 1 # " + deep:                           false,
		"a: don't\nb: 'x'\nc: '" + deep + "'":      false,
		"\ufeffa: 1":                               false,
		strings.Repeat("k: {}, ", MaxKeys+1):       true,
		"a: [" + strings.Repeat("1, ", MaxItems+1): true,
		strings.Repeat("- ", maxDash+1):            true,
		"a: '" + strings.Repeat(": ", 11000) + "'": false,
	} {
		_, err := Parse([]byte(text))
		var limit *LimitError
		if errors.As(err, &limit) != refused || !refused && err != nil {
			t.Errorf("%.20q: %.200v", text, err)
		}
		if refused && limit != nil && limit.Line != 1 {
			t.Errorf("%.20q: at %d:%d", text, limit.Line, limit.Column)
		}
	}
}

func TestScalar(t *testing.T) {
	for text, want := range map[string]any{
		"": nil, "~": nil, "NULL": nil, "nULL": "nULL",
		"true": true, "False": false, "yes": "yes", "on": "on",
		"5": int64(5), "-0": int64(0), "+5": int64(5), "0o17": int64(15), "0x1F": int64(31), "017": int64(17),
		"0b11": "0b11", "1_000": "1_000", "0o18": "0o18", "12:30:45": "12:30:45", "2026-01-01": "2026-01-01",
		"1e3": 1000.0, "1.": 1.0, ".5": 0.5, "1.20": 1.2, "-.inf": math.Inf(-1), ".": ".", "-": "-", "e3": "e3",
	} {
		if got, err := Scalar(text); err != nil || got != want {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"9223372036854775808", "1e400"} {
		if v, err := Scalar(text); !errors.Is(err, ErrRange) {
			t.Errorf("%s is %v (%v), want out of range", text, v, err)
		}
	}
	for text, want := range map[string]bool{"0": false, "010": true, "-08": true, "0.5": false, "10": false, "0o1": false} {
		if Ambiguous(text) != want {
			t.Errorf("Ambiguous(%q) is %v", text, !want)
		}
	}
}

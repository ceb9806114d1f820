package diag

import (
	"testing"
	"unicode"
)

// The short way for Latin-1 says what the tables say.
func TestHiddenLatin1(t *testing.T) {
	for r := range rune(unicode.MaxLatin1 + 1) {
		if want := unicode.In(r, unicode.Cc, unicode.Cf); Hidden(r) != want {
			t.Errorf("%U: %v", r, !want)
		}
	}
}

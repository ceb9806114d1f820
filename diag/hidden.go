package diag

import "unicode"

// Hidden reports whether a terminal, an editor or a reader does not show a character
// as itself: control characters of ASCII and Latin-1, with which escape sequences
// begin, what turns the direction of text round, what has no width, and the
// separators of lines and paragraphs. A line break and a tab are hidden too.
func Hidden(r rune) bool {
	if r <= unicode.MaxLatin1 { // most are: the tables are slow
		return r < ' ' || 0x7f <= r && r < 0xa0 || r == 0xad
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

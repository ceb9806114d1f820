package oci

import (
	"strings"
	"testing"
)

func TestNamesOfThings(t *testing.T) {
	for s, want := range map[string]struct{ tag, repository bool }{
		"v1":                     {true, true},
		"1.0.0":                  {true, true},
		"_x":                     {true, false},
		"V1":                     {true, false},
		"a/b":                    {false, true},
		"a__b":                   {true, true},
		"":                       {},
		".x":                     {},
		"-x":                     {},
		"a b":                    {},
		"a\n":                    {},
		"../x":                   {},
		"a/../b":                 {},
		"a//b":                   {},
		"sha256:abc":             {},
		"a\x1b[31m":              {},
		strings.Repeat("a", 128): {true, true},
		strings.Repeat("a", 129): {false, true},
		strings.Repeat("a", 256): {},
	} {
		if IsTag(s) != want.tag || IsRepository(s) != want.repository {
			t.Errorf("%q: a tag %t, a repository %t", s, IsTag(s), IsRepository(s))
		}
	}
}

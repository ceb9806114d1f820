package oci

import (
	"regexp"
	"testing"
)

// Names are as the specification has them in words of its own.
func FuzzNames(f *testing.F) {
	tag := regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	repository := regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	check := func(t testing.TB, s string) {
		if got, want := IsTag(s), tag.MatchString(s); got != want {
			t.Errorf("%q: a tag %t, want %t", s, got, want)
		}
		if got, want := IsRepository(s), len(s) <= MaxRepository && repository.MatchString(s); got != want {
			t.Errorf("%q: a repository %t, want %t", s, got, want)
		}
	}
	// All short ones of what matters.
	const letters = "a0Z._-/é"
	for n, all := 0, []string{""}; n < 6; n++ {
		var longer []string
		for _, s := range all {
			check(f, s)
			for _, c := range letters {
				longer = append(longer, s+string(c))
			}
		}
		all = longer
	}
	f.Add("library/busy-box__x")
	f.Fuzz(func(t *testing.T, s string) { check(t, s) })
}

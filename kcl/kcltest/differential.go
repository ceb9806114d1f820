package kcltest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// Case is a program on disk that both run.
type Case struct {
	Request Request
	Run     func() (Outcome, error)
	// VerdictOnly is for data, of which the runtime only says whether it is right.
	VerdictOnly bool
}

// file returns the path of the main file.
func (c Case) file() string {
	return filepath.Join(c.Request.Dir, append(slices.Clone(c.Request.Files), c.Request.Data)[0])
}

// Known is a kind of program on which the two disagree, and why: what the
// runtime says of it, what berth says, and the program, each as a pattern.
type Known struct {
	Kind              Difference
	Want, Got, Source string
	Most              int  // how many cases there may be
	Rare              bool // there may be none: chance makes the cases
	Why               string
}

func (k Known) matches(d Difference, want, got, source string) bool {
	return k.Kind == d && regexp.MustCompile(k.Want).MatchString(want) &&
		regexp.MustCompile(k.Got).MatchString(got) && regexp.MustCompile(k.Source).MatchString(source)
}

// Differ runs the cases here and in the reference runtime, and fails for each
// difference that is not known, and for each that is known and is no more, unless
// it is rare, or has become more frequent. script is the path of kcl/testdata/oracle.py.
func Differ(t *testing.T, script string, cases []Case, known []Known) {
	t.Helper()
	requests := make([]Request, len(cases))
	for i, c := range cases {
		requests[i] = c.Request
	}
	wants := Ask(t, script, requests)
	seen := make([]int, len(known))
	agree, accepted := 0, 0
	for i, c := range cases {
		got, err := c.Run()
		if err != nil {
			t.Fatal(err)
		}
		want := wants[i]
		if !want.Rejected {
			accepted++
		}
		difference := Compare(got, want)
		if difference == Same || c.VerdictOnly && got.Rejected == want.Rejected {
			agree++
			continue
		}
		source, err := os.ReadFile(c.file())
		if err != nil {
			t.Fatal(err)
		}
		n := slices.IndexFunc(known, func(k Known) bool { return k.matches(difference, want.Text, got.Text, string(source)) })
		if n < 0 {
			t.Errorf("%s: %s\n got %s\nwant %s\n%s", filepath.Base(c.file()), difference, got, want, source)
			continue
		}
		seen[n]++
	}
	for i, k := range known {
		switch {
		case seen[i] == 0 && !k.Rare:
			t.Errorf("nothing differs any more as in: %s: %s", k.Kind, k.Why)
		case seen[i] > k.Most:
			t.Errorf("%d cases differ, not at most %d, as in: %s: %s", seen[i], k.Most, k.Kind, k.Why)
		}
		t.Logf("%d: %s: %s", seen[i], k.Kind, k.Why)
	}
	t.Logf("%d cases, %d of them accepted: %d agree", len(cases), accepted, agree)
}

// Write writes a file and the directories above it.
func Write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

package kcl_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/berth-oci/berth/kcl/kcltest"
	"github.com/berth-oci/berth/kcl/program"
)

const generatedPrograms = 3000

var knownKinds = []kcltest.Known{
	{Kind: kcltest.OtherVerdict, Want: `^InvalidSyntax`, Why: "syntax: brackets that close below the indentation; what a quantifier goes over"},
	{Kind: kcltest.OtherLine, Want: `^InvalidSyntax`, Why: "syntax: brackets that close below the indentation; what a quantifier goes over"},
	{
		Kind: kcltest.OtherLine, Want: `^EvaluationError: (attribute|conflicting values|No attribute named|object of|.* not supported|.*not iterable|Instance check|conflicting|.*index out|unsupported)`,
		Why: "the runtime blames what it evaluated last",
	},
	{Kind: kcltest.OtherVerdict, Want: `^EvaluationError: attribute .* is required`, Why: "open: an instance left of | lacks an attribute"},
	{Kind: kcltest.OtherVerdict, Want: `not iterable`, Why: "open: in Undefined is a fault"},
	{Kind: kcltest.OtherVerdict, Want: `^$`, Got: `abs: expected`, Why: "quirk: the runtime takes the absolute value of anything, which is Undefined"},
	{Kind: kcltest.OtherValue, Source: ` = `, Why: "open: the last of several operators on an attribute decides whether its default is replaced"},
}

// TestGeneratedPrograms compares this implementation with the reference runtime
// on programs made at random.
func TestGeneratedPrograms(t *testing.T) {
	dir := t.TempDir()
	var cases []kcltest.Case
	for i := range generatedPrograms {
		name := fmt.Sprintf("p%04d.k", i)
		file := filepath.Join(dir, name)
		kcltest.Write(t, file, generate(uint64(i)))
		cases = append(cases, kcltest.Case{
			Request: kcltest.Request{Dir: dir, Files: []string{name}},
			Run:     func() (kcltest.Outcome, error) { return kcltest.Run([]string{file}, program.Options{}) },
		})
	}
	kcltest.Differ(t, "testdata/oracle.py", cases, knownKinds)
}

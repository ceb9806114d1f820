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
	{
		Kind: kcltest.OtherVerdict, Want: `^InvalidSyntax`, Most: 11,
		Why: "syntax: a schema whose brackets close below its indentation, and that the file ends in",
	},
	{
		Kind: kcltest.OtherLine, Want: `^InvalidSyntax`, Most: 4,
		Why: "syntax: a schema whose brackets close below its indentation, and that the file ends in",
	},
	{
		Kind: kcltest.OtherLine, Most: 46,
		Want: `^EvaluationError: (attribute|conflicting|No attribute named|object of|.* not supported|.*not iterable|Instance check|Invalid str object|expect)`,
		Why:  "the runtime blames the first entry of an instance, or what it evaluated last",
	},
	{
		Kind: kcltest.OtherVerdict, Want: `^EvaluationError: attribute .* is required`, Most: 5,
		Why: "open: an instance left of | lacks an attribute",
	},
	{
		Kind: kcltest.OtherVerdict, Want: `not iterable`, Most: 2,
		Why: "open: in Undefined is a fault",
	},
	{
		Kind: kcltest.OtherVerdict, Want: `^$`, Got: `inf does not fit|Undefined cannot be called`, Most: 2,
		Why: "quirk: the runtime makes Undefined, or some number, of what cannot be computed",
	},
	{
		Kind: kcltest.OtherValue, Most: 6,
		Why: "open: the last of several operators on an attribute decides whether its default is replaced; " +
			"quirk: what changes an attribute changes the attribute that its default was taken from",
	},
}

// TestGeneratedPrograms compares this implementation with the reference runtime
// on programs made at random.
func TestGeneratedPrograms(t *testing.T) {
	kcltest.Interpreter(t)
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

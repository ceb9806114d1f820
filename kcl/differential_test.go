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
		Kind: kcltest.OtherLine, Most: 46,
		Want: `^EvaluationError: (attribute|conflicting|No attribute named|object of|.* not supported|.*not iterable|Instance check|Invalid str object|expect)`,
		Why:  "the runtime blames the first entry of an instance, or what it evaluated last",
	},
	{
		Kind: kcltest.OtherVerdict, Want: `^$`, Got: `inf does not fit|Undefined cannot be called`, Most: 2,
		Why: "quirk: the runtime makes Undefined, or some number, of what cannot be computed",
	},
	{
		Kind: kcltest.OtherValue, Most: 2,
		Why: "quirk: what changes an attribute changes the attribute that its default was taken from",
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

package eval_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// FuzzRun looks for programs on which the evaluator panics or does not end.
func FuzzRun(f *testing.F) {
	files, err := filepath.Glob("../testdata/programs/*.k")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, faults := syntax.Parse(syntax.NewSource("fuzz.k", text))
		if faults.Err() != nil {
			return
		}
		linked, faults := program.Link([]*syntax.File{file}, program.Options{WorkDir: t.TempDir()})
		if faults.Err() != nil {
			return
		}
		p, faults := eval.Run(linked, eval.Options{})
		if faults.Err() == nil {
			p.Value()
		}
	})
}

package eval_test

import (
	"os"
	"strings"
	"testing"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// TestPrintedValues evaluates a program of printed values, prints them and wants
// the program back. What the reference runtime makes of it is recorded beside it.
func TestPrintedValues(t *testing.T) {
	text, err := os.ReadFile("../testdata/programs/printed-values.k")
	if err != nil {
		t.Fatal(err)
	}
	linked, faults := program.Load([]*syntax.Source{syntax.NewSource("printed-values.k", string(text))}, program.Options{})
	p, more := eval.Run(linked, eval.Options{})
	if err := append(faults, more...).Err(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range p.Globals {
		if _, ok := e.Value.(*eval.Schema); !ok {
			b.WriteString(e.Key + " = " + eval.KCL(e.Value) + "\n")
		}
	}
	_, want, _ := strings.Cut(string(text), "\n\n")
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
}

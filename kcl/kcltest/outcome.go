// Package kcltest owns the comparison of this implementation of KCL with the
// reference runtime: what became of a program in each, and in what the two
// differ. Only tests import it.
package kcltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Outcome is what became of a program: its value, or where it was rejected.
type Outcome struct {
	Value    string   // JSON; "" when it was rejected
	Rejected bool     //
	Places   []string // "file:line" each; the runtime's one, or all of ours
	Text     string   // of a rejection
}

func (o Outcome) String() string {
	if !o.Rejected {
		return o.Value
	}
	return "rejected at " + strings.Join(o.Places, ", ") + "\n" + o.Text
}

// Difference says in what two outcomes differ.
type Difference string

// The differences, from none to the gravest.
const (
	Same         Difference = "the same"
	OtherLine    Difference = "another line"
	OtherValue   Difference = "another value"
	OtherVerdict Difference = "one accepts it"
)

// Compare compares an outcome with the runtime's. Where the runtime crashed
// only the verdict counts.
func Compare(got, want Outcome) Difference {
	switch {
	case got.Rejected != want.Rejected:
		return OtherVerdict
	case !got.Rejected && !sameJSON(got.Value, want.Value):
		return OtherValue
	case want.Rejected && !strings.HasSuffix(want.Places[0], ":0") && !slices.Contains(got.Places, want.Places[0]):
		return OtherLine
	}
	return Same
}

// Run evaluates the files of a program as berth does.
func Run(names []string, opts program.Options) (Outcome, error) {
	var sources []*syntax.Source
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return Outcome{}, err
		}
		sources = append(sources, syntax.NewSource(name, string(data)))
	}
	result, faults := kcl.Evaluate(sources, opts, eval.Options{})
	if faults.Err() == nil {
		var out *eval.Output
		if out, faults = result.Plan(eval.Plan{}); faults.Err() == nil {
			return Outcome{Value: out.JSON()}, nil
		}
	}
	return rejected(faults), nil
}

func rejected(faults diag.List) Outcome {
	o := Outcome{Rejected: true, Text: faults.Error()}
	place := func(span diag.Span) {
		o.Places = append(o.Places, fmt.Sprintf("%s:%d", filepath.Base(span.Start.File), span.Start.Line))
	}
	for _, d := range faults {
		if d.Severity == diag.Error {
			place(d.Span)
			for _, r := range d.Related {
				place(r.Span)
			}
		}
	}
	return o
}

// failedCheck finds the line of a failed check. The runtime shows the instance
// before it, at the wrong place where the instance was made of a dict: it is
// then whatever line was evaluated last.
var failedCheck = regexp.MustCompile(`(?m)^EvaluationError: Instance check failed\n(.*\d): Check failed on the condition`)

// Rejection reads an .err record as kcl/testdata/record.py describes it. main
// is the program's first file.
func Rejection(record, main string) Outcome {
	place, text, _ := strings.Cut(strings.TrimSpace(record), "\n")
	if m := failedCheck.FindStringSubmatch(text); m != nil {
		place = m[1]
	}
	if !strings.Contains(place, ":") {
		place = filepath.Base(main) + ":" + place
	}
	return Outcome{Rejected: true, Places: []string{place}, Text: text}
}

// sameJSON compares two values: the order of keys counts, and so does whether a
// number is written as an integer, but not how a float is written.
func sameJSON(a, b string) bool {
	x, err := tokens(a)
	y, err2 := tokens(b)
	return err == nil && err2 == nil && slices.Equal(x, y)
}

// tokens returns the tokens of a JSON text, which keep its order.
func tokens(text string) ([]json.Token, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var all []json.Token
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if n, ok := token.(json.Number); ok && strings.ContainsAny(n.String(), ".eE") {
			if token, err = n.Float64(); err != nil {
				return nil, err
			}
		}
		all = append(all, token)
	}
}

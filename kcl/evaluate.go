package kcl

import (
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/check"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Evaluation is a program that was evaluated.
type Evaluation struct {
	// Program is nil when the program could not be read whole: then there is
	// nothing to evaluate.
	*eval.Program
	Linked  *program.Program       // as it was read
	Sources map[string]diag.Source // of every file, by name
}

// Evaluate loads the sources as one main package, checks the program and
// evaluates it. Every fault is in the list: those of syntax alone where there
// are some, else those that checking and those that evaluation finds, each
// once. The result has the values that the faults leave.
func Evaluate(sources []*syntax.Source, find program.Options, opts eval.Options) (*Evaluation, diag.List) {
	linked, faults := program.Load(sources, find)
	return evaluate(linked, faults, opts)
}

// EvaluateFiles is Evaluate for files that are parsed already.
func EvaluateFiles(files []*syntax.File, find program.Options, opts eval.Options) (*Evaluation, diag.List) {
	linked, faults := program.Link(files, find)
	return evaluate(linked, faults, opts)
}

func evaluate(linked *program.Program, faults diag.List, opts eval.Options) (*Evaluation, diag.List) {
	result := &Evaluation{Linked: linked, Sources: linked.Sources()}
	if slices.ContainsFunc(faults, func(d *diag.Diagnostic) bool { return d.Code == diag.Syntax && d.Severity == diag.Error }) {
		return result, faults
	}
	faults = append(faults, check.Program(linked)...)
	if faults.Err() != nil { // evaluated for its faults: not to be seen at work
		opts.Print = nil
	}
	evaluated, more := eval.Run(linked, opts)
	result.Program = evaluated
	return result, join(faults, more)
}

// join adds faults that evaluation found to those found before it. One of the
// same kind at the same place says nothing new.
func join(faults, more diag.List) diag.List {
	type place struct {
		code diag.Code
		at   diag.Pos
	}
	seen := map[place]bool{}
	for _, d := range faults {
		seen[place{d.Code, d.Span.Start}] = true
	}
	for _, d := range more {
		if !seen[place{d.Code, d.Span.Start}] {
			faults = append(faults, d)
		}
	}
	return faults.Sort()
}

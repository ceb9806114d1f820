// Package kcl runs KCL programs: it finds their packages (program), checks them
// (check) and evaluates them (eval), and gathers the faults of all three. It
// adds no rule of the language.
package kcl

import (
	"slices"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/check"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Options say where packages are and what a program may do. The zero value
// runs a program that imports packages below its own root only.
type Options struct {
	Program program.Options
	Eval    eval.Options
}

// Result is a program that was run.
type Result struct {
	// Program is nil when the program could not be read whole: then there is
	// nothing to evaluate.
	*eval.Program
	Linked  *program.Program       // as it was read
	Sources map[string]diag.Source // of every file, by name
}

// Run runs the sources as one main package. Every fault is in the list: those
// of syntax alone where there are some, else those that checking and those that
// evaluation finds, each once. The result has the values that the faults leave.
func Run(sources []*syntax.Source, opts Options) (*Result, diag.List) {
	linked, faults := program.Load(sources, opts.Program)
	return evaluate(linked, faults, opts)
}

// RunFiles is Run for files that are parsed already.
func RunFiles(files []*syntax.File, opts Options) (*Result, diag.List) {
	linked, faults := program.Link(files, opts.Program)
	return evaluate(linked, faults, opts)
}

func evaluate(linked *program.Program, faults diag.List, opts Options) (*Result, diag.List) {
	result := &Result{Linked: linked, Sources: linked.Sources()}
	if slices.ContainsFunc(faults, func(d *diag.Diagnostic) bool { return d.Code == diag.Syntax && d.Severity == diag.Error }) {
		return result, faults
	}
	faults = append(faults, check.Program(linked)...)
	evaluated, more := eval.Run(linked, opts.Eval)
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

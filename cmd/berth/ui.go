package main

// Output rules: results go to stdout and nothing else does. Everything said
// about them (progress, notes, warnings, errors) goes to stderr. Only this file
// and progress.go write to stderr.

import (
	"errors"
	"fmt"

	"github.com/berth-oci/berth/diag"
)

// note says what is being done, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// fail renders an error with its place and hint, each of several.
func (a *app) fail(err error) {
	var list diag.List
	if errors.As(err, &list) {
		for _, d := range list {
			a.fail(d)
		}
		return
	}
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		fmt.Fprintf(a.stderr, "error: %v\n", err)
		return
	}
	fmt.Fprintf(a.stderr, "error[%s]: %v\n", d.Code, d)
	if d.Hint != "" {
		fmt.Fprintf(a.stderr, "  hint: %s\n", d.Hint)
	}
}

package main

// Output rules: results go to stdout and nothing else does. Everything said
// about them (progress, notes, warnings, errors) goes to stderr. Colour and
// bars appear only on a terminal, and never with NO_COLOR. Only this file and
// progress.go write to stderr. Both streams are a terminal, which no value that
// is written controls; lines and tables keep values from beginning lines too.

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode"

	"github.com/berth-oci/berth/diag"
)

// note says what is being done, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintln(a.stderr, line(format, args...))
	}
}

// print writes a line of the result.
func (a *app) print(format string, args ...any) { fmt.Fprintln(a.stdout, line(format, args...)) }

// ask writes a question to somebody at a terminal, also with --quiet.
func (a *app) ask(format string, args ...any) { fmt.Fprint(a.stderr, line(format, args...)) }

// working says what takes long to somebody who waits for it.
func (a *app) working(what string) {
	if a.stderr.isTerminal() {
		a.note("%s", what)
	}
}

// notes says what has no effect.
func (a *app) notes(lines []string) {
	for _, line := range lines {
		a.note("note: %s", line)
	}
}

// fail renders an error: each diagnostic with its frame and hint.
func (a *app) fail(err error) {
	list, sources := diagnostics(err)
	if sources == nil {
		sources = a.sources
	}
	a.explainFaults(list, sources)
}

// explainFaults renders diagnostics for people.
func (a *app) explainFaults(list diag.List, sources map[string]diag.Source) {
	style := diag.Style{Color: a.stderr.isTerminal() && os.Getenv("NO_COLOR") == ""}
	style.WriteText(coloured{a.stderr}, list, sources)
}

// diagnostics returns what an error is made of.
func diagnostics(err error) (diag.List, map[string]diag.Source) {
	var faults *diag.Faults
	if errors.As(err, &faults) {
		return faults.List, faults.Sources
	}
	var list diag.List
	if errors.As(err, &list) {
		return list, nil
	}
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return diag.List{d}, nil
	}
	return diag.List{diag.Errorf(diag.Failed, "%w", err)}, nil
}

// shellWord quotes s where a shell would take it apart, for commands to copy.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-+./:,@%=\\", r)
	}) && (runtime.GOOS == "windows" || !strings.Contains(s, "\\")) {
		return s
	}
	if runtime.GOOS == "windows" { // where file names hold no double quotes
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// plural returns "1 fault", "2 faults", "2 repositories".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printJSON writes a result for programs.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// result prints a result for programs, unless there is an error.
func (a *app) result(v any, err error) error {
	if err != nil {
		return err
	}
	return a.printJSON(v)
}

// size prints bytes for people.
func size(n int64) string {
	f, unit := float64(n), 0
	for f >= 1024 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, []string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

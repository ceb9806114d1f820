package kcl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

const programs = "testdata/programs"

// TestRecordedPrograms compares this implementation with what the reference
// runtime gave for each program: accepted or not, the same value, and a fault
// on the line that the runtime blames.
func TestRecordedPrograms(t *testing.T) {
	records := glob(t, programs+"/*.json", programs+"/*.err")
	compare(t, records, "testdata/known-differences.txt", func(name string) outcome {
		return run(t, filesOf(t, filepath.Join(programs, name)), program.Options{})
	})
}

// TestRecordedConfigs does the same for registry configs with the schema.
func TestRecordedConfigs(t *testing.T) {
	prelude, _ := parse(t, "../schema/oci_registry.k")
	configs := "../schema/testdata/configs"
	records := glob(t, configs+"/*.json", configs+"/*.err")
	compare(t, records, configs+"/../known-differences.txt", func(name string) outcome {
		opts := program.Options{Prelude: []*syntax.File{prelude}, PreludeName: "oci_registry"}
		return run(t, []string{filepath.Join(configs, name+".k")}, opts)
	})
}

// compare runs what each record is of and fails for a difference that the list
// does not have, and for one on the list that is no more.
func compare(t *testing.T, records []string, list string, run func(name string) outcome) {
	t.Helper()
	known := knownDifferences(t, list)
	agree := 0
	for _, record := range records {
		name := strings.TrimSuffix(filepath.Base(record), filepath.Ext(record))
		got, want := run(name), recorded(t, record)
		kind := got.differs(want)
		reason, listed := known[name]
		delete(known, name)
		switch {
		case kind == same:
			agree++
			if listed {
				t.Errorf("%s agrees now; take it off known-differences.txt", name)
			}
		case !listed, kind != otherLine && strings.HasPrefix(reason, "line:"):
			t.Errorf("%s: %s\n got %s\nwant %s", name, kind, got, want)
		case kind == otherLine && !strings.HasPrefix(reason, "line:"):
			t.Errorf("%s differs only in the line now: %s\n got %s\nwant %s", name, reason, got, want)
		default:
			t.Logf("%s: %s: %s", name, kind, reason)
		}
	}
	for name := range known {
		t.Errorf("known-differences.txt names %s, which has no record", name)
	}
	t.Logf("%d of %d agree", agree, len(records))
}

// outcome is what became of a program: its value as JSON, or where it was
// rejected.
type outcome struct {
	value  string
	places []string // "file:line" each; the runtime's one, or all of ours
	text   string   // of a rejection
}

func (o outcome) String() string {
	if o.places == nil {
		return o.value
	}
	return "rejected at " + strings.Join(o.places, ", ") + "\n" + o.text
}

// difference says in what two outcomes differ.
type difference string

const (
	same         difference = "the same"
	otherVerdict difference = "one accepts it"
	otherValue   difference = "another value"
	otherLine    difference = "another line"
)

// differs compares an outcome with the runtime's.
func (o outcome) differs(want outcome) difference {
	switch {
	case (o.places == nil) != (want.places == nil):
		return otherVerdict
	case o.places == nil && !sameJSON(o.value, want.value):
		return otherValue
	case o.places != nil && !strings.HasSuffix(want.places[0], ":0") && !slices.Contains(o.places, want.places[0]):
		return otherLine
	}
	return same
}

// filesOf returns the files of the main package at a path, as record.py
// describes them.
func filesOf(t *testing.T, path string) []string {
	t.Helper()
	for _, file := range []string{path + ".k", path + "/main.k"} {
		if _, err := os.Stat(file); err == nil {
			return []string{file}
		}
	}
	return glob(t, path+"/*.k")
}

// run evaluates a program.
func run(t *testing.T, names []string, opts program.Options) outcome {
	t.Helper()
	var sources []*syntax.Source
	for _, name := range names {
		src, err := program.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, src)
	}
	result, faults := kcl.Run(sources, kcl.Options{Program: opts})
	if faults.Err() == nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(result.Value()); err != nil {
			t.Fatal(err)
		}
		return outcome{value: strings.TrimSpace(b.String())}
	}
	o := outcome{places: []string{}, text: faults.Error()}
	place := func(span diag.Span) {
		o.places = append(o.places, fmt.Sprintf("%s:%d", filepath.Base(span.Start.File), span.Start.Line))
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

func parse(t *testing.T, file string) (*syntax.File, diag.List) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return syntax.Parse(syntax.NewSource(file, string(data)))
}

// recorded reads a record as kcl/testdata/record.py describes it.
func recorded(t *testing.T, record string) outcome {
	t.Helper()
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(data))
	if filepath.Ext(record) == ".json" {
		return outcome{value: text}
	}
	main := filepath.Base(filesOf(t, strings.TrimSuffix(record, ".err"))[0])
	place, text, _ := strings.Cut(text, "\n")
	if m := failedCheck.FindStringSubmatch(text); m != nil {
		place = m[1]
	}
	if !strings.Contains(place, ":") {
		place = main + ":" + place
	}
	return outcome{places: []string{place}, text: text}
}

// failedCheck finds the line of a failed check. The runtime shows the instance
// before it, at the wrong place where the instance was made of a dict: it is
// then whatever line was evaluated last.
var failedCheck = regexp.MustCompile(`(?m)^EvaluationError: Instance check failed\n(.*\d): Check failed on the condition`)

// sameJSON compares two values: the order of keys counts, and so does whether a
// number is written as an integer, but not how a float is written.
func sameJSON(a, b string) bool {
	x, err := flatten(a)
	y, err2 := flatten(b)
	return err == nil && err2 == nil && slices.Equal(x, y)
}

// flatten returns the tokens of a JSON text, which keep its order.
func flatten(text string) ([]json.Token, error) {
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

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, p := range patterns {
		m, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m...)
	}
	if len(all) == 0 {
		t.Fatalf("nothing matches %v", patterns)
	}
	return all
}

// knownDifferences reads the programs on which the two disagree: a name and
// the reason on each line.
func knownDifferences(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatal(fmt.Errorf("%s:%d: no reason given", file, i+1))
		}
		known[name] = strings.TrimSpace(reason)
	}
	return known
}

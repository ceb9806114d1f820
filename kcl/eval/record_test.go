package eval_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

const programs = "../testdata/programs"

// TestRecordedPrograms compares this implementation with what the reference
// runtime gave for each program: accepted or not, and the same value.
func TestRecordedPrograms(t *testing.T) {
	known := knownDifferences(t, "../testdata/known-differences.txt")
	var ok, total int
	for _, record := range glob(t, programs+"/*.json", programs+"/*.err") {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(record), ".json"), ".err")
		total++
		got, want := outcome(t, name), recorded(t, record)
		same := got == want
		if !same && strings.HasPrefix(got, "rejected") && want == "rejected" {
			same = true
		}
		reason, listed := known[name]
		delete(known, name)
		switch {
		case same:
			ok++
			if listed {
				t.Errorf("%s agrees now; take it off known-differences.txt", name)
			}
		case !listed:
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		default:
			t.Logf("%s differs: %s", name, reason)
		}
	}
	for name := range known {
		t.Errorf("known-differences.txt names %s, which is no program", name)
	}
	t.Logf("%d of %d programs agree", ok, total)
}

// TestRecordedConfigs does the same for registry configs with the schema.
func TestRecordedConfigs(t *testing.T) {
	prelude, _ := parse(t, "../../schema/oci_registry.k")
	configs := "../../schema/testdata/configs"
	known := knownDifferences(t, configs+"/../known-differences.txt")
	for _, record := range glob(t, configs+"/*.json", configs+"/*.err") {
		config := strings.TrimSuffix(strings.TrimSuffix(record, ".json"), ".err") + ".k"
		got := run(t, config, program.Options{Prelude: []*syntax.File{prelude}, PreludeName: "oci_registry"})
		want := recorded(t, record)
		if strings.HasPrefix(got, "rejected") && want == "rejected" {
			continue
		}
		if !strings.HasPrefix(got, "{") || !strings.HasPrefix(want, "{") || !sameJSON(t, got, want) {
			if reason, ok := known[strings.TrimSuffix(filepath.Base(config), ".k")]; ok {
				t.Logf("%s differs: %s", config, reason)
				continue
			}
			t.Errorf("%s:\n got %s\nwant %s", config, got, want)
		}
	}
}

// outcome runs a program and returns its value as JSON, or "rejected" with the
// faults.
func outcome(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(programs, name)
	files := []string{path + ".k"}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		files = []string{filepath.Join(path, "main.k")}
	}
	return run(t, files[0], program.Options{})
}

func run(t *testing.T, file string, opts program.Options) string {
	t.Helper()
	f, faults := parse(t, file)
	linked, more := program.Link([]*syntax.File{f}, opts)
	faults = append(faults, more...)
	if faults.Err() == nil {
		p, more := eval.Run(linked, eval.Options{})
		if more.Err() == nil {
			if _, lines, ok := p.Stream(); ok {
				return lines
			}
			var b strings.Builder
			eval.WriteJSON(&b, p.Value())
			return b.String()
		}
		faults = more
	}
	return "rejected: " + faults.Error()
}

func parse(t *testing.T, file string) (*syntax.File, diag.List) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return syntax.Parse(syntax.NewSource(file, string(data)))
}

func recorded(t *testing.T, record string) string {
	t.Helper()
	if strings.HasSuffix(record, ".err") {
		return "rejected"
	}
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
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

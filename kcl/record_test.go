package kcl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-oci/berth/kcl/kcltest"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
	"github.com/berth-oci/berth/schema"
)

const programs = "testdata/programs"

// TestRecordedPrograms compares this implementation with what the reference
// runtime gave for each program: accepted or not, the same value, and a fault
// on the line that the runtime blames.
func TestRecordedPrograms(t *testing.T) {
	records := glob(t, programs+"/*.json", programs+"/*.err")
	compare(t, records, "testdata/known-differences.txt", program.Options{})
}

// TestRecordedConfigs does the same for registry configs with the schema.
func TestRecordedConfigs(t *testing.T) {
	prelude, _ := syntax.Parse(syntax.NewSource(schema.File, schema.Source))
	configs := "../schema/testdata/configs"
	records := glob(t, configs+"/*.json", configs+"/*.err")
	compare(t, records, configs+"/../known-differences.txt",
		program.Options{Prelude: []*syntax.File{prelude}, PreludeName: schema.Package})
}

// compare runs what each record is of and fails for a difference that the list
// does not have, and for one on the list that is no more.
func compare(t *testing.T, records []string, list string, opts program.Options) {
	t.Helper()
	known := knownDifferences(t, list)
	agree := 0
	for _, record := range records {
		path := strings.TrimSuffix(record, filepath.Ext(record))
		name := filepath.Base(path)
		files := filesOf(t, path)
		want := recorded(t, record, files[0])
		got, err := kcltest.Run(files, opts)
		if err != nil {
			t.Fatal(err)
		}
		difference := kcltest.Compare(got, want)
		reason, listed := known[name]
		delete(known, name)
		lineOnly := strings.HasPrefix(reason, "line:")
		switch {
		case difference == kcltest.Same:
			agree++
			if listed {
				t.Errorf("%s agrees now; take it off %s", name, filepath.Base(list))
			}
		case !listed, difference != kcltest.OtherLine && lineOnly:
			t.Errorf("%s: %s\n got %s\nwant %s", name, difference, got, want)
		case difference == kcltest.OtherLine && !lineOnly:
			t.Errorf("%s differs only in the line now: %s\n got %s\nwant %s", name, reason, got, want)
		default:
			t.Logf("%s: %s: %s", name, difference, reason)
		}
	}
	for name := range known {
		t.Errorf("%s names %s, which has no record", filepath.Base(list), name)
	}
	t.Logf("%d of %d agree", agree, len(records))
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

func recorded(t *testing.T, record, main string) kcltest.Outcome {
	t.Helper()
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(record) == ".json" {
		return kcltest.Outcome{Value: string(data)}
	}
	return kcltest.Rejection(string(data), main)
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
// the reason on each line. A reason that begins with "line:" is one of
// programs that both reject, on different lines.
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
			t.Fatalf("%s:%d: no reason given", file, i+1)
		}
		known[name] = strings.TrimSpace(reason)
	}
	return known
}

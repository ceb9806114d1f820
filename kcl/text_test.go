package kcl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-oci/berth/kcl"
)

// TestRecordedText runs every recorded program that is accepted, as the command
// does, and compares what it outputs as JSON and YAML,
// byte for byte, with what the reference runtime gave.
func TestRecordedText(t *testing.T) {
	values := knownDifferences(t, "testdata/known-differences.txt")
	known := knownDifferences(t, "testdata/known-differences-text.txt")
	for _, record := range glob(t, programs+"/*.json") {
		name := strings.TrimSuffix(filepath.Base(record), ".json")
		if _, ok := values[name]; ok {
			continue
		}
		out, err := kcl.Run(kcl.Options{Files: filesOf(t, filepath.Join(programs, name))})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		yaml := read(t, strings.TrimSuffix(record, ".json")+".yaml")
		same := out.JSON()+"\n" == read(t, record) && out.YAML()+"\n" == yaml
		_, listed := known[name]
		delete(known, name)
		switch {
		case same && listed:
			t.Errorf("%s agrees now; take it off known-differences-text.txt", name)
		case !same && !listed:
			t.Errorf("%s:\n got %s\n%s\nwant %s%s", name, out.JSON(), out.YAML(), read(t, record), yaml)
		}
	}
	for name := range known {
		t.Errorf("known-differences-text.txt names %s, which has no record", name)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

package kcltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// Python names the environment variable that holds a Python interpreter which
// has the reference runtime: pip install kcl-lib==0.13.2.
const Python = "BERTH_TEST_KCL_PYTHON"

// Request is one program for the reference runtime, or data to be checked; see
// kcl/testdata/oracle.py.
type Request struct {
	Dir   string   `json:"dir"`
	Files []string `json:"files,omitempty"`

	Schema string `json:"schema,omitempty"` // the file of the schema that Data is checked with
	Name   string `json:"name,omitempty"`
	Data   string `json:"data,omitempty"`
	Format string `json:"format,omitempty"`
}

// Interpreter returns the interpreter that has the reference runtime. Without it
// the test is skipped, or fails where BERTH_TEST_NO_SKIP is 1, as in CI.
func Interpreter(t *testing.T) string {
	t.Helper()
	python := os.Getenv(Python)
	if python == "" {
		testtool.Skip(t, Python+" does not name a Python that has kcl-lib, the reference runtime")
	}
	return python
}

// Ask returns what the reference runtime makes of each request. script is the
// path of kcl/testdata/oracle.py.
func Ask(t *testing.T, script string, requests []Request) []Outcome {
	t.Helper()
	python := Interpreter(t)
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, r := range requests {
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, script)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := answers(bytes.NewReader(out), requests)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func answers(r io.Reader, requests []Request) ([]Outcome, error) {
	dec := json.NewDecoder(r)
	outcomes := make([]Outcome, len(requests))
	for i, request := range requests {
		var answer struct{ Value, Error string }
		if err := dec.Decode(&answer); err != nil {
			return nil, fmt.Errorf("answer %d of %d: %w", i+1, len(requests), err)
		}
		outcomes[i].Value = answer.Value
		if answer.Error != "" {
			main := request.Schema
			if len(request.Files) > 0 {
				main = request.Files[0]
			}
			outcomes[i] = Rejection(answer.Error, main)
		}
	}
	return outcomes, nil
}

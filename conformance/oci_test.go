package conformance

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ociVersion is the version of the distribution spec; what 1.1 has and the suite
// leaves out by default is turned on as well.
var ociEnv = []string{
	"OCI_VERSION=1.1",
	"OCI_DATA_SHA512=true",
	"OCI_DATA_SPARSE=false", // the spec lets a registry refuse these
	"OCI_API_BLOBS_DIGEST_HEADER=true",
	"OCI_API_BLOBS_UPLOAD_CANCEL=true",
	"OCI_API_MANIFESTS_DIGEST_HEADER=true",
}

// TestOCI runs the OCI distribution-spec conformance suite on every storage.
func TestOCI(t *testing.T) {
	suite := filepath.Join(t.TempDir(), "oci")
	build := exec.Command("go", "build", "-o", suite, "github.com/opencontainers/distribution-spec/conformance")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the suite: %v\n%s", err, out)
	}
	for _, kind := range storages {
		t.Run(kind.name, func(t *testing.T) {
			s := newServer(t, setup{storage: kind.new(t)})
			runSuite(t, suite, s)
		})
	}
}

// runSuite fails the test for each case that the suite fails. The suite also
// exits 0 when it cannot run, so what counts is its report.
func runSuite(t *testing.T, suite string, s *server) {
	results := t.TempDir()
	cmd := exec.Command(suite)
	cmd.Dir = results
	cmd.Env = append(os.Environ(), append(ociEnv,
		"OCI_REGISTRY=127.0.0.1:"+strconv.Itoa(s.port), "OCI_TLS=disabled", "OCI_RESULTS_DIR="+results)...)
	out, err := cmd.CombinedOutput()
	report, readErr := os.ReadFile(filepath.Join(results, "junit.xml"))
	if readErr != nil {
		t.Fatalf("the suite left no report: %v, %v\n%s", err, readErr, out)
	}
	var suites struct {
		Cases []struct {
			Name   string `xml:"name,attr"`
			Status string `xml:"status,attr"`
			Errors string `xml:"system-out"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(report, &suites); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range suites.Cases {
		count[c.Status]++
		switch c.Status {
		case "passed":
		case "skipped":
			t.Logf("skipped: %s %s", c.Name, c.Errors)
		default:
			t.Errorf("%s: %s: %s", c.Status, c.Name, strings.TrimSpace(c.Errors))
		}
	}
	t.Logf("%d cases: %v", len(suites.Cases), count)
	if err != nil && !t.Failed() {
		t.Errorf("the suite: %v\n%s", err, out)
	}
	// A suite that stopped early has nothing to fail.
	if count["passed"] < 500 {
		t.Errorf("only %d cases passed", count["passed"])
	}
}

package load_test

import (
	"errors"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
)

// FuzzYAML looks for documents on which loading panics, does not end, or fails
// without a diagnostic.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{
		"deployment: local\ntype: zot\nendpoint: localhost\nlocal: {data_dir: /x, config_path: /y}\n",
		"a: &x [1, 2]\nb: *x\nc: !!str 5\n<<: {d: 1}\n",
		"{\"deployment\": \"remote\", \"remote\": {\"retry_backoff\": 1.5e3}}",
		"features:\n  webhook_endpoints:\n  - |\n    text\n  - >-\n    folded\n",
		"a: .inf\nb: ~\nc: 0x1F\nd: 2026-01-01\n? e\n: f\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := load.Text("fuzz.yaml", "fuzz.yaml", text, load.Options{})
		var d *diag.Diagnostic
		if err != nil && !errors.As(err, &d) {
			t.Fatalf("an error without a diagnostic: %v", err)
		}
	})
}

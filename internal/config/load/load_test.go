package load_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// TestExamples loads and resolves every config below examples.
func TestExamples(t *testing.T) {
	var found int
	err := filepath.WalkDir("../../../examples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), "registry.") {
			return err
		}
		found++
		config, err := load.File(path, load.Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		if _, err := resolve.Resolve(config.Registry, config, resolve.Options{Defaults: config.Defaults}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || found < 4 {
		t.Fatalf("%d examples found: %v", found, err)
	}
}

// TestPlaces asks for the places of attributes that are given, defaulted and
// nested.
func TestPlaces(t *testing.T) {
	config, err := load.Text("", "registry.k", `OCIRegistryConfig {
    deployment = "local"
    type = "zot"
    endpoint = "localhost"
    local = LocalOCIConfig {
        data_dir = "/d"
        config_path = "/c"
        http_config.listen_port = 6000
    }
    features.webhook_enabled = False
}
`, load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path  string
		given bool
		line  int
	}{
		{"type", true, 3},
		{"local.data_dir", true, 6},
		{"local.http_config.listen_port", true, 8},
		{"local.http_config.read_timeout", false, 8},
		{"local.auto_start", false, 5},
		{"features.gc_enabled", false, 10},
		{"port", false, 1},
		{"push_policy.tag_format", false, 1},
	} {
		if got := config.Given(test.path); got != test.given {
			t.Errorf("%s given: %v", test.path, got)
		}
		if got := config.Span(test.path).Start.Line; got != test.line {
			t.Errorf("%s is at line %d, want %d", test.path, got, test.line)
		}
	}
}

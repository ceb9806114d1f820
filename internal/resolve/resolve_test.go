package resolve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/load"
	"github.com/berth-oci/berth/internal/resolve"
)

// target resolves a YAML config whose relative paths start at /work and whose
// home is /home/dev.
func target(t *testing.T, text string) (*resolve.Target, error) {
	t.Helper()
	config, err := load.Text("", "registry.yaml", text, load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return resolve.Resolve(config.Registry, config, resolve.Options{Defaults: config.Defaults, Home: "/home/dev", Dir: "/work"})
}

const local = `
deployment: local
type: distribution
local: {data_dir: ~/oci, config_path: conf/config.yml%s}
endpoint: %s
`

func TestEndpointAndPorts(t *testing.T) {
	for _, test := range []struct {
		name, config, url, listen string
	}{
		{"defaults", fmt.Sprintf(local, "", "localhost"), "http://localhost:5000", "127.0.0.1:5000"},
		{"the port of clients is the server's", fmt.Sprintf(local, "", "localhost") + "port: 5001\n", "http://localhost:5001", "127.0.0.1:5001"},
		{"also beside other http settings", fmt.Sprintf(local, ", http_config: {read_timeout: 5}", "localhost") + "port: 5001\n", "http://localhost:5001", "127.0.0.1:5001"},
		{"the server's port is that of clients", fmt.Sprintf(local, ", http_config: {listen_port: 6000}", "localhost"), "http://localhost:6000", "127.0.0.1:6000"},
		{"two ports", fmt.Sprintf(local, ", http_config: {listen_port: 6000, listen_address: 0.0.0.0}", "registry.lan") + "port: 80\n", "http://registry.lan:80", "0.0.0.0:6000"},
		{"IPv6", fmt.Sprintf(local, "", `"::1"`), "http://[::1]:5000", "127.0.0.1:5000"},
		{"remote with TLS", "deployment: remote\ntype: harbor\nendpoint: h\nremote: {}\ntls_enabled: true\n", "https://h:443", ""},
		{"remote harbor", "deployment: remote\ntype: harbor\nendpoint: h\nremote: {}\n", "http://h:80", ""},
		{"remote artifactory", "deployment: remote\ntype: artifactory\nendpoint: h\nremote: {}\n", "http://h:8082", ""},
		{"no port", "deployment: remote\ntype: zot\nendpoint: h\nremote: {}\ntls_enabled: true\nport: null\n", "https://h:443", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := target(t, test.config)
			if err != nil {
				t.Fatal(err)
			}
			if url := got.Endpoint.URL().String(); url != test.url {
				t.Errorf("clients use %s, want %s", url, test.url)
			}
			if got.Local != nil && got.Local.Listen() != test.listen {
				t.Errorf("the server listens on %s, want %s", got.Local.Listen(), test.listen)
			}
		})
	}
}

func TestLocal(t *testing.T) {
	got, err := target(t, fmt.Sprintf(local, ", log_file: ../log", "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	l := got.Local
	for what, pair := range map[string][2]any{
		"data_dir":      {l.DataDir, "/home/dev/oci"},
		"config_path":   {l.ConfigPath, "/work/conf/config.yml"},
		"log_file":      {l.LogFile, "/log"},
		"rootdirectory": {l.Root, "/home/dev/oci"},
		"backend":       {l.Backend, "filesystem"},
		"read_timeout":  {l.ReadTimeout, time.Minute},
		"idle_timeout":  {l.IdleTimeout, 2 * time.Minute},
		"tag_format":    {*got.Push.TagFormat, "v{version}-{timestamp}"},
		"pull policy":   {got.Pull.Policy, "if-not-present"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
}

// TestFaults provokes each fault; all of a config are reported at once.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		config string
		want   []string
	}{
		{fmt.Sprintf(local, "", "localhost") + "auth_required: true\nusername: dev\n", []string{"registry.yaml:6:16: a local registry with auth_required needs the password"}},
		{fmt.Sprintf(local, "", "localhost") + "password_path: p\n", []string{"registry.yaml:6:16: password_path is given without a username"}},
		{fmt.Sprintf(local, "", "https://localhost"), []string{`endpoint "https://localhost" is not a host name`}},
		{fmt.Sprintf(local, "", "localhost:5000"), []string{`endpoint "localhost:5000" is not a host name`}},
		{"deployment: remote\ntype: zot\nendpoint: h\nremote: {}\ntls_cert_path: c\n", []string{"a client certificate needs both certificate and key"}},
		{"deployment: remote\ntype: zot\nendpoint: h/x\nremote: {retry_delay: -1}\nca_cert_path: ~bob/ca\n", []string{"is not a host name", "-1 seconds is no time to wait", "home directory of another user"}},
		{"deployment: disabled\ntype: zot\nendpoint: h\n", []string{"registry.yaml:1:13: this registry is disabled"}},
	} {
		_, err := target(t, test.config)
		if err == nil {
			t.Errorf("no fault in\n%s", test.config)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("faults\n%v\nlack %q", err, want)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(test.want) {
			t.Errorf("%d faults, want %d:\n%v", n, len(test.want), err)
		}
	}
}

func TestTimesDoNotOverflow(t *testing.T) {
	got, err := target(t, "deployment: remote\ntype: zot\nendpoint: h\nremote: {timeout: 9300000000}\n")
	if err != nil || got.Client.Timeout <= 0 {
		t.Errorf("timeout %v, %v", got.Client.Timeout, err)
	}
}

func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	secret := resolve.SecretFile(file)
	if _, err := secret.Read(); err == nil {
		t.Error("a secret was read from a file that is not there")
	}
	for content, want := range map[string]string{"s3cret\n": "s3cret", "s3cret\r\n": "s3cret", " s ": " s ", "\n": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := secret.Read()
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q is read as %q, %v", content, got, err)
		}
	}
	text := fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, struct{ S resolve.Secret }{secret}, secret)
	if strings.Contains(text, file) || strings.Contains(text, "s3cret") {
		t.Errorf("formatting shows the secret: %s", text)
	}
}

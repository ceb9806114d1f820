package resolve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
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
		{fmt.Sprintf(local, s3("a.example/b"), "localhost"), []string{`endpoint "a.example/***" is not a host and port`}},
		{fmt.Sprintf(local, ", storage_config: {backend: azure, azure: {account_name: a, container: c, endpoint: 'https://a/?sig=x'}}", "localhost"), []string{"registry.yaml:4:138: the endpoint is more than the URL"}},
		{fmt.Sprintf(local, "", "localhost") + "username: 'a:b'\n", []string{`registry.yaml:6:11: the user name "a:b" cannot be used for basic authentication`}},
		{fmt.Sprintf(local, "", "localhost") + "username: '#a'\n", []string{`registry.yaml:6:11: the user name "#a" cannot be used for basic authentication`}},
		{fmt.Sprintf(local, "", "localhost") + "features: {gc_schedule: 0 25 * * *}\n", []string{`registry.yaml:6:25: "0 25 * * *" is not a cron expression`}},
		{"deployment: remote\ntype: zot\nendpoint: h\nremote: {token_server: 'https://h/token'}\n", []string{`registry.yaml:4:24: token_server "https://h/***" is not a host and port`}},
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

// s3 is a storage_config with the given endpoint.
func s3(endpoint string) string {
	return ", storage_config: {backend: s3, s3: {bucket: b, prefix: /oci/, credentials_path: key, endpoint: '" + endpoint + "'}}"
}

func TestS3Endpoint(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"localhost:9000": true, "s3.lan": true, "[::1]:9000": true, "127.0.0.1:1": true, "": true,
		"http://localhost:9000": false, "localhost:": false, "localhost:0": false, "localhost:70000": false, "localhost:x": false,
		"u:p@localhost": false, "localhost/bucket": false, "a b": false, ":9000": false, "[x]:1": false, "::1": false, "a?b": false,
	} {
		got, err := target(t, fmt.Sprintf(local, s3(endpoint), "localhost"))
		if (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
		if err == nil {
			want := &resolve.S3{Bucket: "b", Region: "us-east-1", Endpoint: endpoint, Prefix: "oci", Secure: true, VerifyTLS: true, Credentials: resolve.SecretFile("/work/key")}
			if *got.Local.S3 != *want {
				t.Errorf("%q gives %+v", endpoint, got.Local.S3)
			}
		}
	}
}

func TestAzureEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"": "", "http://127.0.0.1:10000/devstoreaccount1/": "http://127.0.0.1:10000/devstoreaccount1", "https://a.blob.core.usgovcloudapi.net": "https://a.blob.core.usgovcloudapi.net",
		"127.0.0.1:10000": "!", "ftp://a": "!", "https://": "!", "https://u:p@a": "!", "https://a?": "!", "https://a#f": "!", "https://a:x": "!", "a\nb": "!",
	} {
		got, err := target(t, fmt.Sprintf(local, ", storage_config: {backend: azure, azure: {account_name: a, container: c, endpoint: "+fmt.Sprintf("%q", endpoint)+"}}", "localhost"))
		switch {
		case err != nil && want != "!":
			t.Errorf("%q: %v", endpoint, err)
		case err == nil && got.Local.Azure.Endpoint != want:
			t.Errorf("%q gives %q", endpoint, got.Local.Azure.Endpoint)
		}
	}
}

// TestGC is about the two switches: what is on only by default gives way where
// the other one is off.
func TestGC(t *testing.T) {
	const hour, daily = time.Hour, "0 2 * * *"
	for _, test := range []struct {
		storage, features string
		interval          time.Duration
		schedule          string
	}{
		{"", "", hour, ""},
		{"", "features: {}", hour, daily},
		{"gc_interval: 60", "features: {gc_schedule: 0 3 * * *}", time.Minute, "0 3 * * *"},
		{"", "features: {gc_schedule: null}", hour, ""},
		{"gc_enabled: false", "", 0, ""},
		{"gc_enabled: false", "features: {}", 0, ""},
		{"gc_enabled: false", "features: {gc_enabled: true}", 0, daily},
		{"gc_enabled: false", "features: {gc_schedule: 0 3 * * *}", 0, "0 3 * * *"},
		{"", "features: {gc_enabled: false}", 0, ""},
		{"gc_interval: 60", "features: {gc_enabled: false}", time.Minute, ""},
		{"gc_enabled: true", "features: {gc_enabled: false, gc_schedule: 0 3 * * *}", hour, ""},
		{"gc_enabled: false", "features: {gc_enabled: false}", 0, ""},
	} {
		got, err := target(t, fmt.Sprintf(local, ", storage_config: {"+test.storage+"}", "localhost")+test.features+"\n")
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		want := resolve.GC{Interval: test.interval, Schedule: test.schedule, Delay: 10 * time.Minute, Untagged: true}
		if got.Local.GC != want {
			t.Errorf("%+v gives %+v", test, got.Local.GC)
		}
	}
}

func TestScrub(t *testing.T) {
	for config, want := range map[string]resolve.Scrub{
		"": {Interval: 7 * 24 * time.Hour, Rate: 50 << 20}, "scrub_interval: 0, scrub_rate: 0": {}, "scrub_rate: 9223372036854775807, scrub_interval: 1": {Interval: time.Second, Rate: 1 << 50},
	} {
		got, err := target(t, fmt.Sprintf(local, ", storage_config: {"+config+"}", "localhost"))
		if err != nil || got.Local.Scrub != want {
			t.Errorf("%s gives %+v, %v", config, got.Local.Scrub, err)
		}
	}
}

func TestSchedule(t *testing.T) {
	for schedule, ok := range map[string]bool{
		"0 2 * * *": true, "*/15 1-5 * jan,dec mon": true, "": true,
		"0 2 * *": false, "0 0 2 * * *": false, "60 2 * * *": false, "@daily": false, "TZ=UTC 0 2 * * *": false, "TZ=0": false, "nightly": false, "0 2 * * 9": false,
	} {
		_, err := target(t, "deployment: remote\ntype: harbor\nendpoint: h\nremote: {}\nfeatures: {gc_schedule: '"+schedule+"'}\n")
		if (err == nil) != ok {
			t.Errorf("%q: %v", schedule, err)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	got, err := target(t, fmt.Sprintf(local, `, http_config: {trusted_proxies: [127.0.0.1, "::1", 10.0.0.0/8, "fd00::/8", 0.0.0.0/0]}`, "localhost"))
	if want := "[127.0.0.1/32 ::1/128 10.0.0.0/8 fd00::/8 0.0.0.0/0]"; err != nil || fmt.Sprint(got.Local.TrustedProxies) != want {
		t.Errorf("got %v, %v", got.Local.TrustedProxies, err)
	}
	_, err = target(t, `
deployment: local
type: distribution
endpoint: localhost
local:
  data_dir: ~/oci
  config_path: ~/c
  http_config:
    trusted_proxies:
      - 10.0.0.1
      - proxy.lan
      - 10.0.0.1/8
      - 10.0.0.0/33
      - ::ffff:10.0.0.1
      - fe80::1%eth0
      - ""
`)
	want := `registry.yaml:11:9: "proxy.lan" is no address or network
registry.yaml:12:9: "10.0.0.1/8" is no address or network
registry.yaml:13:9: "10.0.0.0/33" is no address or network
registry.yaml:14:9: "::ffff:10.0.0.1" is no address or network
registry.yaml:15:9: "fe80::1%eth0" is no address or network
registry.yaml:16:9: "" is no address or network`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v", err)
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
	for content, want := range map[string]string{"a\n": "a", "\n a \r\n\nb\n": "a b", "\n": "", " \n\t\n": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := secret.Lines()
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q has the lines %q, %v", content, got, err)
		}
	}
	text := fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, struct{ S resolve.Secret }{secret}, secret)
	if strings.Contains(text, file) || strings.Contains(text, "s3cret") {
		t.Errorf("formatting shows the secret: %s", text)
	}
}

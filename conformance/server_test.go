package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// server is a registry that runs in a process of its own: berth serve, or with
// -reference CNCF distribution.
type server struct {
	t      testing.TB
	dir    string // of its config, data_dir and log
	config string // file
	port   int
	url    string
	client *client
	proc   *process
}

// setup is what a test wants of its server beside the defaults.
type setup struct {
	storage  storage        // an empty directory when nil
	gc       map[string]any // over what gcConfig has
	tls      *keyPair
	user     string // with password; nobody else gets in
	password string
	token    string         // that gets in as well
	extra    map[string]any // of http_config
}

// gcConfig keeps the clock's collections out of tests that do not ask for them.
var gcConfig = map[string]any{"gc_enabled": true, "gc_interval": 3600, "gc_delay": 600, "gc_untagged": true, "scrub_interval": 0}

// newServer starts a server that ends with the test.
func newServer(t testing.TB, s setup) *server {
	t.Helper()
	dir := t.TempDir()
	if s.storage == nil {
		s.storage = &filesystem{root: filepath.Join(dir, "root")}
	}
	srv := &server{t: t, dir: dir, port: freePort(t)}
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	srv.url = fmt.Sprintf("%s://127.0.0.1:%d", scheme, srv.port)
	srv.client = newClient(srv.url, s)
	if *referenceFlag != "" {
		srv.config = writeReference(t, srv, s)
	} else {
		srv.config = writeConfig(t, srv, s)
	}
	srv.start()
	t.Cleanup(func() {
		srv.stop()
		if log, err := os.ReadFile(srv.log()); err == nil && strings.Contains(string(log), "DATA RACE") {
			t.Errorf("the registry has a data race:\n%.4000s", log[strings.Index(string(log), "WARNING: DATA RACE"):])
		}
		showLog(t, srv.log())
	})
	return srv
}

// writeConfig writes the config of berth.
func writeConfig(t testing.TB, srv *server, s setup) string {
	t.Helper()
	keep := s.storage.config()
	for _, attributes := range []map[string]any{gcConfig, s.gc} {
		maps.Copy(keep, attributes)
	}
	listen := map[string]any{"listen_address": "127.0.0.1", "listen_port": srv.port}
	for name, value := range s.extra {
		listen[name] = value
	}
	config := map[string]any{
		"deployment": "local", "type": "distribution", "endpoint": "127.0.0.1", "port": srv.port,
		"local": map[string]any{
			"data_dir": filepath.Join(srv.dir, "data"), "config_path": filepath.Join(srv.dir, "native.yml"),
			"log_file": srv.log(), "http_config": listen, "storage_config": keep,
		},
	}
	if s.tls != nil {
		config["tls_enabled"], config["tls_cert_path"], config["tls_key_path"] = true, s.tls.cert, s.tls.key
	}
	if s.user != "" {
		config["auth_required"], config["username"] = true, s.user
		config["password_path"] = writeFile(t, srv.dir, "password", s.password)
	}
	if s.token != "" {
		config["auth_token_path"] = writeFile(t, srv.dir, "token", s.token)
	}
	return writeJSON(t, filepath.Join(srv.dir, "registry.json"), config)
}

// writeReference writes the same in CNCF distribution's own format.
func writeReference(t testing.TB, srv *server, s setup) string {
	t.Helper()
	keep := s.storage.reference()
	keep["delete"] = map[string]any{"enabled": true}
	listen := map[string]any{"addr": fmt.Sprintf("127.0.0.1:%d", srv.port), "secret": "conformance"}
	if s.tls != nil {
		listen["tls"] = map[string]any{"certificate": s.tls.cert, "key": s.tls.key}
	}
	if s.user != "" {
		skip(t, "no htpasswd file is made for -reference")
	}
	return writeJSON(t, filepath.Join(srv.dir, "registry.json"), map[string]any{
		"version": "0.1", "storage": keep, "http": listen,
		"log": map[string]any{"level": "error", "accesslog": map[string]any{"disabled": true}},
	})
}

func writeJSON(t testing.TB, name string, value any) string {
	t.Helper()
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Dir(name), filepath.Base(name), string(data))
}

func writeFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *server) log() string { return filepath.Join(s.dir, "log") }

// start returns once the registry answers.
func (s *server) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Error(err)
		showLog(s.t, s.log())
		s.t.FailNow()
	}
}

func (s *server) tryStart() (err error) {
	if *referenceFlag != "" {
		s.proc, err = launch(s.log(), *referenceFlag, "serve", s.config)
	} else {
		s.proc, err = launch(s.log(), berth, "serve", "-f", s.config)
	}
	if err != nil {
		return err
	}
	return s.proc.waitFor("the registry", func() bool {
		a, err := s.client.get("/v2/")
		return err == nil && a.status == http.StatusOK
	})
}

// kill ends it as a crash does.
func (s *server) kill() {
	s.proc.kill()
	s.client.http.CloseIdleConnections()
}

func (s *server) stop() {
	s.proc.stop()
	s.client.http.CloseIdleConnections()
}

// berth runs a command on the server's config and returns its standard output
// and exit code. What it says on standard error goes to the test's log.
func (s *server) berth(args ...string) (stdout string, code int) {
	s.t.Helper()
	needsBerth(s.t)
	cmd := exec.Command(berth, append(args, "-f", s.config)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	started := time.Now()
	out, err := cmd.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if stderr.Len() > 0 {
		s.t.Logf("berth %s (%s): %s", strings.Join(args, " "), time.Since(started).Round(time.Millisecond), stderr.String())
	}
	return string(out), cmd.ProcessState.ExitCode()
}

package distribution

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/engine"
	"github.com/berth-oci/berth/internal/resolve"
)

// header marks a file that berth wrote and may replace.
const header = "# Written by berth: changes to this file are lost.\n"

// config is the part of distribution's config that berth sets
// (https://distribution.github.io/distribution/about/configuration/).
type config struct {
	Version string  `yaml:"version"`
	Log     logging `yaml:"log"`
	Storage storage `yaml:"storage"`
	Auth    *auth   `yaml:"auth,omitempty"`
	HTTP    server  `yaml:"http"`
}

type logging struct {
	Level string `yaml:"level"`
}

type storage struct {
	Filesystem filesystem `yaml:"filesystem"`
	Delete     struct {
		Enabled bool `yaml:"enabled"`
	} `yaml:"delete"`
}

type filesystem struct {
	RootDirectory string `yaml:"rootdirectory"`
}

type auth struct {
	Htpasswd htpasswd `yaml:"htpasswd"`
}

type htpasswd struct {
	Realm string `yaml:"realm"`
	Path  string `yaml:"path"`
}

type server struct {
	Addr         string              `yaml:"addr"`
	DrainTimeout string              `yaml:"draintimeout"`
	Headers      map[string][]string `yaml:"headers"`
	TLS          *serverTLS          `yaml:"tls,omitempty"`
}

type serverTLS struct {
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	MinimumTLS  string   `yaml:"minimumtls"`
	ClientCAs   []string `yaml:"clientcas,omitempty"`
	ClientAuth  string   `yaml:"clientauth,omitempty"`
}

// Config returns distribution's own config file, version 0.1, for a target. The
// built-in registry and the real program read the same. There is no descriptor
// cache: it would outlive the blobs that garbage collection removes.
func Config(t *resolve.Target, passwords string) ([]byte, error) {
	l := t.Local
	c := config{
		Version: "0.1",
		Log:     logging{Level: "warn"},
		Storage: storage{Filesystem: filesystem{RootDirectory: l.Root}},
		HTTP: server{Addr: l.Listen(), DrainTimeout: drain.String(),
			Headers: map[string][]string{"X-Content-Type-Options": {"nosniff"}}},
	}
	c.Storage.Delete.Enabled = true
	if t.Auth.Required {
		c.Auth = &auth{Htpasswd: htpasswd{Realm: "berth", Path: passwords}}
	}
	if l.TLSCert != "" {
		c.HTTP.TLS = &serverTLS{Certificate: l.TLSCert, Key: l.TLSKey, MinimumTLS: "tls1.2"}
		if l.ClientCA != "" {
			c.HTTP.TLS.ClientCAs, c.HTTP.TLS.ClientAuth = []string{l.ClientCA}, "verify-client-cert-if-given"
		}
	}
	data, err := yaml.Marshal(c)
	return append([]byte(header), data...), err
}

// checkFiles finds paths of files that berth would write over one another, or
// over what it only reads.
func checkFiles(t *resolve.Target, u engine.Unit) (faults diag.List) {
	l := t.Local
	used := map[string]string{}
	for _, name := range append(engine.OwnFiles(u.Dir), htpasswdFile(t)) {
		used[name] = "berth keeps its own " + filepath.Base(name) + " there"
	}
	for path, name := range map[string]string{"tls_cert_path": l.TLSCert, "tls_key_path": l.TLSKey, "ca_cert_path": l.ClientCA,
		"password_path": t.Auth.Password.File(), "local.binary_path": l.BinaryPath} {
		used[name] = path + " is the same file"
	}
	delete(used, "")
	for _, f := range []struct{ path, name string }{{"local.config_path", u.Config}, {"local.log_file", u.LogFile}} {
		if why, ok := used[f.name]; ok {
			faults = append(faults, t.Fault(diag.ConfigConflict, f.path, "%s cannot be %s: %s", f.path, f.name, why).
				WithHint("choose another file for %s", f.path))
		}
		used[f.name] = f.path + " is the same file"
	}
	return faults.Sort()
}

// checkConfigFile fails with diag.FileExists when config_path holds something
// that berth did not write: a registry's config is work that a user would miss.
func checkConfigFile(t *resolve.Target, name string) error {
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0:
		return nil
	case err != nil:
		return t.Fault(diag.StorageFailed, "local.config_path", "cannot use config_path: %w", err).
			WithHint("config_path is a file that berth writes the registry's own config to")
	case !bytes.HasPrefix(data, []byte(header)):
		return t.Fault(diag.FileExists, "local.config_path", "%s exists and was not written by berth", name).
			WithHint("move it away, or point config_path elsewhere; berth would replace it")
	}
	return nil
}

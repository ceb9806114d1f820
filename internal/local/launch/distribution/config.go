package distribution

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
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

	Berth *settings.Settings `yaml:"berth,omitempty"`
}

type logging struct {
	Level string `yaml:"level"`
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

// Config returns distribution's own config file, version 0.1, for a target, as
// the real program reads it.
func Config(t *resolve.Target) ([]byte, error) { return marshal(native(t)) }

// builtInConfig is Config with the settings that only the built-in registry has.
func builtInConfig(t *resolve.Target) ([]byte, error) {
	c := native(t)
	c.Berth = &settings.Settings{State: t.Local.DataDir, TrustedProxies: t.Local.TrustedProxies, GC: settings.GC(t.Local.GC), Scrub: settings.Scrub(t.Local.Scrub)}
	if t.Auth.Required {
		c.Berth.Tokens = t.Auth.Token.File()
	}
	return marshal(c)
}

func marshal(c config) ([]byte, error) {
	data, err := yaml.Marshal(c)
	return append([]byte(header), data...), err
}

// native is what both registries read. There is no descriptor cache: it would
// outlive the blobs that garbage collection removes. No secret is in it.
func native(t *resolve.Target) config {
	l := t.Local
	c := config{
		Version: "0.1",
		Log:     logging{Level: "warn"},
		Storage: nativeStorage(t),
		HTTP: server{Addr: l.Listen(), DrainTimeout: drain.String(),
			Headers: map[string][]string{"X-Content-Type-Options": {"nosniff"}}},
	}
	if hasHtpasswd(t) {
		c.Auth = &auth{Htpasswd: htpasswd{Realm: "berth", Path: htpasswdFile(t)}}
	}
	if l.TLSCert != "" {
		c.HTTP.TLS = &serverTLS{Certificate: l.TLSCert, Key: l.TLSKey, MinimumTLS: "tls1.2"}
		if l.ClientCA != "" {
			c.HTTP.TLS.ClientCAs, c.HTTP.TLS.ClientAuth = []string{l.ClientCA}, "verify-client-cert-if-given"
		}
	}
	return c
}

// checkConfigFile fails with diag.FileExists when config_path holds something
// that berth did not write: a registry's config is work that a user would miss.
func checkConfigFile(t *resolve.Target, name string) error {
	if info, err := os.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return t.Fault(diag.FileExists, "local.config_path", "%s is a link, which berth would replace by a file", name).
			WithHint("let config_path name the file itself; a link to its directory is fine")
	}
	data, err := regular.ReadSmall(name)
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

// writeConfigFile writes the registry's own config. One that is there already stays:
// most starts find it, and to bring a file to the disk takes longer than all of the
// rest of them.
func writeConfigFile(name string, content []byte) error {
	const mode = 0o600
	if info, err := os.Stat(name); err == nil && info.Mode().Perm() == mode {
		if data, err := regular.ReadSmall(name); err == nil && bytes.Equal(data, content) {
			return nil
		}
	}
	return atomicfile.Write(name, content, mode)
}

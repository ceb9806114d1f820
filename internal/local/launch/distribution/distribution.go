// Package distribution describes the CNCF distribution registry, built in or as
// the real program: its capabilities, its config file and its credentials. It
// does not run it: packages embedded and engine do.
package distribution

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch"
)

// drain is how long running requests get when the registry stops.
const drain = 30 * time.Second

// Product returns the distribution registry: the built-in one, or the real
// program when a config sets binary_path.
func Product() launch.Product {
	return launch.Product{Name: "distribution", Caps: builtIn(), Unit: func(t *resolve.Target) (engine.Unit, error) {
		if t.Local.BinaryPath != "" {
			return program(t)
		}
		return embedded(t)
	}}
}

// Embedded returns the built-in registry as a stand-in for any product.
func Embedded() launch.Product {
	return launch.Product{Name: launch.Embedded, Caps: builtIn(), Unit: embedded}
}

// embedded makes the unit of the built-in registry.
func embedded(t *resolve.Target) (engine.Unit, error) {
	u, err := unit(t, builtIn().Check(t))
	if err == nil {
		u.Content, err = builtInConfig(t)
	}
	if t.Type != "distribution" {
		// config_path belongs to the registry that this one stands in for.
		u.Config = filepath.Join(u.Dir, "distribution.yml")
		u.Product += ", in place of " + t.Type
	}
	return prepared(t, u, err)
}

// program makes the unit of the real registry.
func program(t *resolve.Target) (engine.Unit, error) {
	faults := Program().Check(t)
	name, err := exec.LookPath(t.Local.BinaryPath)
	if err != nil {
		faults = append(faults, t.Fault(diag.ProgramMissing, "local.binary_path", "the registry program cannot be run: %w", err).
			WithHint("put the registry program there, or leave binary_path out to use the built-in registry"))
	}
	u, err := unit(t, faults)
	if err == nil {
		u.Content, err = Config(t)
	}
	u.Product = "distribution (" + name + ")"
	u.Program, u.Args = name, []string{"serve", u.Config}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "REGISTRY_") { // these would override the file
			u.Env = append(u.Env, v)
		}
	}
	return prepared(t, u, err)
}

// unit makes what both have in common. Its error is the faults given and those
// that it finds.
func unit(t *resolve.Target, faults diag.List) (engine.Unit, error) {
	l := t.Local
	u := engine.Unit{
		Product: "distribution (built in)",
		Dir:     l.DataDir, LogFile: l.LogFile, Config: l.ConfigPath,
		Listen: l.Listen(), Endpoint: t.Endpoint.URL().String(), TLS: l.TLSCert != "",
		Timeouts: engine.Timeouts{Read: l.ReadTimeout, Write: l.WriteTimeout, Idle: l.IdleTimeout, Drain: drain},
	}
	u.Stores = stores(l)
	if l.S3 == nil && l.Azure == nil {
		u.Storage = storageDirs(l.Root)
	}
	if u.LogFile == "" {
		u.LogFile = filepath.Join(u.Dir, "registry.log")
	}
	faults = append(faults, checkTLS(t)...)
	faults = append(faults, checkPassword(t)...)
	faults = append(faults, checkHtpasswd(t)...)
	faults = append(faults, checkTokens(t)...)
	faults = append(faults, checkStorage(t)...)
	u.Secrets = secrets(t)
	return u, faults.Sort().Err()
}

// prepared completes a unit whose paths are settled.
func prepared(t *resolve.Target, u engine.Unit, err error) (engine.Unit, error) {
	if err != nil {
		return engine.Unit{}, err
	}
	if err := checkFiles(t, u).Err(); err != nil {
		return engine.Unit{}, err
	}
	if err := checkConfigFile(t, u.Config); err != nil {
		return engine.Unit{}, err
	}
	if makesHtpasswd(t) {
		u.Fits = func() bool { return htpasswdFits(t) }
	}
	u.Prepare = func() error {
		if makesHtpasswd(t) {
			if err := writeHtpasswd(t); err != nil {
				return err
			}
		}
		if err := writeConfigFile(u.Config, u.Content); err != nil {
			return at(t, "local.config_path", err)
		}
		return nil
	}
	return u, nil
}

// checkTLS reads the files that TLS needs.
func checkTLS(t *resolve.Target) (faults diag.List) {
	l := t.Local
	if l.TLSCert == "" {
		return nil
	}
	read := func(path, name string) []byte {
		data, err := regular.ReadSmall(name)
		if err != nil {
			faults = append(faults, t.Fault(diag.CredentialUnread, path, "cannot read the file of %s: %w", path, err).
				WithHint("put a PEM file at %s that the user who runs berth can read", name))
		}
		return data
	}
	cert, key := read("tls_cert_path", l.TLSCert), read("tls_key_path", l.TLSKey)
	if cert != nil && key != nil {
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			faults = append(faults, t.Fault(diag.CredentialUnread, "tls_cert_path", "%s and %s are not a certificate and its key: %w", l.TLSCert, l.TLSKey, err).
				WithHint("both must be PEM files, and the certificate must be the one made for that key"))
		}
	}
	if l.ClientCA != "" {
		if ca := read("ca_cert_path", l.ClientCA); ca != nil && !x509.NewCertPool().AppendCertsFromPEM(ca) {
			faults = append(faults, t.Fault(diag.CredentialUnread, "ca_cert_path", "%s holds no certificate", l.ClientCA).
				WithHint("it must be a PEM file with the authorities of client certificates; leave it out to accept none"))
		}
	}
	return faults
}

// at gives an error about the attribute at path its place.
func at(t *resolve.Target, path string, err error) *diag.Diagnostic {
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		d = diag.Errorf(diag.Failed, "%w", err)
	}
	d.Path, d.Span = path, t.At(path)
	return d
}

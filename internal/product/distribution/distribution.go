// Package distribution describes the CNCF distribution registry, built in or as
// the real program: its capabilities, its config file and its credentials. It
// does not run it: packages embedded and engine do.
package distribution

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/engine"
	"github.com/berth-oci/berth/internal/product"
	"github.com/berth-oci/berth/internal/resolve"
)

// drain is how long running requests get when the registry stops.
const drain = 30 * time.Second

// Product returns the distribution registry: the built-in one, or the real
// program when a config sets binary_path.
func Product() product.Product {
	return product.Product{Name: "distribution", Caps: builtIn(), Unit: func(t *resolve.Target) (engine.Unit, error) {
		if t.Local.BinaryPath != "" {
			return program(t)
		}
		return embedded(t)
	}}
}

// Embedded returns the built-in registry as a stand-in for any product.
func Embedded() product.Product {
	return product.Product{Name: product.Embedded, Caps: builtIn(), Unit: embedded}
}

// Program returns the capabilities of the real program.
func Program() product.Capabilities {
	caps := maps.Clone(builtIn())
	caps[product.RollingTimeouts] = product.Cap{Level: product.Unsupported,
		Note: "the registry program has no read, write and idle timeouts; the built-in registry does (without binary_path)"}
	return caps
}

func builtIn() product.Capabilities {
	native := product.Cap{Level: product.Native}
	return product.Capabilities{
		product.PasswordAuth:      native,
		product.TLS:               native,
		product.FilesystemStorage: native,
		product.Dedupe:            {Level: product.Native, Always: true, Note: "always: blobs are stored by digest, once"},
		product.RollingTimeouts:   {Level: product.Gate},
		product.TokenAuth: {Level: product.Unsupported,
			Note: "use username and password_path, which this version enforces on a local registry"},
		product.S3Storage:    {Level: product.Unsupported, Note: `set backend to "filesystem"; this version stores nowhere else`},
		product.AzureStorage: {Level: product.Unsupported, Note: `set backend to "filesystem"; this version stores nowhere else`},
		product.GarbageCollection: {Level: product.Unsupported,
			Note: "this version does not collect garbage; deleted content keeps its space"},
	}
}

// embedded makes the unit of the built-in registry.
func embedded(t *resolve.Target) (engine.Unit, error) {
	u, err := unit(t, builtIn().Check(t))
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
	if u.LogFile == "" {
		u.LogFile = filepath.Join(u.Dir, "registry.log")
	}
	faults = append(faults, checkTLS(t)...)
	faults = append(faults, checkPassword(t)...)
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
	if u.Content, err = Config(t, htpasswdFile(t)); err != nil {
		return engine.Unit{}, err
	}
	if err := checkConfigFile(t, u.Config); err != nil {
		return engine.Unit{}, err
	}
	if t.Auth.Required {
		u.Fits = func() bool { return htpasswdFits(t) }
	}
	u.Prepare = func() error {
		if t.Auth.Required {
			if err := writeHtpasswd(t); err != nil {
				return err
			}
		}
		err := engine.WriteFile(u.Config, u.Content, 0o600)
		var d *diag.Diagnostic
		if errors.As(err, &d) {
			d.Path = "local.config_path"
			d.Span = t.At(d.Path)
		}
		return err
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
		data, err := os.ReadFile(name)
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

func asDiagnostic(err error) *diag.Diagnostic {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return d
	}
	return diag.Errorf(diag.Failed, "%w", err)
}

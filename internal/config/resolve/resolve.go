package resolve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/access"
	"github.com/berth-oci/berth/spec"
)

// Source tells where the values of a config came from. Package load makes it.
type Source interface {
	// Span returns the place of the attribute at path or of its nearest
	// ancestor that was written down.
	Span(path string) diag.Span
	// Given reports whether the config gives the attribute at path itself, so
	// that its value is not a default.
	Given(path string) bool
}

// Options control Resolve.
type Options struct {
	Defaults spec.Defaults // the schema's, for the blocks a config leaves out

	Home string // replaces a leading ~; the user's home directory when empty
	Dir  string // relative paths start here: the directory of the config; the working directory when empty

	Identity func(dataDir string) string // what Local.Identity asks, each time; nil for none
}

// Resolve makes the Target of an evaluated config. It fails with diag.Disabled
// for deployment = "disabled", and with positioned errors, all of them at once:
// diag.ConfigConflict for values that are right alone and wrong together or in
// this place, diag.CheckFailed for those that the schema cannot tell are wrong.
func Resolve(config *spec.Registry, src Source, opts Options) (*Target, error) {
	r := resolver{Target: &Target{Spec: config, Deployment: config.Deployment, Type: config.Type, at: src.Span}, src: src, defaults: opts.Defaults, identity: opts.Identity}
	if config.Deployment == "disabled" {
		return nil, r.Fault(diag.Disabled, "deployment", "this registry is disabled").
			WithHint(`set deployment to "local" or "remote" to use it`)
	}
	r.home = opts.Home
	var err error
	if r.dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, diag.Errorf(diag.Failed, "cannot find the working directory: %w", err)
	}
	r.auth()
	r.endpoint()
	r.client()
	if config.Deployment == "local" {
		r.local()
	}
	r.schedule()
	r.policies()
	return r.Target, r.faults.Sort().Err()
}

type resolver struct {
	*Target
	src       Source
	defaults  spec.Defaults
	home, dir string
	identity  func(string) string
	faults    diag.List
}

func (r *resolver) fault(path, hint, format string, args ...any) {
	r.faults = append(r.faults, r.Fault(diag.ConfigConflict, path, format, args...).WithHint("%s", hint))
}

// wrong is fault for a value that is wrong wherever the config is used.
func (r *resolver) wrong(path, hint, format string, args ...any) {
	r.faults = append(r.faults, r.Fault(diag.CheckFailed, path, format, args...).WithHint("%s", hint))
}

// path makes the path that an attribute gives absolute; nil and "" stay empty.
func (r *resolver) path(attr string, p *string) string {
	switch {
	case p == nil || *p == "":
		return ""
	case *p == "~", strings.HasPrefix(*p, "~/"):
		return filepath.Join(r.homeDir(attr), (*p)[1:])
	case strings.HasPrefix(*p, "~"):
		r.fault(attr, "write ~/ for your own home directory, or an absolute path", "%q names the home directory of another user", *p)
	case filepath.IsAbs(*p):
		return filepath.Clean(*p)
	}
	return filepath.Join(r.dir, *p)
}

// homeDir returns the home directory, which only a path that an attribute gives
// from there needs.
func (r *resolver) homeDir(attr string) string {
	if r.home == "" {
		home, err := os.UserHomeDir()
		if err == nil && !filepath.IsAbs(home) {
			err = fmt.Errorf("%q is no absolute path", home)
		}
		if err != nil {
			r.faults = append(r.faults, r.Fault(diag.Failed, attr, "cannot find the home directory: %w", err).WithHint("set HOME, or write an absolute path"))
		}
		r.home = home
	}
	return r.home
}

// maxSeconds keeps durations far from overflow: some 68 years.
const maxSeconds = 1<<31 - 1

// seconds converts the seconds that an attribute gives.
func (r *resolver) seconds(attr string, n int) time.Duration {
	if n < 0 {
		r.fault(attr, "write 0 or more seconds", "%d seconds is no time to wait", n)
	}
	return time.Duration(min(n, maxSeconds)) * time.Second
}

func (r *resolver) auth() {
	c := r.Spec
	r.Auth = Auth{Required: c.AuthNeeded, Username: value(c.Username)}
	if f := r.path("password_path", c.Password); f != "" {
		r.Auth.Password = SecretFile(f)
	}
	if f := r.path("auth_token_path", c.AuthToken); f != "" {
		r.Auth.Token = SecretFile(f)
	}
	if c.Deployment == "local" && r.Auth.Username != "" {
		if err := access.CheckName(r.Auth.Username); err != nil {
			r.fault("username", err.Error(), "the user name %q cannot be used for basic authentication", r.Auth.Username)
		}
	}
	ready := c.Local != nil && value(c.Local.Htpasswd) != ""
	switch {
	case r.Auth.Password.IsSet() && r.Auth.Username == "":
		r.fault("password_path", "add username", "password_path is given without a username")
	case c.Deployment == "local" && c.AuthNeeded && !r.Auth.Password.IsSet() && !r.Auth.Token.IsSet() && !ready:
		r.fault("auth_required", "add password_path, a file that holds the password, auth_token_path or local.htpasswd_path",
			"a local registry with auth_required needs the password of %q", r.Auth.Username)
	}
}

func (r *resolver) endpoint() {
	c := r.Spec
	written := c.Endpoint.Reveal()
	e := Endpoint{Scheme: "http", Host: strings.Trim(written, "[]")}
	if c.TLSEnabled {
		e.Scheme = "https"
	}
	if strings.ContainsAny(written, "/@ ") || (strings.Contains(e.Host, ":") && strings.Count(e.Host, ":") == 1) {
		r.fault("endpoint", "write only the host name or IP address; the port goes to port, https to tls_enabled",
			"endpoint %q is not a host name", c.Endpoint)
	}
	if c.Port != nil {
		e.Port = *c.Port
	} else { // only null leaves it empty: the schema has a default
		e.Port = map[string]int{"http": 80, "https": 443}[e.Scheme]
	}
	r.Endpoint = e
}

func (r *resolver) client() {
	c := r.Spec
	m := r.defaults.Remote
	if c.Remote != nil {
		m = *c.Remote
	}
	if f := r.path("ca_cert_path", c.CACertPath); f != "" {
		r.Client.CACerts = append(r.Client.CACerts, PEMFile{"ca_cert_path", f})
	}
	cert, key := r.path("tls_cert_path", c.TLSCertPath), r.path("tls_key_path", c.TLSKeyPath)
	switch {
	case c.Deployment == "local" && cert != "":
		// A local registry's own certificate is an authority that its clients trust.
		r.Client.CACerts = append(r.Client.CACerts, PEMFile{"tls_cert_path", cert})
	case c.Deployment == "remote":
		r.Client.Cert, r.Client.Key = cert, key
		if (cert == "") != (key == "") {
			r.fault("tls_cert_path", "give both tls_cert_path and tls_key_path, or neither", "a client certificate needs both certificate and key")
		}
	}
	r.Client.VerifyTLS = m.VerifySSL
	r.Client.Timeout = r.seconds("remote.timeout", m.Timeout)
	r.Client.Retries, r.Client.RetryDelay, r.Client.RetryBackoff = m.Retries, r.seconds("remote.retry_delay", m.RetryDelay), m.RetryBackoff
	r.Client.TokenServer = r.hostPort("remote.token_server", value(m.TokenServer).Reveal())
	r.Client.HTTPProxy, r.Client.HTTPSProxy, r.Client.NoProxy = value(m.HTTPProxy), value(m.HTTPSProxy), m.NoProxy
	r.Client.RateLimit = m.RateLimit
}

func (r *resolver) local() {
	c, l := r.Spec, r.Spec.Local
	local := &Local{
		identity: r.identity,
		DataDir:  r.path("local.data_dir", &l.DataDir), ConfigPath: r.path("local.config_path", &l.ConfigPath), LogFile: r.path("local.log_file", l.LogFile),
		BinaryPath: r.path("local.binary_path", l.BinaryPath), AutoStart: l.AutoStart, Htpasswd: r.path("local.htpasswd_path", l.Htpasswd),
		ListenPort: r.Endpoint.Port, Storage: r.defaults.Storage,
	}
	r.Target.Local = local
	h := r.defaults.HTTP
	if l.HTTP != nil {
		h = *l.HTTP
	}
	local.ListenAddress = h.ListenAddress
	local.ReadTimeout, local.WriteTimeout, local.IdleTimeout = r.seconds("local.http_config.read_timeout", h.ReadTimeout),
		r.seconds("local.http_config.write_timeout", h.WriteTimeout), r.seconds("local.http_config.idle_timeout", h.IdleTimeout)
	local.TrustedProxies = r.networks("local.http_config.trusted_proxies", h.TrustedProxies)
	// A port that clients use and a default listen_port mean one port; only an
	// explicit listen_port makes two (a port forward in between).
	if r.src.Given("local.http_config.listen_port") {
		local.ListenPort = h.ListenPort
	}
	if c.TLSEnabled {
		local.TLSCert, local.TLSKey = r.path("tls_cert_path", c.TLSCertPath), r.path("tls_key_path", c.TLSKeyPath)
		local.ClientCA = r.path("ca_cert_path", c.CACertPath)
	}
	if l.Storage != nil {
		local.Storage = *l.Storage
	}
	r.storage()
}

func (r *resolver) policies() {
	r.Pull, r.Push = r.defaults.Pull, r.defaults.Push
	if p := r.Spec.PullPolicy; p != nil {
		r.Pull = *p
	}
	if p := r.Spec.PushPolicy; p != nil {
		r.Push = *p
	}
}

// value returns what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Package resolve turns an evaluated config into a Target: absolute paths, one
// endpoint, effective policies, secrets by reference. It reads the environment
// (home directory) but no file of the config's and no network.
package resolve

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/spec"
)

// Target is a registry that commands can act on. It is immutable once made and
// safe for concurrent use.
type Target struct {
	Spec *spec.Registry // as evaluated

	Deployment string // local or remote; Resolve refuses disabled
	Type       string // distribution, zot, harbor or artifactory
	Endpoint   Endpoint
	Auth       Auth
	Client     Client
	Local      *Local // nil unless Deployment is local
	Pull       spec.Pull
	Push       spec.Push

	at func(path string) diag.Span
}

// At returns the place in the config of the attribute with the given path
// (as in local.http_config.listen_port), or of its nearest ancestor that was
// written down. It is the zero Span for a config without source.
func (t *Target) At(path string) diag.Span {
	if t.at == nil {
		return diag.Span{}
	}
	return t.at(path)
}

// Fault makes a positioned error about the attribute at path.
func (t *Target) Fault(code diag.Code, path, format string, args ...any) *diag.Diagnostic {
	d := diag.Errorf(code, format, args...).At(t.At(path))
	d.Path = path
	return d
}

// Endpoint is where clients reach the registry.
type Endpoint struct {
	Scheme string // http or https
	Host   string // name or IP address, IPv6 without brackets
	Port   int
}

// HostPort returns host:port, the form of the first component of a reference.
func (e Endpoint) HostPort() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// URL returns scheme://host:port.
func (e Endpoint) URL() *url.URL { return &url.URL{Scheme: e.Scheme, Host: e.HostPort()} }

// IsLoopback reports whether the host is this machine: plain HTTP to it is safe.
func (e Endpoint) IsLoopback() bool {
	if strings.EqualFold(e.Host, "localhost") {
		return true
	}
	ip := net.ParseIP(e.Host)
	return ip != nil && ip.IsLoopback()
}

// Auth says how clients prove who they are. All empty: anonymous.
type Auth struct {
	Required bool
	Username string
	Password Secret // basic auth, together with Username
	Token    Secret // static bearer token
}

// Client holds what a client's connections to the registry obey.
type Client struct {
	CACerts      []PEMFile // authorities to trust beside the system's
	Cert, Key    string    // PEM files of a client certificate; "" for none
	VerifyTLS    bool
	Timeout      time.Duration // longest wait for an answer
	Retries      int
	RetryDelay   time.Duration // before the first retry
	RetryBackoff float64       // growth of the delay
	TokenServer  string        // host, or host:port, beside the registry's own; "" for none
	HTTPProxy    spec.URL      // "" for none
	HTTPSProxy   spec.URL
	NoProxy      []string
	RateLimit    *spec.RateLimit // nil for none
}

// PEMFile is a file that an attribute of the config names.
type PEMFile struct {
	Attr string // its path, as in ca_cert_path
	Path string
}

// Identity returns what tells the registry of the data directory from any other
// that may have its address; "" where it has not been started yet.
func (l *Local) Identity() string {
	if l.identity == nil {
		return ""
	}
	return l.identity(l.DataDir)
}

// Local is a registry that runs on this machine. Paths are absolute.
type Local struct {
	identity func(dataDir string) string

	DataDir    string
	ConfigPath string // the registry's native config file
	LogFile    string
	BinaryPath string // "" for the built-in registry or PATH
	AutoStart  bool

	ListenAddress string
	ListenPort    int
	ReadTimeout   time.Duration // rolling: longest wait for the next byte; 0 for none
	WriteTimeout  time.Duration // likewise
	IdleTimeout   time.Duration
	// TrustedProxies are the networks whose word counts of who their clients are.
	TrustedProxies []netip.Prefix

	TLSCert, TLSKey string // PEM files; "" without TLS
	ClientCA        string // PEM file of authorities for client certificates; "" for none

	Htpasswd string // file of users and hashes, made by somebody else; "" for none

	Backend string // filesystem, s3 or azure
	Root    string // directory of the filesystem backend
	S3      *S3    // nil for another backend
	Azure   *Azure // nil for another backend
	GC      GC
	Scrub   Scrub
	Storage spec.Storage
}

// S3 is a bucket, of AWS or of a service that speaks its API.
type S3 struct {
	Bucket, Region string
	Endpoint       string // host, or host:port, of a service other than AWS; "" for AWS
	Prefix         string // without slashes around it; "" for none
	PathStyle      bool   // the bucket is in the path of URLs, not in their host
	Secure         bool   // HTTPS
	VerifyTLS      bool
	Credentials    Secret // access key and secret; not set: the environment's
}

// Azure is a container of Azure Blob Storage.
type Azure struct {
	Account, Container string
	Endpoint           string // URL of a service other than Azure's public cloud; "" for that
	Prefix             string // without slashes around it; "" for none
	Credentials        Secret // account key; not set: the environment's
}

// GC says when garbage is collected and what counts as garbage. Neither Interval
// nor Schedule: never.
type GC struct {
	Interval time.Duration // between two runs; 0 for none by the clock
	Schedule string        // cron expression of five fields, which is valid; "" for none
	Delay    time.Duration // content that nothing names stays for this long after the last push to its repository
	Untagged bool          // manifests that no tag, index or live subject leads to are garbage
}

// Scrub says when every blob is compared with its digest.
type Scrub struct {
	Interval time.Duration // between two runs; 0 for never
	Rate     int64         // bytes read per second at most; 0 for no limit
}

// Listen returns address:port of the server.
func (l *Local) Listen() string {
	return net.JoinHostPort(l.ListenAddress, strconv.Itoa(l.ListenPort))
}

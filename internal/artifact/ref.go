package artifact

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/oci"
	"github.com/berth-oci/berth/internal/resolve"
)

// Ref names artifacts: one, a repository or a namespace.
type Ref struct {
	Host string // host or host:port as written in a full reference; "" for the config's registry
	Kind Kind   // zero for a full reference
	Name string // path below the namespace, or the whole repository of a full reference; may be empty
	Tag  string // may be empty

	Digest digest.Digest // may be empty
}

// Repository returns the repository, without host.
func (r Ref) Repository() string {
	if r.Host != "" {
		return r.Name
	}
	return r.Kind.Repository(r.Name)
}

// Base returns the last component of the repository: the usual directory name.
func (r Ref) Base() string { return r.Name[strings.LastIndexByte(r.Name, '/')+1:] }

// ParseRef parses KIND[/NAME][:TAG][@DIGEST] or a full reference, HOST/REPOSITORY
// with the same endings. The first component is a host when it holds a dot or a
// colon or is localhost, as in every OCI client. Mistakes are diag.BadReference.
func ParseRef(t *resolve.Target, arg string) (Ref, error) {
	var ref Ref
	if strings.Contains(arg, "://") { // whose parts may be secret
		return Ref{}, badRef(arg, "it is a URL")
	}
	rest, dgst, pinned := strings.Cut(arg, "@")
	if pinned {
		ref.Digest = digest.Digest(dgst)
		if err := ref.Digest.Validate(); err != nil {
			return Ref{}, badRef(arg, "%q is not a digest", dgst)
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') && strings.Contains(rest, "/") {
		rest, ref.Tag = rest[:i], rest[i+1:]
		if !oci.IsTag(ref.Tag) {
			return Ref{}, badRef(arg, "%q is not a tag", ref.Tag)
		}
	}
	head, name, _ := strings.Cut(rest, "/")
	ref.Name = name
	if name != "" && !oci.IsRepository(name) {
		return Ref{}, badRef(arg, "%q is not a repository name: lower-case letters, digits, and single . _ - between them", name)
	}
	if isHost(head) {
		ref.Host = head
		if isDockerHub(head) && !strings.Contains(name, "/") && name != "" { // as every client has it
			ref.Name = "library/" + name
		}
		if name == "" {
			return Ref{}, badRef(arg, "no repository after the host")
		}
		return ref, nil
	}
	kind, err := KindOf(t, head)
	ref.Kind = kind
	return ref, err
}

// ParseNamed is ParseRef for a reference that must name a repository.
func ParseNamed(t *resolve.Target, arg string) (Ref, error) {
	ref, err := ParseRef(t, arg)
	if err == nil && ref.Name == "" {
		err = badRef(arg, "it names no artifact, only the kind %s", ref.Kind.Name)
	}
	return ref, err
}

func isHost(s string) bool { return s == "localhost" || strings.ContainsAny(s, ".:[") }

// isDockerHub knows the names of Docker Hub that are no registries.
func isDockerHub(host string) bool { return host == "docker.io" || host == "index.docker.io" }

func badRef(arg, format string, args ...any) error {
	return diag.Errorf(diag.BadReference, "reference %q: %s", arg, fmt.Sprintf(format, args...)).
		WithHint("write KIND/NAME[:TAG|@DIGEST], as in extension/aws:1.2.0, or a full reference, HOST/REPOSITORY[:TAG|@DIGEST]")
}

// Registry returns the target that holds r: t itself, or for a full reference
// to another host one with strict defaults and Docker's credentials. The settings
// of a config, its credentials above all, reach no host but its own.
func (r Ref) Registry(t *resolve.Target) *resolve.Target {
	if r.Host == "" {
		return t
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), ""
	}
	if isDockerHub(host) {
		host = "registry-1.docker.io"
	}
	other := resolve.Endpoint{Scheme: "https", Host: host}
	if other.IsLoopback() {
		other.Scheme = "http"
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		number = defaultPort(other.Scheme)
	}
	other.Port = number
	if host == t.Endpoint.Host && (number == t.Endpoint.Port || port == "" && t.Endpoint.Port == defaultPort(t.Endpoint.Scheme)) {
		return t
	}
	client := t.Client
	return &resolve.Target{
		Spec: t.Spec, Deployment: "remote", Type: "distribution", Endpoint: other, Pull: t.Pull, Push: t.Push,
		Client: resolve.Client{VerifyTLS: true, Timeout: client.Timeout, Retries: client.Retries, RetryDelay: client.RetryDelay, RetryBackoff: client.RetryBackoff},
	}
}

// ParseRegistry returns the target of a whole registry, HOST[:PORT] with or
// without http:// or https:// before it, as Ref.Registry does for a reference.
// It fails with diag.BadReference.
func ParseRegistry(t *resolve.Target, arg string) (*resolve.Target, error) {
	scheme, rest, ok := strings.Cut(arg, "://")
	if !ok {
		scheme, rest = "", arg
	}
	host := strings.TrimSuffix(rest, "/")
	if scheme != "" && scheme != "http" && scheme != "https" || !isHost(host) || strings.ContainsAny(host, "/@ ") {
		return nil, diag.Errorf(diag.BadReference, "%q is not a registry", arg).
			WithHint("write HOST or HOST:PORT, after http:// or https:// where that is not clear, as in http://127.0.0.1:5001")
	}
	other := Ref{Host: host}.Registry(t)
	if scheme != "" && other != t {
		if _, _, err := net.SplitHostPort(host); err != nil {
			other.Endpoint.Port = defaultPort(scheme)
		}
		other.Endpoint.Scheme = scheme
	}
	return other, nil
}

func defaultPort(scheme string) int {
	if scheme == "http" {
		return 80
	}
	return 443
}

package artifact

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Ref names artifacts: one, a repository or a namespace.
type Ref struct {
	Host string // host or host:port of a full reference, in lower case; "" for the config's registry
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
		ref.Host = strings.ToLower(head)
		if _, _, err := hostPort(ref.Host); err != nil {
			return Ref{}, badRef(arg, "%w", err)
		}
		if isDockerHub(ref.Host) && !strings.Contains(name, "/") && name != "" { // as every client has it
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

func isHost(s string) bool { return strings.EqualFold(s, "localhost") || strings.ContainsAny(s, ".:[") }

func isIPv6(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Is6()
}

// hostPort splits HOST or HOST:PORT, an IPv6 address in brackets where a port
// follows. port is 0 where there is none.
func hostPort(s string) (host string, port int, err error) {
	if isIPv6(s) {
		return s, 0, nil
	}
	number, colon := "", false
	if rest, bracket := strings.CutPrefix(s, "["); bracket {
		if host, number, bracket = strings.Cut(rest, "]"); !bracket || !isIPv6(host) {
			return "", 0, fmt.Errorf("%q is not an IPv6 address in brackets", s)
		}
		if number == "" {
			return host, 0, nil
		}
		number, colon = strings.CutPrefix(number, ":")
		if !colon {
			return "", 0, fmt.Errorf("%q is no port after %s", number, host)
		}
	} else {
		host, number, colon = strings.Cut(s, ":")
	}
	if host == "" {
		return "", 0, fmt.Errorf("%q names no host", s)
	}
	if !colon {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("the port of %q is not a number from 1 to 65535", s)
	}
	return host, int(n), nil
}

// isDockerHub knows the names of Docker Hub that are no registries.
func isDockerHub(host string) bool { return host == "docker.io" || host == "index.docker.io" }

func badRef(arg, format string, args ...any) error {
	return diag.Errorf(diag.BadReference, "reference %q: %w", arg, fmt.Errorf(format, args...)).
		WithHint("write KIND/NAME[:TAG|@DIGEST], as in extension/aws:1.2.0, or a full reference, HOST/REPOSITORY[:TAG|@DIGEST]")
}

// Registry returns the target that holds r: t itself, or for a full reference
// to another host one with strict defaults and Docker's credentials. The settings
// of a config, its credentials above all, reach no host but its own.
func (r Ref) Registry(t *resolve.Target) *resolve.Target {
	if r.Host == "" {
		return t
	}
	host, port, err := hostPort(r.Host)
	if err != nil { // which ParseRef does not let through
		host = r.Host
	}
	if isDockerHub(host) {
		host = "registry-1.docker.io"
	}
	other := resolve.Endpoint{Scheme: "https", Host: host, Port: port}
	if other.IsLoopback() {
		other.Scheme = "http"
	}
	if port == 0 {
		other.Port = defaultPort(other.Scheme)
	}
	if strings.EqualFold(host, t.Endpoint.Host) && (other.Port == t.Endpoint.Port || port == 0 && t.Endpoint.Port == defaultPort(t.Endpoint.Scheme)) {
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
	written := strings.ToLower(strings.TrimSuffix(rest, "/"))
	_, port, err := hostPort(written)
	if err == nil && (scheme != "" && scheme != "http" && scheme != "https" || !isHost(written) || strings.ContainsAny(written, "/@ ")) {
		err = errors.New("it is not HOST or HOST:PORT")
	}
	if err != nil {
		return nil, diag.Errorf(diag.BadReference, "%q is not a registry: %w", arg, err).
			WithHint("write HOST or HOST:PORT, after http:// or https:// where that is not clear, as in http://127.0.0.1:5001")
	}
	other := Ref{Host: written}.Registry(t)
	if scheme != "" && other != t {
		if port == 0 {
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

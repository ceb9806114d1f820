package transport

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// tokenServers are the hosts, by registry, that are known to give the tokens of a
// registry on another host. Others are on the registry's own host, as with Harbor,
// Artifactory, zot and the registries of GitHub, Red Hat, Google, Amazon and Azure,
// or named by the config, as of a GitLab of one's own.
var tokenServers = map[string]string{
	"docker.io":            "auth.docker.io",
	"index.docker.io":      "auth.docker.io",
	"registry-1.docker.io": "auth.docker.io",
	"registry.gitlab.com":  "gitlab.com",

	"registry.digitalocean.com": "api.digitalocean.com",
}

// givesTokens reports whether a host is known to give the tokens of a registry on
// another one, both in lower case.
func givesTokens(host, registry string) bool {
	if server, ok := tokenServers[registry]; ok {
		return host == server
	}
	name := strings.Split(registry, ".")
	switch {
	case len(name) == 4 && name[0] == "rg" && strings.HasSuffix(registry, ".scw.cloud"): // rg.REGION, Scaleway's
		return host == "api.scaleway.com"
	case len(name) == 4 && name[0] == "registry" && strings.HasSuffix(registry, ".aliyuncs.com"), // registry.REGION, Alibaba's
		len(name) >= 5 && strings.HasSuffix(registry, ".cr.aliyuncs.com"): // INSTANCE.REGION and INSTANCE.REGION.personal
		// Not any name below: that of a bucket is whoever's it is.
		return host == "dockerauth."+name[1]+".aliyuncs.com" || host == "dockerauth.cn-hangzhou.aliyuncs.com"
	}
	return false
}

// mayShow reports whether what a request shows may be shown to its host. The
// config's credentials go to its endpoint and to token servers: on the same host,
// known for that registry, or named by the config. Docker's go wherever the
// registry that they are for says, as Docker's own do, unless the config names the
// token server of its registry.
//
// It judges what is sent and not the challenge before it: however that is read,
// and wherever redirects led, this is where credentials go. Requests without any,
// as those for anonymous tokens, may go anywhere.
func (a *account) mayShow(x *exchange, req *http.Request) error {
	if req.URL.User != nil { // which net/http would show to the host
		return diag.Errorf(diag.RegistryRefused, "the registry leads to an address at %s with credentials of its own in it", req.URL.Host).
			WithHint("let the registry name its token server, storage and uploads without user information")
	}
	if x == nil || !showsCredentials(req) {
		return nil
	}
	own := a.target.Endpoint.URL()
	if own.Scheme == "https" && req.URL.Scheme == "http" && sameHost(own, req.URL) {
		// The auth client knows hosts by name and port alone.
		return a.target.Fault(diag.Insecure, "tls_enabled", "the registry leads from TLS to plain HTTP at %s, and credentials do not go there", req.URL.Host).
			WithHint("let the registry use https for its token server, uploads and storage")
	}
	if sameOrigin(x.url, req.URL) || !isOwn(a.target.Endpoint, x.url) {
		return nil
	}
	named := a.target.Client.TokenServer
	switch {
	case sameHost(x.url, req.URL), isNamed(named, req.URL):
		return nil
	case named == "" && (x.from != fromConfig || givesTokens(strings.ToLower(req.URL.Host), strings.ToLower(x.url.Hostname()))):
		return nil
	}
	at := "username"
	if named != "" {
		at = "remote.token_server"
	}
	return a.target.Fault(diag.TokenServer, at, "%s wants the credentials for it shown to %s, which the config does not name", x.url.Host, req.URL.Host).
		WithHint("if that is the registry's token server, set remote.token_server to %q", req.URL.Host)
}

// showsCredentials reports whether a request has credentials in it: a password or
// token in its header, or those of a form (RFC 6749, section 4.3 and 6).
func showsCredentials(req *http.Request) bool {
	return req.Header.Get("Authorization") != "" || strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// sameHost reports whether two URLs are at one host, whatever their ports; this
// machine has several names.
func sameHost(a, b *url.URL) bool {
	local := func(u *url.URL) bool { return resolve.Endpoint{Host: u.Hostname()}.IsLoopback() }
	return strings.EqualFold(a.Hostname(), b.Hostname()) || local(a) && local(b)
}

// isNamed reports whether a URL is at a host, or a host and port, that a config
// names. Without a port that of the scheme is meant.
func isNamed(name string, u *url.URL) bool {
	if name == "" {
		return false
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		host, port = strings.Trim(name, "[]"), ""
	}
	named := &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(host, port)}
	if port == "" {
		named.Host = net.JoinHostPort(host, defaultPort(u.Scheme))
	}
	return sameOrigin(named, u)
}

// Package credential owns the credentials that Docker's tools share: its
// config.json, and the helper programs that this names. It finds, stores and
// removes those of a registry. It knows no config of berth's and no network.
package credential

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Credential is what a registry may be shown. The zero Credential is nobody's.
type Credential struct {
	Username, Password string
	IdentityToken      string // for the token server, which gives other tokens for it
	RegistryToken      string // for the registry itself
}

// IsEmpty reports whether there is nothing to show.
func (c Credential) IsEmpty() bool {
	return (c.Username == "" || c.Password == "") && c.IdentityToken == "" && c.RegistryToken == ""
}

// String hides the credential, and so do all of fmt's verbs.
func (c Credential) String() string { return "***" }

// GoString hides the credential.
func (c Credential) GoString() string { return "***" }

// MarshalText hides the credential from every encoder.
func (c Credential) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Store is a config.json and the helpers that it names. Every call reads the
// file again.
type Store struct {
	File   string        // path of config.json; "" for none, which holds nothing
	Helper time.Duration // longest run of a helper
}

// helperTime is enough for a keychain that asks its owner.
const helperTime = 30 * time.Second

// Docker returns the store of $DOCKER_CONFIG, else of ~/.docker.
func Docker() Store {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil { // nobody's home: nobody's credentials
			return Store{Helper: helperTime}
		}
		dir = filepath.Join(home, ".docker")
	}
	return Store{File: filepath.Join(dir, "config.json"), Helper: helperTime}
}

// hub is the key of Docker Hub, whatever name of it is used.
const hub = "https://index.docker.io/v1/"

// Keys returns the names under which credentials of a registry are stored, the
// one to store new ones under first. host is a name or an address, IPv6 without
// brackets. A port that the scheme implies may be left out, any other may not:
// another port is another registry.
func Keys(scheme, host, port string) []string {
	host = strings.ToLower(host)
	switch host {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		return []string{hub, "docker.io", "index.docker.io", "registry-1.docker.io"}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch {
	case port == "":
		return []string{host}
	case scheme == "https" && port == "443", scheme == "http" && port == "80":
		return []string{host, host + ":" + port}
	}
	return []string{host + ":" + port}
}

// hostOf reduces a key of older tools, a URL, to host or host:port.
func hostOf(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	return strings.ToLower(host)
}

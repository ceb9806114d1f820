package artifact

import (
	"errors"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

func TestHosts(t *testing.T) {
	config := &resolve.Target{Endpoint: resolve.Endpoint{Scheme: "http", Host: "localhost", Port: 5000}}
	for host, want := range map[string]string{ // "" for what is none
		"localhost": "http://localhost:80", "localhost:5001": "http://localhost:5001", "LOCALHOST:5001": "http://localhost:5001",
		"LocalHost:5000": "http://localhost:5000", "127.0.0.1:1": "http://127.0.0.1:1", "127.0.0.1:65535": "http://127.0.0.1:65535",
		"Example.com": "https://example.com:443", "example.com:80": "https://example.com:80", "Docker.io": "https://registry-1.docker.io:443",
		"[::1]": "http://[::1]:80", "[::1]:5000": "http://[::1]:5000", "::1": "http://[::1]:80", "[fe80::1%eth0]:5000": "https://[fe80::1%25eth0]:5000",
		"127.0.0.1:5OOO": "", "localhost:": "", "[::1": "", "localhost:99999": "", "localhost:65536": "", "localhost:0": "", "localhost:-1": "",
		"localhost:+1": "", "localhost:1:2": "", "[::1]5000": "", "[::1]:": "", "[::1]:x": "", "[]:5000": "", "[localhost]:5000": "", ":5000": "",
		"localhost: 1": "", "1:2:3": "",
	} {
		t.Run(host, func(t *testing.T) {
			check := func(of *resolve.Target, err error) {
				t.Helper()
				if want == "" {
					if fault, ok := errors.AsType[*diag.Diagnostic](err); !ok || fault.Code != diag.BadReference || fault.Hint == "" {
						t.Errorf("%v, want %s with a hint", err, diag.BadReference)
					}
				} else if err != nil || of.Endpoint.URL().String() != want {
					t.Errorf("%v (%v), want %s", of, err, want)
				} else if own := want == config.Endpoint.URL().String(); own != (of == config) {
					t.Errorf("it is the config's: %v, want %v", !own, own)
				}
			}
			registry, err := ParseRegistry(config, host)
			check(registry, err)
			ref, err := ParseRef(config, host+"/a/b:1")
			check(ref.Registry(config), err)
		})
	}
}

// The scheme may be written, and says which port is meant.
func TestSchemes(t *testing.T) {
	config := &resolve.Target{Endpoint: resolve.Endpoint{Scheme: "https", Host: "example.com", Port: 443}}
	for written, want := range map[string]string{
		"http://example.org": "http://example.org:80", "https://localhost": "https://localhost:443", "http://Example.org:81/": "http://example.org:81",
		"http://localhost:": "", "https://example.org:x": "", "https://": "", "ftp://example.org": "", "https://example.org/a": "",
	} {
		got, err := ParseRegistry(config, written)
		if (err == nil) != (want != "") || err == nil && got.Endpoint.URL().String() != want {
			t.Errorf("%s is %v (%v), want %q", written, got, err, want)
		}
	}
}

package transport

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/spec"
)

// network is a proxy behind which every host answers: registries with a challenge,
// all others with a token.
type network struct {
	*httptest.Server
	challenge string // of a registry
	moved     string // where token servers lead to; "" for nowhere

	mu    sync.Mutex
	shown map[string]bool // by host: credentials, and not the token
}

func newNetwork(t *testing.T, challenge string) *network {
	n := &network{challenge: challenge, shown: map[string]bool{}}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := r.Header.Get("Authorization")
	if _, password, _ := r.BasicAuth(); password == "pw" || r.PostFormValue("refresh_token") != "" {
		n.shown[r.Host] = true
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		if sent != "Bearer good" {
			w.Header().Set("Www-Authenticate", n.challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}
	case n.moved != "" && !strings.Contains(n.moved, r.Host):
		http.Redirect(w, r, n.moved, http.StatusTemporaryRedirect)
	default:
		fmt.Fprint(w, `{"token": "good", "access_token": "good"}`)
	}
}

// TestWhoIsShownCredentials has a registry name a token server.
func TestWhoIsShownCredentials(t *testing.T) {
	const elsewhere = `Bearer realm="http://tokens.example/token",service="r"`
	for name, test := range map[string]struct {
		host      string // of the registry; registry.example when empty
		challenge string // elsewhere when empty
		named     string // remote.token_server
		docker    string // entry; the config has a password when empty
		login     bool   // the user gives the password
		anonymous bool
		moved     string
		want      diag.Code
		shown     string // the one host, "" for none
	}{
		"another host":                 {want: diag.TokenServer},
		"a subdomain":                  {challenge: `Bearer realm="http://auth.registry.example/token"`, want: diag.TokenServer},
		"a longer name":                {challenge: `Bearer realm="http://registry.example.tokens.example/token"`, want: diag.TokenServer},
		"named":                        {named: "tokens.example", shown: "tokens.example"},
		"named with its port":          {named: "tokens.example:80", shown: "tokens.example"},
		"named with another port":      {named: "tokens.example:8080", want: diag.TokenServer},
		"another one is named":         {named: "auth.example", want: diag.TokenServer},
		"another port":                 {challenge: `Bearer realm="http://registry.example:8080/token"`, shown: "registry.example:8080"},
		"its own host, in capitals":    {challenge: `Bearer realm="http://REGISTRY.example/token"`, shown: "REGISTRY.example"},
		"its own host beside a named":  {challenge: `Bearer realm="http://registry.example/token"`, named: "tokens.example", shown: "registry.example"},
		"anonymous":                    {anonymous: true},
		"Docker Hub":                   {host: "registry-1.docker.io", challenge: `Bearer realm="http://auth.docker.io/token"`, shown: "auth.docker.io"},
		"GitLab":                       {host: "registry.gitlab.com", challenge: `Bearer realm="http://gitlab.com/jwt/auth"`, shown: "gitlab.com"},
		"DigitalOcean":                 {host: "registry.digitalocean.com", challenge: `Bearer realm="http://api.digitalocean.com/token"`, shown: "api.digitalocean.com"},
		"Scaleway":                     {host: "rg.fr-par.scw.cloud", challenge: `Bearer realm="http://api.scaleway.com/token"`, shown: "api.scaleway.com"},
		"Alibaba":                      {host: "registry.cn-shanghai.aliyuncs.com", challenge: `Bearer realm="http://dockerauth.cn-shanghai.aliyuncs.com/token"`, shown: "dockerauth.cn-shanghai.aliyuncs.com"},
		"Alibaba's first region":       {host: "registry.cn-shanghai.aliyuncs.com", challenge: `Bearer realm="http://dockerauth.cn-hangzhou.aliyuncs.com/token"`, shown: "dockerauth.cn-hangzhou.aliyuncs.com"},
		"Alibaba, an instance":         {host: "acme-registry.eu-central-1.cr.aliyuncs.com", challenge: `Bearer realm="http://dockerauth.eu-central-1.aliyuncs.com/token"`, shown: "dockerauth.eu-central-1.aliyuncs.com"},
		"Alibaba, a person's":          {host: "crpi-x.cn-beijing.personal.cr.aliyuncs.com", challenge: `Bearer realm="http://dockerauth.cn-hangzhou.aliyuncs.com/token"`, shown: "dockerauth.cn-hangzhou.aliyuncs.com"},
		"Alibaba, a bucket":            {host: "registry.cn-shanghai.aliyuncs.com", challenge: `Bearer realm="http://dockerauth.oss-cn-shanghai.aliyuncs.com/token"`, want: diag.TokenServer},
		"Scaleway, a name below":       {host: "rg.evil.example.scw.cloud", challenge: `Bearer realm="http://api.scaleway.com/token"`, want: diag.TokenServer},
		"Scaleway's of another":        {host: "rg.scw.cloud.example", challenge: `Bearer realm="http://api.scaleway.com/token"`, want: diag.TokenServer},
		"Docker Hub's of another":      {challenge: `Bearer realm="http://auth.docker.io/token"`, want: diag.TokenServer},
		"Docker Hub's on a port":       {host: "registry-1.docker.io", challenge: `Bearer realm="http://auth.docker.io:8080/token"`, want: diag.TokenServer},
		"Docker Hub, another is named": {host: "docker.io", challenge: `Bearer realm="http://auth.docker.io/token"`, named: "tokens.example", want: diag.TokenServer},
		"Docker's credentials":         {docker: basic("me", "pw"), shown: "tokens.example"},
		"Docker's, another is named":   {docker: basic("me", "pw"), named: "auth.example", want: diag.TokenServer},
		"an identity token":            {docker: `"identitytoken": "id"`, shown: "tokens.example"},
		"an identity token, named":     {docker: `"identitytoken": "id"`, named: "auth.example", want: diag.TokenServer},
		"login":                        {login: true, shown: "tokens.example"},
		"login, another is named":      {login: true, named: "auth.example", want: diag.TokenServer},
		"the realm stands unquoted":    {challenge: `Bearer realm=http://tokens.example/token`, want: diag.RegistryRefused},
		"the realm stands twice":       {challenge: `Bearer realm="http://registry.example/token",realm="http://tokens.example/token"`, want: diag.TokenServer},
		"user information":             {challenge: `Bearer realm="http://me:pw@tokens.example/token"`, anonymous: true, want: diag.RegistryRefused},
		"another scheme":               {challenge: `Bearer realm="ftp://registry.example/token"`, want: diag.RegistryRefused},
		"the token server leads away":  {challenge: `Bearer realm="http://registry.example/token"`, moved: "http://tokens.example/token", shown: "registry.example"},
		"it does with an identity":     {challenge: `Bearer realm="http://registry.example/token"`, docker: `"identitytoken": "id"`, moved: "http://tokens.example/token", want: diag.Failed, shown: "registry.example"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.challenge == "" {
				test.challenge = elsewhere
			}
			if test.host == "" {
				test.host = "registry.example"
			}
			n := newNetwork(t, test.challenge)
			n.moved = test.moved
			target := &resolve.Target{
				Deployment: "remote", Endpoint: resolve.Endpoint{Scheme: "http", Host: test.host, Port: 80}, Pull: spec.Pull{AllowInsecure: true},
				Client: resolve.Client{VerifyTLS: true, HTTPProxy: spec.NewURL(n.URL), TokenServer: test.named},
			}
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			var err error
			switch {
			case test.login:
				_, err = Verify(t.Context(), target, credential.Credential{Username: "me", Password: "pw"})
			case test.docker != "":
				dockerHas(t, test.docker, Keys(target.Endpoint)...)
				err = fetch(t, target)
			default:
				if !test.anonymous {
					target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
				}
				err = fetch(t, target)
			}
			if test.want == "" && err != nil {
				t.Error(err)
			} else if test.want != "" {
				wantCode(t, err, test.want)
			}
			for host := range n.shown {
				if host != test.shown {
					t.Errorf("credentials were shown to %s", host)
				}
			}
			if test.shown != "" && !n.shown[test.shown] {
				t.Errorf("%s was shown no credentials", test.shown)
			}
		})
	}
}

// What was shown to a registry over TLS is not sent to the same port in plain HTTP,
// wherever the registry leads.
func TestNoCredentialsFromTLSToPlainHTTP(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, shown := r.BasicAuth(); !shown {
			w.Header().Set("Www-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	target := targetOf(t, server)
	target.Client.VerifyTLS, target.Pull.AllowInsecure = false, true
	target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
	client, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	if err := fetchFrom(t, client, "https://"+target.Endpoint.HostPort()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, fetchFrom(t, client, "http://"+target.Endpoint.HostPort()), diag.Insecure)
}

func fetchFrom(t *testing.T, c *Client, address string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return c.Err(err)
	}
	return resp.Body.Close()
}

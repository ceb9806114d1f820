package transport

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// account finds what to show to a host that asks: the config's credentials to
// its own endpoint, else Docker's for the host. Nothing is read before a host
// asks.
type account struct {
	target *resolve.Target
	docker credential.Store
	given  *credential.Credential // for the endpoint, instead of all others

	mu    sync.Mutex        // also keeps helpers, which may ask their user, from running at once
	known map[string]lookup // by host as in URLs
}

type lookup struct {
	credential auth.Credential
	from       string // "" for nowhere
	own        bool   // it is the endpoint's
	at         time.Time
}

// rememberFor is how long a credential is not looked up again. Some expire.
const rememberFor = time.Minute

// Where credentials are from, other than a file or helper of Docker's.
const (
	fromConfig = "the config"
	fromUser   = "the user"
)

// find is an auth.CredentialFunc. It is asked for the first 401 of a host, for
// each token, and again when a token or password has expired.
func (a *account) find(ctx context.Context, hostport string) (auth.Credential, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := exchangeOf(ctx)
	if x == nil {
		x = &exchange{}
	}
	own := x.url != nil && isOwn(a.target.Endpoint, x.url)
	if k, ok := a.known[hostport]; ok && k.own == own && time.Since(k.at) < rememberFor {
		x.from = k.from
		return k.credential, nil
	}
	c, from, err := a.lookUp(ctx, hostport, own)
	if err != nil {
		return auth.EmptyCredential, err
	}
	found := auth.Credential{Username: c.Username, Password: c.Password, RefreshToken: c.IdentityToken, AccessToken: c.RegistryToken}
	a.known[hostport] = lookup{found, from, own, time.Now()}
	x.from = from
	return found, nil
}

func (a *account) lookUp(ctx context.Context, hostport string, own bool) (credential.Credential, string, error) {
	if a.given != nil {
		if own {
			return *a.given, fromUser, nil
		}
		return credential.Credential{}, "", nil
	}
	if t := a.target; own && t.Auth.Password.IsSet() {
		password, err := t.Auth.Password.Read()
		return credential.Credential{Username: t.Auth.Username, Password: password}, fromConfig, err
	}
	return a.docker.Get(ctx, keysOf(a.target.Endpoint, hostport, own))
}

// source says where the credentials for the endpoint are from; "" for nowhere.
func (a *account) source() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given == nil && a.target.Auth.Token.IsSet() {
		return fromConfig
	}
	for _, k := range a.known {
		if k.own {
			return k.from
		}
	}
	return ""
}

// Keys returns the names under which Docker's tools keep credentials for an
// endpoint.
func Keys(e resolve.Endpoint) []string { return keysOf(e, e.HostPort(), true) }

func keysOf(e resolve.Endpoint, hostport string, own bool) []string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), ""
	}
	scheme := "https"
	if own && e.Scheme == "http" || !own && port == "80" {
		scheme = "http"
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	return credential.Keys(scheme, host, port)
}

// isOwn reports whether u is at an endpoint: same scheme, host and port.
func isOwn(e resolve.Endpoint, u *url.URL) bool { return sameOrigin(e.URL(), u) }

func sameOrigin(a, b *url.URL) bool { return origin(a) == origin(b) }

// origin is scheme, host and port, which a URL may leave out.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	return strings.ToLower(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port))
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// authenticate makes the client that answers challenges (RFC 9110, section 11;
// distribution's token specification). Its own checks of token servers are
// replaced by those of challenges and guard, which know what the config allows.
func authenticate(plain *http.Client, a *account) *auth.Client {
	return &auth.Client{
		Client: plain, Cache: auth.NewCache(), Credential: a.find, ClientID: "berth",
		BlockedRealmPrefixes: []netip.Prefix{},
	}
}

// exchange is what the layers of one request tell each other.
type exchange struct {
	url        *url.URL
	preset     bool   // the request came with its credentials: no challenge is answered
	from       string // where the credentials for it are from, once they were looked up
	attempts   int    // how often the last request was sent
	challenged bool   // credentials were asked for
	streamed   bool   // the body can be sent only once
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// challenges prepares what a registry asks with for the auth client, which looks
// at the first challenge only, and sees to it that what that answers goes where it
// may.
type challenges struct {
	next    http.RoundTripper
	account *account
}

func (c challenges) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := c.account.mayShow(exchangeOf(req.Context()), req); err != nil {
		return nil, err
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	// Without a realm there is nobody to ask for a token, which RFC 6750, section 3,
	// allows: the 401 is the answer.
	asked := slices.DeleteFunc(resp.Header["Www-Authenticate"], func(c string) bool { return rank(c) == 0 && !namesRealm(c) })
	slices.SortStableFunc(asked, func(a, b string) int { return rank(a) - rank(b) })
	resp.Header["Www-Authenticate"] = asked
	x := exchangeOf(req.Context())
	if x == nil {
		return resp, nil
	}
	if x.answers(req.URL) && len(asked) > 0 && rank(asked[0]) == 0 {
		if err := checkRealm(req.URL, realmOf(asked[0])); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	x.challenged = true
	return resp, nil
}

// answers reports whether the auth client answers a challenge of u: the first of an
// exchange whose request came without credentials, from where that was sent. Others,
// as those of a token server, are passed on.
func (x *exchange) answers(u *url.URL) bool {
	upgraded := x.url.Scheme == "http" && u.Scheme == "https" && strings.EqualFold(x.url.Hostname(), u.Hostname())
	return !x.preset && !x.challenged && (sameOrigin(x.url, u) || upgraded)
}

// checkRealm fails for the address of a token server that cannot be asked, or not
// without leaving TLS.
func checkRealm(registry *url.URL, realm string) error {
	u, err := url.Parse(realm)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return diag.Errorf(diag.RegistryRefused, "%s names a token server whose address is no URL of http or https", registry.Host).
			WithHint("let the registry name it in full, as in realm=\"https://HOST/PATH\"")
	case registry.Scheme == "https" && u.Scheme == "http":
		return diag.Errorf(diag.Insecure, "%s wants credentials sent in plain HTTP to %s", registry.Host, u.Host).
			WithHint("let the registry name its token server with https")
	}
	return nil
}

// rank prefers tokens to passwords, and what is known to what is not.
func rank(challenge string) int {
	scheme, _, _ := strings.Cut(strings.TrimSpace(challenge), " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return 0
	case "basic":
		return 1
	}
	return 2
}

var (
	anyRealm    = lazyregexp.New(`(?i)\brealm\s*=`)
	quotedRealm = lazyregexp.New(`(?i)\brealm="([^"]*)"`)
)

func namesRealm(challenge string) bool { return anyRealm().MatchString(challenge) }

func realmOf(challenge string) string {
	if m := quotedRealm().FindStringSubmatch(challenge); m != nil {
		return m[1]
	}
	return ""
}

// expired is the error of a request whose token had expired and whose body can
// be sent only once. There is a new token now: whoever has the body tries again.
type expired struct{ error }

func (e expired) Unwrap() error { return e.error }

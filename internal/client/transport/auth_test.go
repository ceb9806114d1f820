package transport

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// tokenServer is a registry with a token server beside it. It takes me:pw, and
// what it is told to.
type tokenServer struct {
	registry, tokens *httptest.Server

	mu     sync.Mutex
	issued int        // tokens; only the last one is valid
	limit  int        // requests that one token is good for; 0 for any number
	used   int        // requests with the last token
	scopes [][]string // asked for, by token
	asks   []string   // challenges; %s is the realm
	anyone bool       // anonymous tokens are good
	bodies []string   // of requests that were let in
}

func newTokenServer(t *testing.T) *tokenServer {
	s := &tokenServer{asks: []string{`Bearer realm="%s",service="registry"`}}
	s.tokens = httptest.NewServer(http.HandlerFunc(s.token))
	s.registry = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.tokens.Close)
	t.Cleanup(s.registry.Close)
	return s
}

func (s *tokenServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, password, shown := r.BasicAuth()
	refresh := r.PostFormValue("refresh_token")
	if !(s.anyone && !shown || user == "me" && password == "pw" || refresh == "identity") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.issued++
	s.used = 0
	s.scopes = append(s.scopes, r.URL.Query()["scope"])
	fmt.Fprintf(w, `{"token":"t%d","access_token":"t%d"}`, s.issued, s.issued)
}

func (s *tokenServer) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	user, password, _ := r.BasicAuth()
	shown := r.Header.Get("Authorization")
	switch {
	case shown == "Bearer registry-token":
	case user == "me" && password == "pw" && strings.Contains(strings.Join(s.asks, " "), "Basic"):
	case s.issued > 0 && shown == fmt.Sprintf("Bearer t%d", s.issued) && (s.limit == 0 || s.used < s.limit):
		s.used++
	default:
		for _, ask := range s.asks {
			w.Header().Add("Www-Authenticate", strings.ReplaceAll(ask, "%s", s.tokens.URL))
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.bodies = append(s.bodies, string(body))
}

// dockerHas writes a config.json with the auths entry of a registry.
func dockerHas(t *testing.T, entry string, keys ...string) {
	t.Helper()
	text := `{"auths": {`
	for i, key := range keys {
		text += fmt.Sprintf("%.*s%q: {%s}", min(i, 1), ",", key, entry)
	}
	dockerIs(t, text+`}}`)
}

func dockerIs(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func basic(user, password string) string {
	return fmt.Sprintf(`"auth": %q`, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func secretFile(t *testing.T, text string) resolve.Secret {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return resolve.SecretFile(name)
}

func TestWhoseCredentials(t *testing.T) {
	right, wrong := basic("me", "pw"), basic("me", "guess")
	bearerAsk, basicAsk := `Bearer realm="%s",service="registry"`, `Basic realm="x"`
	for name, test := range map[string]struct {
		asks     []string
		config   string // the config's password; "" for none
		token    string // the config's token
		entry    string // of Docker's config
		anyone   bool
		want     diag.Code // "" for success
		hint     string
		mangled  string // Docker's whole config
		leavePwd bool   // the config's password file is not there
	}{
		"config, bearer":          {asks: []string{bearerAsk}, config: "pw"},
		"config, basic":           {asks: []string{basicAsk}, config: "pw"},
		"config's token":          {asks: []string{bearerAsk}, token: "registry-token\nother", entry: wrong},
		"config's wrong token":    {asks: []string{bearerAsk}, token: "guess", entry: right, want: diag.Unauthorized, hint: "auth_token_path"},
		"wrong token, no realm":   {asks: []string{`Bearer error="invalid_token"`}, token: "guess", want: diag.Unauthorized, hint: "auth_token_path"},
		"wrong token, a name":     {asks: []string{`Bearer realm="registry"`}, token: "guess", want: diag.Unauthorized, hint: "auth_token_path"},
		"wrong token, Azure's":    {asks: []string{`Bearer authorization_uri="https://login.example/", resource_id="x"`}, token: "guess", want: diag.Unauthorized, hint: "auth_token_path"},
		"no realm":                {asks: []string{"Bearer"}, config: "pw", want: diag.Unauthorized, hint: "berth login"},
		"no realm, then basic":    {asks: []string{`Bearer error="invalid_token"`, basicAsk}, config: "pw"},
		"config goes first":       {asks: []string{bearerAsk}, config: "pw", entry: wrong},
		"wrong config goes first": {asks: []string{bearerAsk}, config: "guess", entry: right, want: diag.Unauthorized, hint: "password_path"},
		"wrong config, basic":     {asks: []string{basicAsk}, config: "guess", entry: right, want: diag.Unauthorized, hint: "password_path"},
		"Docker, bearer":          {asks: []string{bearerAsk}, entry: right},
		"Docker, basic":           {asks: []string{basicAsk}, entry: right},
		"Docker's wrong":          {asks: []string{bearerAsk}, entry: wrong, want: diag.Unauthorized, hint: "config.json"},
		"Docker's wrong, basic":   {asks: []string{basicAsk}, entry: wrong, want: diag.Unauthorized, hint: "config.json"},
		"identity token":          {asks: []string{bearerAsk}, entry: `"identitytoken": "identity"`},
		"registry token":          {asks: []string{bearerAsk}, entry: `"registrytoken": "registry-token"`},
		"anonymous token":         {asks: []string{bearerAsk}, anyone: true},
		"none, bearer":            {asks: []string{bearerAsk}, want: diag.Unauthorized, hint: "berth login"},
		"none, basic":             {asks: []string{basicAsk}, want: diag.Unauthorized, hint: "berth login"},
		"empty entry":             {asks: []string{basicAsk}, entry: `"email": "x"`, want: diag.Unauthorized, hint: "berth login"},
		"several challenges":      {asks: []string{"Negotiate", basicAsk, bearerAsk}, entry: right},
		"a strange one first":     {asks: []string{"Negotiate", basicAsk}, entry: right},
		"nothing but strange":     {asks: []string{"Negotiate"}, entry: right, want: diag.Unauthorized, hint: "berth login"},
		"Docker's file is broken": {asks: []string{bearerAsk}, mangled: "{", want: diag.CredentialUnread, hint: "mend"},
		"broken, but not needed":  {asks: []string{bearerAsk}, mangled: "{", config: "pw"},
		"no password file":        {asks: []string{bearerAsk}, config: "pw", leavePwd: true, want: diag.CredentialUnread, hint: "create"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTokenServer(t)
			s.asks, s.anyone = test.asks, test.anyone
			target := targetOf(t, s.registry)
			host := target.Endpoint.HostPort()
			dockerHas(t, test.entry, host)
			if test.mangled != "" {
				dockerIs(t, test.mangled)
			}
			if test.config != "" {
				target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, test.config)}
			}
			if test.leavePwd {
				os.Remove(target.Auth.Password.File())
			}
			if test.token != "" {
				target.Auth = resolve.Auth{Token: secretFile(t, test.token)}
			}
			err := fetch(t, target)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, test.want)
			if d, ok := errors.AsType[*diag.Diagnostic](err); ok && !strings.Contains(d.Hint, test.hint) {
				t.Errorf("the hint is %q, want %q", d.Hint, test.hint)
			}
		})
	}
}

// fetch gets /v2/ and fails unless that is allowed.
func fetch(t *testing.T, target *resolve.Target) error {
	t.Helper()
	c, err := New(target)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.Endpoint.URL().String()+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return c.Err(err)
	}
	if resp.StatusCode != http.StatusOK {
		return c.Err(Refused(resp))
	}
	return resp.Body.Close()
}

// A registry that asks for nothing has nothing read for it.
func TestCredentialsAreReadLate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dockerIs(t, "{")
	target := targetOf(t, server)
	target.Auth = resolve.Auth{Username: "me", Password: resolve.SecretFile("/does/not/exist")}
	if err := fetch(t, target); err != nil {
		t.Error(err)
	}
}

// The config's credentials are for its endpoint; another host gets Docker's.
func TestOtherHost(t *testing.T) {
	own, other := newTokenServer(t), newTokenServer(t)
	other.asks = []string{`Basic realm="x"`}
	target := targetOf(t, own.registry)
	target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, other.registry.URL+"/v2/", nil)
		resp, err := c.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if err := ask(); !errors.Is(err, auth.ErrBasicCredentialNotFound) {
		t.Errorf("without any: %v", err)
	}
	dockerHas(t, basic("me", "pw"), strings.TrimPrefix(other.registry.URL, "http://"))
	c, _ = New(target)
	if err := ask(); err != nil {
		t.Error(err)
	}
}

// A token that expires in the middle is fetched again, once, and the request
// repeated with its body; without a second body it is for Retry.
func TestExpiredToken(t *testing.T) {
	for name, stream := range map[string]bool{"replayed": false, "a stream": true} {
		t.Run(name, func(t *testing.T) {
			s := newTokenServer(t)
			s.limit = 1
			target := targetOf(t, s.registry)
			target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
			c, err := New(target)
			if err != nil {
				t.Fatal(err)
			}
			put := func() error {
				var body io.Reader = strings.NewReader("content")
				if stream {
					body = io.MultiReader(body)
				}
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, s.registry.URL+"/v2/x", body)
				resp, err := c.Do(req)
				if err != nil {
					return err
				}
				return resp.Body.Close()
			}
			for range 3 {
				if err := c.Retry(t.Context(), put); err != nil {
					t.Fatal(err)
				}
			}
			if s.issued != 3 || !slices.Equal(s.bodies, []string{"content", "content", "content"}) {
				t.Errorf("%d tokens, bodies %q", s.issued, s.bodies)
			}
		})
	}
}

// A registry that never takes the token it gave is asked twice, not forever.
func TestTokenThatIsNeverGood(t *testing.T) {
	s := newTokenServer(t)
	s.limit = -1
	target := targetOf(t, s.registry)
	target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
	wantCode(t, fetch(t, target), diag.Unauthorized)
	if s.issued != 1 {
		t.Errorf("%d tokens", s.issued)
	}
}

// One token is asked for a mount's two repositories.
func TestScopesOfMount(t *testing.T) {
	s := newTokenServer(t)
	s.anyone = true
	target := targetOf(t, s.registry)
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	host := target.Endpoint.HostPort()
	ctx := auth.AppendRepositoryScope(t.Context(), registry.Reference{Registry: host, Repository: "to"}, auth.ActionPull, auth.ActionPush)
	ctx = auth.AppendRepositoryScope(ctx, registry.Reference{Registry: host, Repository: "from"}, auth.ActionPull)
	for range 2 {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.registry.URL+"/v2/to/blobs/uploads/?mount=x&from=from", nil)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if want := []string{"repository:from:pull", "repository:to:pull,push"}; len(s.scopes) != 1 || !slices.Equal(s.scopes[0], want) {
		t.Errorf("asked for %q", s.scopes)
	}
}

// Token servers get credentials over TLS or on this machine.
func TestTokenServerInPlainHTTP(t *testing.T) {
	for name, test := range map[string]struct {
		tls   bool
		realm string
	}{
		"elsewhere":          {false, "http://tokens.example/token"},
		"TLS to plain":       {true, "http://127.0.0.1:1/token"},
		"TLS to elsewhere's": {true, "http://tokens.example/token"},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Www-Authenticate", `Bearer realm="`+test.realm+`"`)
				w.WriteHeader(http.StatusUnauthorized)
			})
			server := httptest.NewUnstartedServer(h)
			if server.Start(); test.tls {
				server.Close()
				server = httptest.NewTLSServer(h)
			}
			defer server.Close()
			target := targetOf(t, server)
			target.Client.VerifyTLS, target.Client.TokenServer = false, "tokens.example"
			target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "pw")}
			wantCode(t, fetch(t, target), diag.Insecure)
		})
	}
}

// What a token server asks for itself is not answered, and need not be right.
func TestTokenServerChallenges(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		realm := "http://" + r.Host + "/token"
		if r.URL.Path == "/token" {
			realm = "tokens"
		}
		w.Header().Set("Www-Authenticate", `Bearer realm="`+realm+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	target := targetOf(t, server)
	target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "guess")}
	wantCode(t, fetch(t, target), diag.Unauthorized)
}

func TestVerify(t *testing.T) {
	for name, test := range map[string]struct {
		asks     []string
		password string
		checked  bool
		want     diag.Code
	}{
		"bearer":       {[]string{`Bearer realm="%s"`}, "pw", true, ""},
		"basic":        {[]string{`Basic realm="x"`}, "pw", true, ""},
		"wrong bearer": {[]string{`Bearer realm="%s"`}, "guess", false, diag.Unauthorized},
		"wrong basic":  {[]string{`Basic realm="x"`}, "guess", false, diag.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTokenServer(t)
			s.asks = test.asks
			target := targetOf(t, s.registry)
			dockerHas(t, basic("me", "pw"), target.Endpoint.HostPort()) // must not help
			target.Auth = resolve.Auth{Token: secretFile(t, "registry-token")}
			checked, err := Verify(t.Context(), target, credential.Credential{Username: "me", Password: test.password})
			if test.want != "" {
				wantCode(t, err, test.want)
			} else if err != nil || checked != test.checked {
				t.Errorf("checked %v, %v", checked, err)
			}
		})
	}
}

// Registries that are open may look at credentials nevertheless.
func TestVerifyOpenRegistry(t *testing.T) {
	for name, looks := range map[string]bool{"looks": true, "does not": false} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if looks && r.Header.Get("Authorization") != "" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			defer server.Close()
			checked, err := Verify(t.Context(), targetOf(t, server), credential.Credential{Username: "me", Password: "pw"})
			if looks {
				wantCode(t, err, diag.Unauthorized)
			} else if err != nil || checked {
				t.Errorf("checked %v, %v", checked, err)
			}
		})
	}
}

// The query of a URL that an exchange failed at is in no message: it may be what
// lets anyone go on with an upload.
func TestQueriesAreNotShown(t *testing.T) {
	s := newTokenServer(t)
	target := targetOf(t, s.registry)
	target.Auth = resolve.Auth{Username: "me", Password: secretFile(t, "wrong")}
	client, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, close := range []func(){func() {}, s.tokens.Close, s.registry.Close} {
		close()
		req, err := http.NewRequest(http.MethodGet, s.registry.URL+"/v2/a/blobs/uploads/1?_state=hidden", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Do(req)
		if err = client.Err(err); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Error(err)
		}
	}
}

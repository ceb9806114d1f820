package gate_test

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/local/gate"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestAuth(t *testing.T) {
	long := strings.Repeat("x", 72)
	passwords := file(t, "htpasswd", "# people\n\n"+line(t, "ann", password, bcrypt.MinCost)+"\r\n"+line(t, "bob", "b:c", bcrypt.MinCost)+line(t, "max", long, bcrypt.MinCost))
	tokens := file(t, "tokens", "# machines\n\n"+token+"\n  ci: second-token  \n")
	log := new(safeBuffer)
	s := start(t, whoami, gate.Options{Log: logTo(log), Credentials: gate.Credentials{Passwords: passwords, Tokens: tokens, Realm: "here"}})
	onlyTokens := start(t, whoami, gate.Options{Credentials: gate.Credentials{Tokens: tokens}})
	for _, test := range []struct {
		server  *httptest.Server
		headers []string
		user    string // "" is a 401
	}{
		{s, nil, ""},
		{s, []string{""}, ""},
		{s, []string{basic("ann", password)}, "ann"},
		{s, []string{strings.Replace(basic("ann", password), "Basic", "bASIC", 1)}, "ann"},
		{s, []string{basic("bob", "b:c")}, "bob"},
		{s, []string{basic("ann", "hidden")}, ""},
		{s, []string{basic("bob", password)}, ""},
		{s, []string{basic("eve", password)}, ""},
		{s, []string{basic("ann", "")}, ""},
		{s, []string{basic("", "")}, ""},
		{s, []string{basic("", password)}, ""},
		{s, []string{"Basic !!!"}, ""},
		{s, []string{"Basic"}, ""},
		{s, []string{"Bearer"}, ""},
		{s, []string{"Bearer  "}, ""},
		{s, []string{"Digest " + token}, ""},
		{s, []string{token}, ""},
		{s, []string{"Bearer " + token}, "token:00c1b5ed"},
		{s, []string{"bearer second-token"}, "token:ci"},
		{s, []string{"Bearer " + token + "x"}, ""},
		{s, []string{"Bearer ci:second-token"}, ""},
		{s, []string{basic("ci", "second-token")}, "token:ci"},
		{s, []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("ann"))}, ""},
		{s, []string{basic("ann", password) + "="}, ""},
		{s, []string{basic("max", long)}, "max"},
		{s, []string{basic("max", long+"y")}, ""}, // of which bcrypt sees the same
		{s, []string{basic(token, "x")}, ""},
		{s, []string{"Bearer # machines"}, ""},
		{s, []string{basic("whoever", token)}, "token:00c1b5ed"},
		{s, []string{basic("ann", token)}, "token:00c1b5ed"},
		{s, []string{"Bearer " + password}, ""},
		{s, []string{basic("ann", password), "Bearer " + token}, ""},
		{onlyTokens, []string{basic("ann", password)}, ""},
		{onlyTokens, []string{basic("ann", token)}, "token:00c1b5ed"},
	} {
		req, _ := http.NewRequest(http.MethodGet, test.server.URL+"/v2/", nil)
		if test.headers != nil {
			req.Header["Authorization"] = test.headers
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if test.user != "" {
			if resp.StatusCode != 200 || string(body) != test.user {
				t.Errorf("%q answers %d %s", test.headers, resp.StatusCode, body)
			}
			continue
		}
		realm := map[*httptest.Server]string{s: "here", onlyTokens: "berth"}[test.server]
		if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != `Basic realm="`+realm+`"` || !strings.Contains(string(body), "UNAUTHORIZED") {
			t.Errorf("%q answers %d %v %s", test.headers, resp.StatusCode, resp.Header, body)
		}
	}
	log.wait(t, `msg="login failed" user=eve client=127.0.0.1:`)
	for _, secret := range []string{"hidden", token, base64.StdEncoding.EncodeToString([]byte("ann:hidden"))} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log tells %s", secret)
		}
	}
}

func TestCredentialFiles(t *testing.T) {
	good := line(t, "ann", password, bcrypt.MinCost)
	for content, want := range map[string]string{
		"":                                       "holds no user",
		"# nobody\n":                             "holds no user",
		good + "bob\n":                           "line 2: not a user and a hash",
		good + ":" + good[4:]:                    "line 2: not a user and a hash",
		good + "\nbob:secret\n":                  "line 3: not a bcrypt hash",
		"bob:$apr1$aaaaaaaa$bbbbbbbb\n":          "line 1: not a bcrypt hash",
		"bob:{SHA}aaaaaaaa\n":                    "line 1: not a bcrypt hash",
		"bob:" + good[4:40] + "\n":               "line 1: not a bcrypt hash",
		"bob:$2y$31$" + good[11:]:                "cost 31",
		good + good:                              `line 2: user "ann" is there already, in line 1`,
		strings.Replace(good, "$04$", "$xx$", 1): "not a bcrypt hash",
	} {
		_, err := gate.New(http.NotFoundHandler(), gate.Options{Credentials: gate.Credentials{Passwords: file(t, "htpasswd", content)}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	for content, want := range map[string]string{
		"":                 "holds no token",
		"#\n":              "holds no token",
		"good\nnot good\n": "line 2",
		"caf\u00e9\n":      "line 1",
	} {
		_, err := gate.New(http.NotFoundHandler(), gate.Options{Credentials: gate.Credentials{Tokens: file(t, "tokens", content)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	for _, c := range []gate.Credentials{
		{Passwords: "no-such-file"}, {Tokens: "no-such-file"}, {Tokens: file(t, "tokens", token), Realm: `"`},
	} {
		if _, err := gate.New(http.NotFoundHandler(), gate.Options{Credentials: c}); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// status asks a handler once.
func status(h http.Handler, client, authorization string) int {
	r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
	r.RemoteAddr = net.JoinHostPort(client, "1")
	r.Header.Set("Authorization", authorization)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestCredentialsChange(t *testing.T) {
	passwords := file(t, "htpasswd", line(t, "ann", password, bcrypt.MinCost))
	tokens := file(t, "tokens", token)
	log := new(safeBuffer)
	h, err := gate.Auth(http.HandlerFunc(whoami), gate.Credentials{Passwords: passwords, Tokens: tokens}, logTo(log))
	if err != nil {
		t.Fatal(err)
	}
	answers := func(authorization string, want int) {
		t.Helper()
		eventually(t, func() bool { return status(h, "10.0.0.1", authorization) == want })
	}
	answers(basic("ann", password), 200)
	answers("Bearer "+token, 200)

	// What cannot be used is a mistake, or half written.
	write(t, passwords, "ann:plain\n")
	write(t, tokens, "not a token\n")
	eventually(t, func() bool {
		status(h, "10.0.0.1", basic("ann", password))
		return strings.Contains(log.String(), "not a bcrypt hash") && strings.Contains(log.String(), "no bearer token")
	})
	answers(basic("ann", password), 200)
	answers("Bearer "+token, 200)

	// In place, with the same size, and by renaming.
	write(t, passwords, line(t, "ann", "other", bcrypt.MinCost))
	other := filepath.Join(filepath.Dir(tokens), "new")
	write(t, other, "second")
	if err := os.Rename(other, tokens); err != nil {
		t.Fatal(err)
	}
	answers(basic("ann", password), 401) // though it was right before
	answers(basic("ann", "other"), 200)
	answers("Bearer "+token, 401)
	answers("Bearer second", 200)

	// What is gone or empty lets nobody in, until it is back.
	if err := os.Remove(passwords); err != nil {
		t.Fatal(err)
	}
	write(t, tokens, "# none\n")
	answers(basic("ann", "other"), 401)
	answers("Bearer second", 401)
	answers("Bearer # none", 401)
	if n := strings.Count(log.String(), "they let nobody in until they are back"); n != 2 {
		t.Errorf("what is gone was logged %d times:\n%s", n, log)
	}
	write(t, passwords, line(t, "ann", "other", bcrypt.MinCost))
	write(t, tokens, "second")
	answers(basic("ann", "other"), 200)
	answers("Bearer second", 200)
}

// Many requests that come with one password at once are all served. TestSameLogin
// counts what it costs.
func TestManyClients(t *testing.T) {
	var served atomic.Int32
	s := start(t, func(http.ResponseWriter, *http.Request) { served.Add(1) }, gate.Options{
		Credentials: gate.Credentials{Passwords: file(t, "htpasswd", line(t, "ann", password, bcrypt.DefaultCost))},
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50, MaxConnsPerHost: 50}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			req, _ := http.NewRequest(http.MethodGet, s.URL, nil)
			req.SetBasicAuth("ann", password)
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	all.Wait()
	if served.Load() != 1000 {
		t.Errorf("%d of 1000 requests were served", served.Load())
	}
}

// What a client claims to be called reaches the log as text, not as lines or
// commands of a terminal.
func TestClaimedName(t *testing.T) {
	log := new(safeBuffer)
	h, err := gate.New(http.HandlerFunc(whoami), gate.Options{Log: logTo(log),
		Credentials: gate.Credentials{Passwords: file(t, "htpasswd", line(t, "ann", password, bcrypt.MinCost))}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eve\nlevel=INFO msg=request user=ann", "eve\r\x1b[2J", "eve\u202e\u2028", "eve\xff\x00", "eve user=ann", strings.Repeat("é", 1000)} {
		if got := status(h, "10.0.0.1", basic(name, "wrong")); got != 401 {
			t.Errorf("%q: %d", name, got)
		}
	}
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if len(lines) != 12 { // one of the login and one of the request each
		t.Errorf("%d lines:\n%s", len(lines), log)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "time=") || len(line) > 4000 || strings.Contains(line, " user=ann") && !strings.Contains(line, `user="eve`) ||
			strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) || r == '\ufffd' }) {
			t.Errorf("logged: %q", line)
		}
	}
}

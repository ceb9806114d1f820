package gate_test

import (
	"context"
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
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/gate"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestAuth(t *testing.T) {
	passwords := file(t, "htpasswd", "# people\n\n"+line(t, "ann", password, bcrypt.MinCost)+"\r\n"+line(t, "bob", "b:c", bcrypt.MinCost))
	tokens := file(t, "tokens", "# machines\n\n"+token+"\n  second-token  \n")
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
		{s, []string{"Bearer " + token}, "token:3"},
		{s, []string{"bearer second-token"}, "token:4"},
		{s, []string{"Bearer " + token + "x"}, ""},
		{s, []string{"Bearer # machines"}, ""},
		{s, []string{basic("whoever", token)}, "token:3"},
		{s, []string{basic("ann", token)}, "token:3"},
		{s, []string{"Bearer " + password}, ""},
		{s, []string{basic("ann", password), "Bearer " + token}, ""},
		{onlyTokens, []string{basic("ann", password)}, ""},
		{onlyTokens, []string{basic("ann", token)}, "token:3"},
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
		good + "bob\n":                           "line 2: it is not of the form user:hash",
		good + ":" + good[4:]:                    "line 2: it is not of the form user:hash",
		good + "\nbob:secret\n":                  "line 3: user bob has no bcrypt hash",
		"bob:$apr1$aaaaaaaa$bbbbbbbb\n":          "line 1: user bob has no bcrypt hash",
		"bob:{SHA}aaaaaaaa\n":                    "line 1: user bob has no bcrypt hash",
		"bob:" + good[4:40] + "\n":               "line 1: user bob has no bcrypt hash",
		"bob:$2y$31$" + good[11:]:                "cost 31",
		good + good:                              "user ann is there twice",
		strings.Replace(good, "$04$", "$xx$", 1): "no bcrypt hash",
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

	write(t, passwords, "ann:plain\n")
	write(t, tokens, "")
	eventually(t, func() bool {
		status(h, "10.0.0.1", basic("ann", password))
		return strings.Contains(log.String(), "ann has no bcrypt hash") && strings.Contains(log.String(), "holds no token")
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

	// What is gone is not there to be read: nobody is let in or locked out by it.
	if err := os.Remove(passwords); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	for range 3 {
		answers(basic("ann", "other"), 200)
		time.Sleep(time.Second)
	}
	if n := strings.Count(log.String(), "no such file"); n != 1 {
		t.Errorf("the removal was logged %d times", n)
	}
}

// TestManyClients: the hash of a password is computed once, however many
// requests come with it at once.
func TestManyClients(t *testing.T) {
	var served atomic.Int32
	s := start(t, func(http.ResponseWriter, *http.Request) { served.Add(1) }, gate.Options{
		Credentials: gate.Credentials{Passwords: file(t, "htpasswd", line(t, "ann", password, bcrypt.DefaultCost))},
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50, MaxConnsPerHost: 50}}
	defer client.CloseIdleConnections()
	begin := time.Now()
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
	took := time.Since(begin)
	t.Logf("1000 requests in %s", took)
	if served.Load() != 1000 || took > 20*time.Second { // 1000 hashes take a minute on one core, without the race detector
		t.Errorf("%d of 1000 requests were served in %s", served.Load(), took)
	}
}

// someCost is enough for a hash to show in the time of an answer, also with the
// race detector.
const someCost = 8

// TestFlood guesses passwords from one address, in many requests at once. Those
// who were here before notice nothing, and those who come from elsewhere wait
// for one hash.
func TestFlood(t *testing.T) {
	h, err := gate.Auth(http.HandlerFunc(whoami), gate.Credentials{
		Passwords: file(t, "htpasswd", line(t, "ann", password, someCost)+line(t, "bob", password, someCost)),
	}, logTo(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if got := status(h, "10.0.0.1", basic("ann", password)); got != 200 {
		t.Fatal(got)
	}
	begin := time.Now()
	status(h, "10.0.0.1", basic("ann", "wrong"))
	hash := time.Since(begin)

	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var guessed atomic.Int32
	for i := range 200 {
		flood.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/", nil)
				r.RemoteAddr = "10.0.0.66:1"
				r.SetBasicAuth([]string{"ann", "eve"}[n%2], strconv.Itoa(i*1000+n))
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code == 401 {
					guessed.Add(1)
				}
			}
		})
	}
	time.Sleep(hash)
	begin = time.Now()
	for range 20 {
		if got := status(h, "10.0.0.1", basic("ann", password)); got != 200 {
			t.Errorf("who was here before gets %d", got)
		}
	}
	before := time.Since(begin)
	begin = time.Now()
	if got := status(h, "10.0.0.2", basic("bob", password)); got != 200 {
		t.Errorf("who comes gets %d", got)
	}
	came := time.Since(begin)
	stop()
	flood.Wait()
	t.Logf("hash %s; 20 requests of one who was here %s; first of another %s; %d guesses", hash, before, came, guessed.Load())
	if before > 10*hash || came > 10*hash {
		t.Error("the flood held up others")
	}
}

// TestUnknownUser: the time of an answer does not tell whether a user exists.
func TestUnknownUser(t *testing.T) {
	h, err := gate.Auth(http.HandlerFunc(whoami), gate.Credentials{
		Passwords: file(t, "htpasswd", line(t, "ann", password, someCost)),
	}, logTo(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	best := func(user string) time.Duration {
		best := time.Hour
		for range 5 {
			begin := time.Now()
			status(h, "10.0.0.1", basic(user, "wrong"))
			best = min(best, time.Since(begin))
		}
		return best
	}
	known, unknown := best("ann"), best("eve")
	if unknown < known/2 || known < unknown/2 {
		t.Errorf("a known user takes %s, an unknown one %s", known, unknown)
	}
}

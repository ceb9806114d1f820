package gate_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/local/gate"
)

// proxies are those that the tests trust.
func proxies() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.1/32")}
}

// told is what handlers see of a request with headers given as names and values.
func told(remote, host string, secure bool, headers ...string) string {
	var got string
	h := gate.Clients(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		scheme, host := gate.Origin(r)
		got = gate.Client(r.Context()).String() + " " + scheme + "://" + host
	}), proxies(), slog.New(slog.DiscardHandler))
	r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
	r.RemoteAddr, r.Host = remote, host
	if secure {
		r.TLS = new(tls.ConnectionState)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	return got
}

func TestClient(t *testing.T) {
	for remote, want := range map[string]string{
		"198.51.100.7:1234":          "198.51.100.7/32 http://r.example:5000",
		"[::ffff:198.51.100.7]:1234": "198.51.100.7/32 http://r.example:5000",
		"[2001:db8:1:2:3:4:5:6]:1":   "2001:db8:1:2::/64 http://r.example:5000",
		"[fe80::1%eth0]:1":           "fe80::/64 http://r.example:5000",
		"@":                          "invalid Prefix http://r.example:5000",
		"":                           "invalid Prefix http://r.example:5000",
	} {
		if got := told(remote, "r.example:5000", false); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
	if got := told("198.51.100.7:1", "r.example", true); got != "198.51.100.7/32 https://r.example" {
		t.Errorf("with TLS: %s", got)
	}
}

func TestHost(t *testing.T) {
	for host, valid := range map[string]bool{
		"a": true, "a.example": true, "a_b-c.example.:65535": true, "192.0.2.1:5000": true, "[2001:db8::1]": true, "[::1]:5000": true,
		"": false, ":5000": false, "a:": false, "a:123456": false, "a:x": false, "a/b": false, "a b": false, "u@a": false, "[::1": false, "::1": false,
		"[a]": false, "[::1%25eth0]": false, "[::1]x": false, "[192.0.2.1]": false, "a,b": false, "a\"b": false, "é": false, "a%20": false, strings.Repeat("a", 254): false,
	} {
		want := "http://"
		if valid {
			want += host
		}
		if _, got, _ := strings.Cut(told("198.51.100.7:1", host, false), " "); got != want {
			t.Errorf("host %q: %s", host, got)
		}
		if strings.Contains(host, ",") {
			continue // two of them
		}
		if _, got, _ := strings.Cut(told("10.0.0.1:1", "r.example", false, "X-Forwarded-Host", host), " "); valid != (got == want) || !valid && got != "http://r.example" {
			t.Errorf("forwarded host %q: %s", host, got)
		}
	}
}

func TestForwarded(t *testing.T) {
	const here, doubtful = " http://r.example", " http://"
	for _, test := range []struct {
		remote  string
		headers []string
		want    string
	}{
		// From whom nobody trusts.
		{"198.51.100.7:1", []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example"}, "198.51.100.7/32" + doubtful},
		{"198.51.100.7:1", []string{"Forwarded", "for=203.0.113.9;proto=https;host=evil.example"}, "198.51.100.7/32" + doubtful},
		{"198.51.100.7:1", []string{"X-Forwarded-Proto", "https"}, "198.51.100.7/32" + doubtful},
		{"198.51.100.7:1", []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "R.example"}, "198.51.100.7/32" + here},
		{"198.51.100.7:1", []string{"Forwarded", "nonsense"}, "198.51.100.7/32" + here},

		// The older headers.
		{"10.0.0.1:1", nil, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9"}, "203.0.113.9/32" + here},
		{"[::ffff:10.0.0.1]:1", []string{"X-Forwarded-For", "::ffff:203.0.113.9"}, "203.0.113.9/32" + here},
		{"[fd00::1]:1", []string{"X-Forwarded-For", "2001:db8::9"}, "2001:db8::/64" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "[2001:db8::9]:4711"}, "2001:db8::/64" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9:4711"}, "203.0.113.9/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-Proto", "HTTPS"}, "10.0.0.1/32 https://r.example"},
		{"10.0.0.1:1", []string{"X-Forwarded-Proto", "javascript"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-Host", "outer.example:8443"}, "10.0.0.1/32 http://outer.example:8443"},
		{"10.0.0.1:1", []string{"X-Forwarded-Host", "evil.example/x"}, "10.0.0.1/32" + here},
		// Several proxies, in one line and in several.
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9, 10.0.0.2", "X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "outer.example, inner"}, "203.0.113.9/32 https://outer.example"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "10.0.0.2", "X-Forwarded-Proto", "https"}, "203.0.113.9/32 https://r.example"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}, "10.0.0.3/32" + here},
		// What a client made up is left of what the proxy saw.
		{"10.0.0.1:1", []string{"X-Forwarded-For", "192.0.2.1, 203.0.113.9", "X-Forwarded-Proto", "http, https", "X-Forwarded-Host", "evil.example, outer.example"}, "203.0.113.9/32 https://outer.example"},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9/32" + here},
		// What is no address stops at who says so.
		{"10.0.0.1:1", []string{"X-Forwarded-For", "unknown"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9, ' OR 1=1, 10.0.0.2"}, "10.0.0.2/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9,"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9:port"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9%eth0"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.999"}, "10.0.0.1/32" + here},

		// RFC 7239.
		{"10.0.0.1:1", []string{"Forwarded", `for=203.0.113.9;proto=https;host="outer.example:8443"`}, "203.0.113.9/32 https://outer.example:8443"},
		{"10.0.0.1:1", []string{"Forwarded", `FOR="[2001:db8::9]:4711" ; Proto=https; by=10.0.0.1`}, "2001:db8::/64 https://r.example"},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9;host=outer.example:8443"}, "203.0.113.9/32 http://outer.example:8443"},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9;proto=https;host=outer.example, for=10.0.0.2;host=inner"}, "203.0.113.9/32 https://outer.example"},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9;proto=https", "Forwarded", "for=10.0.0.2;proto=http"}, "203.0.113.9/32 https://r.example"},
		{"10.0.0.1:1", []string{"Forwarded", "for=192.0.2.1;proto=https;host=evil.example, for=203.0.113.9"}, "203.0.113.9/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "for=_hidden;proto=https"}, "10.0.0.1/32 https://r.example"},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9, for=unknown, for=10.0.0.2"}, "10.0.0.2/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", `for="203.0.113.9:_port"`}, "203.0.113.9/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "proto=https"}, "10.0.0.1/32 https://r.example"},
		{"10.0.0.1:1", []string{"Forwarded", ", ,for=203.0.113.9;"}, "203.0.113.9/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", `for="203.0.113\.9";x="a\"b,c"`}, "203.0.113.9/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", ""}, "10.0.0.1/32" + here},
		// What cannot be read does not count, least of all with the proxy's entry inside a client's quotes.
		{"10.0.0.1:1", []string{"Forwarded", `for=192.0.2.1;x="`, "Forwarded", "for=203.0.113.9"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", `for=192.0.2.1;x="\`}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "for=192.0.2.1;for=203.0.113.9"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "203.0.113.9"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9 proto=https"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "for =203.0.113.9"}, "10.0.0.1/32" + here},

		// Both, of which a proxy may hand on one as the client made it up.
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9;proto=https", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9/32 https://r.example"},
		{"10.0.0.1:1", []string{"Forwarded", "for=192.0.2.77;proto=https", "X-Forwarded-For", "203.0.113.9"}, "10.0.0.1/32" + here},
		{"10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9;proto=https", "X-Forwarded-Host", "other.example"}, "203.0.113.9/32 https://r.example"},
	} {
		if got := told(test.remote, "r.example", false, test.headers...); got != test.want {
			t.Errorf("%s %q: %s, want %s", test.remote, test.headers, got, test.want)
		}
	}
}

// The log names the client that everything else goes by.
func TestForwardedLog(t *testing.T) {
	log := new(safeBuffer)
	h, err := gate.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }), gate.Options{
		Log: logTo(log), Proxies: proxies(),
		Credentials: gate.Credentials{Passwords: file(t, "htpasswd", line(t, "ann", password, bcrypt.MinCost))},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{password, "wrong"} {
		r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		r.SetBasicAuth("ann", secret)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, message := range []string{"msg=request", "msg=panic", `msg="login failed"`} {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, message) && !strings.Contains(line, "client=203.0.113.9") {
				t.Errorf("another client is logged: %s", line)
			}
		}
		if !strings.Contains(log.String(), message) {
			t.Errorf("%s is not logged", message)
		}
	}
}

// A proxy that nobody has named breaks pushes where it speaks TLS: the log says once
// what to do. Others, who make that up, cannot fill it.
func TestUntrustedLog(t *testing.T) {
	log := new(safeBuffer)
	h := gate.Clients(http.NotFoundHandler(), proxies(), logTo(log))
	ask := func(remote string) {
		r := httptest.NewRequest(http.MethodPost, "/v2/a/blobs/uploads/", nil)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-Proto", "https")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	ask("10.0.0.1:1")
	if log.String() != "" {
		t.Errorf("of a trusted one: %s", log)
	}
	for range 3 {
		ask("198.51.100.7:1")
	}
	first := log.String()
	if strings.Count(first, "\n") != 1 || !strings.Contains(first, "198.51.100.7") || !strings.Contains(first, "https://example.com") ||
		!strings.Contains(first, "local.http_config.trusted_proxies") {
		t.Errorf("logged: %s", first)
	}
	for i := range 1000 {
		ask(fmt.Sprintf("198.51.%d.%d:1", i/250, i%250))
	}
	if lines := strings.Count(log.String(), "\n"); lines > 100 {
		t.Errorf("%d lines", lines)
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("for=203.0.113.9;proto=https", "203.0.113.9", "https", "outer.example")
	f.Add(`for="[2001:db8::1]:80";x="\"", for=_x`, "a,b", ",", "[::1]:1")
	f.Fuzz(func(t *testing.T, standard, from, scheme, host string) {
		for _, headers := range [][]string{
			{"Forwarded", standard}, {"X-Forwarded-For", from, "X-Forwarded-Proto", scheme, "X-Forwarded-Host", host},
			{"Forwarded", standard, "X-Forwarded-For", from},
		} {
			for _, remote := range []string{"10.0.0.1:1", "198.51.100.7:1"} {
				got := told(remote, "r.example", false, headers...)
				network, origin, _ := strings.Cut(got, " ")
				if _, err := netip.ParsePrefix(network); err != nil {
					t.Errorf("%q: client %s", headers, network)
				}
				if remote == "198.51.100.7:1" {
					if got != "198.51.100.7/32 http://r.example" && got != "198.51.100.7/32 http://" {
						t.Errorf("%q is believed: %s", headers, got)
					}
					continue
				}
				r, err := http.NewRequest(http.MethodGet, origin, nil)
				if err != nil || r.URL.User != nil || r.URL.Path != "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
					t.Errorf("%q: origin %s: %v", headers, origin, err)
				}
			}
		}
	})
}

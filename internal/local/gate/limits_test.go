package gate_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/local/gate"
)

func TestPaths(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "path "+r.URL.Path) }, gate.Options{})
	for target, status := range map[string]string{
		"/":                                "200",
		"/v2/":                             "200",
		"/v2/a/b/blobs/uploads/":           "200",
		"/v2/a/blobs/sha256:aa":            "200",
		"/v2/a/blobs/sha256%3Aaa":          "200",
		"/v2/a/manifests/v1.0..x":          "200",
		"/v2/.hidden":                      "200",
		"/v2/../../etc/passwd":             "400",
		"/v2/%2e%2e/%2e%2e/etc/passwd":     "400",
		"/v2/.%2E/x":                       "400",
		"/v2/a/..":                         "400",
		"/v2/a/.":                          "400",
		"/v2/./a":                          "400",
		"/v2//a":                           "400",
		"//v2/a":                           "400",
		"//":                               "400",
		"/v2/a%2fb":                        "400",
		"/v2/a%2Fb":                        "400",
		"/v2/..%2fb":                       "400",
		"/v2/%252e%252e/x":                 "400",
		`/v2/a\..\b`:                       "400",
		"/v2/%5c":                          "400",
		"/v2/a%00":                         "400",
		"/v2/a%0d%0aX:y":                   "400",
		"/v2/%ff":                          "400",
		"*":                                "400",
		"http://x/v2/../a":                 "400",
		"http://x":                         "400",
		"/v2/" + longName:                  "431",
		"/v2/" + longName[:10<<10]:         "414",
		"/v2/?n=1&last=" + longName[:9000]: "414",
	} {
		answer := raw(t, s, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if target == "*" {
			answer = raw(t, s, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		}
		if !strings.HasPrefix(answer, "HTTP/1.1 "+status) {
			t.Errorf("%.80q answers %.100q", target, answer)
		}
		if status == "400" && strings.Contains(answer, "path /") {
			t.Errorf("%.80q comes through: %.300q", target, answer)
		}
	}
	answer := raw(t, s, "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400") {
		t.Errorf("CONNECT answers %.100q", answer)
	}
}

var longName = strings.Repeat("a", 100<<10)

func TestBodies(t *testing.T) {
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
	}, gate.Options{})
	const big = 128 << 10
	for _, test := range []struct {
		method, path string
		size         int
		sized        bool
		status       int
	}{
		{"PUT", "/v2/a/blobs/uploads/1?digest=x", big, true, 200},
		{"PATCH", "/v2/a/blobs/uploads/1", big, false, 200},
		{"POST", "/v2/a/blobs/uploads/", big, true, 200},
		{"POST", "/v2/a/blobs/uploads", big, true, 200},
		{"PUT", "/v2/a/manifests/1.0", big, true, 200},
		{"PUT", "/v2/a/manifests/1.0/x", big, true, 413},
		{"GET", "/v2/a/manifests/1.0", 1 << 10, true, 200},
		{"GET", "/v2/a/manifests/1.0", big, true, 413},
		{"DELETE", "/v2/a/manifests/1.0", big, false, 418},
		{"POST", "/v2/a/tags", big, false, 418},
		{"PUT", "/blobs/uploads/", big, true, 413},
	} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", test.size))
		if !test.sized {
			body = io.MultiReader(body)
		}
		req, _ := http.NewRequest(test.method, s.URL+test.path, body)
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.status {
			t.Errorf("%s %s with %d bytes answers %d", test.method, test.path, test.size, resp.StatusCode)
		}
	}
}

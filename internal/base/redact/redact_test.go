package redact

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestURL(t *testing.T) {
	for value, want := range map[string]string{
		"":                                 "",
		"proxy.local":                      "proxy.local",
		"proxy.local:3128":                 "proxy.local:3128",
		"http://proxy.local:3128":          "http://proxy.local:3128",
		"http://proxy.local/":              "http://proxy.local/",
		"http://u:p@proxy.local:3128/":     "http://***@proxy.local:3128/",
		"https://token@host":               "https://***@host",
		"u:p@proxy.local:3128":             "***@proxy.local:3128",
		"https://hooks.example/T0/B0/tok":  "https://hooks.example/***",
		"https://host?sig=x":               "https://host?***",
		"https://host/#x":                  "https://host/***",
		"http://u@x:p@ss@host:1":           "http://***@host:1",
		"http://user:pa/ss@host":           "http://***",
		"http://user:pa ss@host":           "http://***@host",
		"https://host/path@token":          "https://***",
		"http://user:password":             "http://***",
		"http://[::1]:8080/x":              "http://[::1]:8080/***",
		"socks5://u:p@[::1]:8080":          "socks5://***@[::1]:8080",
		"user:12/3@host":                   "***",
		"not a url://u:p@h":                "***",
		"HTTPS://U:P@HOST/a?b=c#d":         "HTTPS://***@HOST/***",
		"quoted\"://user:password@host/x/": "***",
	} {
		if got := URL(value); got != want {
			t.Errorf("%q is shown as %q, not %q", value, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"nothing to hide: user:pass@host":                                 "nothing to hide: user:pass@host",
		`parse "http://u:p w@host": invalid`:                              `parse "http://***@host": invalid`,
		`Get "https://u:p@host/v2/?n=5&sig=secret&flag": EOF`:             `Get "https://***@host/v2/?n=***&sig=***&***": EOF`,
		"see https://host/a/b#frag and http://x@y/":                       "see https://host/a/b#*** and http://***@y/",
		"http://user:pa/ss@host/path":                                     "http://***@host/path",
		"https://host/repo@sha256:abc":                                    "https://host/repo@sha256:abc",
		"https://host:5000/v2/ answered 503":                              "https://host:5000/v2/ answered 503",
		"https://host/?#":                                                 "https://host/?#",
		"://":                                                             "://",
		"PATCH \"http://h/v2/a/blobs/uploads/1?_state=abc\": not allowed": "PATCH \"http://h/v2/a/blobs/uploads/1?_state=***\": not allowed",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q is shown as %q, not %q", text, got, want)
		}
	}
}

func TestValue(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"slack_token", "xoxb-1", "***"},
		{"apiKey", "k", "***"},
		{"db_passwords", "k", "***"},
		{"password_path", "/run/secrets/p", "/run/secrets/p"},
		{"endpoint", "u:p@host", "***@host"},
		{"image", "registry/app:v1@sha256:0a", "registry/app:v1@sha256:0a"},
		{"mirror", "https://u:p@host/path", "https://***@host/path"},
	} {
		if got := Value(test.name, test.value); got != test.want {
			t.Errorf("%s %q is shown as %q, not %q", test.name, test.value, got, test.want)
		}
	}
}

// The mark of a frame is below the same text whatever was hidden before it.
func TestLine(t *testing.T) {
	for _, test := range []struct {
		line, shown string
		secrets     []string
	}{
		{line: `http_proxy = "http://u:p@h:1", [x] = 1`, shown: `http_proxy = "http://***@h:1", [x] = 1`},
		{line: `hook: https://hooks.example/a/b [x]`, shown: `hook: https://hooks.example/*** [x]`},
		{line: `proxy: user:pw@host:1 [x]`, shown: `proxy: ***@host:1 [x]`},
		{line: `{"password": "hunter2", "ü": "[x]"}`, shown: `{"password": "***", "ü": "[x]"}`},
		{line: `token: str = "hunter2" # [x]`, shown: `token: str = "***" # [x]`},
		{line: `password: hunter2, with words`, shown: `password: ***`},
		{line: `password_path: /run/x [x]`, shown: `password_path: /run/x [x]`},
		{line: `_pw = "ünter2-x" + [x]`, shown: `_pw = "***" + [x]`, secrets: []string{"ünter2-x"}},
		{line: `ref: host/app:v1@sha256:00 [x]`, shown: `ref: host/app:v1@sha256:00 [x]`},
		{line: `url = "http://u:p@h/` + "`" + `x y" [x]`, shown: `url = "http://***@h/***" [x]`},
	} {
		l := LineOf(test.line, test.secrets)
		if l.Text != test.shown {
			t.Errorf("%q is shown as %q, not %q", test.line, l.Text, test.shown)
		}
		column := func(s string) int { return slices.Index([]rune(s), '[') + 1 }
		if at := column(test.line); at > 0 && strings.Contains(test.line, "[x]") {
			if from, to := l.Columns(at, at+3); from != column(test.shown) || to != from+3 {
				t.Errorf("%q: [x] at %d is marked from %d to %d", test.line, at, from, to)
			}
		}
	}
	l := LineOf(`p = "http://u:p@h/x"`, nil)
	if from, to := l.Columns(5, 21); from != 5 || to != len(l.Text)+1 {
		t.Errorf("a value that is hidden in part is marked from %d to %d in %q", from, to, l.Text)
	}
	if from, to := l.Columns(14, 15); from >= to {
		t.Errorf("a mark within what is hidden goes from %d to %d", from, to)
	}
}

// The work that a line takes grows with its length, however much of it is hidden.
func TestLongLine(t *testing.T) {
	const names = 150_000
	one := `{"token":"ü"},`
	line := strings.Repeat(one, names)
	start := time.Now()
	l := LineOf(line, nil)
	if spent := time.Since(start); spent > time.Minute {
		t.Errorf("it took %v", spent)
	}
	shown := strings.ReplaceAll(one, "ü", Mask)
	if l.Text != strings.Repeat(shown, names) {
		t.Error("something else is hidden than the values")
	}
	last := (names - 1) * utf8.RuneCountInString(one)
	if from, to := l.Columns(last+1, last+3); from != (names-1)*len(shown)+1 || to != from+2 {
		t.Errorf("the last value is marked from %d to %d", from, to)
	}
}

func TestParts(t *testing.T) {
	got := Parts("https://user:hunter-2@hooks.example/services/T00000/abc-token?sig=sig-value")
	for _, want := range []string{"hunter-2", "T00000", "abc-token", "sig-value"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not among %q", want, got)
		}
	}
	for _, not := range []string{"services", "hooks.example", "user"} {
		if slices.Contains(got, not) {
			t.Errorf("%q is among the secrets", not)
		}
	}
	if got := Parts("registry.example:5000"); len(got) > 0 {
		t.Errorf("a host is a secret: %q", got)
	}
}

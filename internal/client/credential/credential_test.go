package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// storeOf returns a store whose config.json has a text.
func storeOf(t *testing.T, text string) Store {
	t.Helper()
	s := Store{File: filepath.Join(t.TempDir(), "docker", "config.json"), Helper: 10 * time.Second}
	if text != "" {
		if err := os.MkdirAll(filepath.Dir(s.File), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.File, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// helperIs puts the shell script docker-credential-fake on the PATH. It finds a
// directory for its use in $KEYS.
func helperIs(t *testing.T, script string) (keys string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		testtool.Skip(t, "the helper is a shell script")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-fake"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("KEYS", dir)
	return dir
}

// keychain is a helper that works: one file for each key.
const keychain = `
case $1 in
store) text=$(cat); key=$(echo "$text" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr /: __); echo "$text" > "$KEYS/$key.json" ;;
get) key=$(cat | tr /: __); [ -f "$KEYS/$key.json" ] && cat "$KEYS/$key.json" || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) key=$(cat | tr /: __); rm "$KEYS/$key.json" ;;
esac
`

func TestKeys(t *testing.T) {
	for _, test := range []struct {
		scheme, host, port string
		want               []string
	}{
		{"https", "Registry.example", "443", []string{"registry.example", "registry.example:443"}},
		{"http", "registry.example", "443", []string{"registry.example:443"}},
		{"http", "registry.example", "80", []string{"registry.example", "registry.example:80"}},
		{"https", "registry.example", "5000", []string{"registry.example:5000"}},
		{"https", "registry.example", "", []string{"registry.example"}},
		{"http", "::1", "5000", []string{"[::1]:5000"}},
		{"https", "docker.io", "443", []string{hub, "docker.io", "index.docker.io", "registry-1.docker.io"}},
		{"https", "registry-1.docker.io", "443", []string{hub, "docker.io", "index.docker.io", "registry-1.docker.io"}},
	} {
		if got := Keys(test.scheme, test.host, test.port); !slices.Equal(got, test.want) {
			t.Errorf("%s %s %s: got %q, want %q", test.scheme, test.host, test.port, got, test.want)
		}
	}
}

func TestGetFromFile(t *testing.T) {
	const auth = `"auth": "bWU6cGE6c3M="` // me:pa:ss
	me := Credential{Username: "me", Password: "pa:ss"}
	for name, test := range map[string]struct {
		text, host, port string
		want             Credential
	}{
		"no file":                {"", "r.example", "443", Credential{}},
		"blank file":             {" \n", "r.example", "443", Credential{}},
		"no auths":               {`{"auths": null}`, "r.example", "443", Credential{}},
		"host":                   {`{"auths": {"r.example": {` + auth + `}}}`, "r.example", "443", me},
		"host and default port":  {`{"auths": {"r.example:443": {` + auth + `}}}`, "r.example", "443", me},
		"another port":           {`{"auths": {"r.example": {` + auth + `}}}`, "r.example", "5000", Credential{}},
		"port":                   {`{"auths": {"r.example:5000": {` + auth + `}}}`, "r.example", "5000", me},
		"another host":           {`{"auths": {"evil-r.example": {` + auth + `}}}`, "r.example", "443", Credential{}},
		"URL of older tools":     {`{"auths": {"https://r.example/v1/": {` + auth + `}}}`, "r.example", "443", me},
		"exact before URL":       {`{"auths": {"https://r.example/v1/": {"auth": "eDp5"}, "r.example": {` + auth + `}}}`, "r.example", "443", me},
		"capital letters":        {`{"auths": {"R.example": {` + auth + `}}}`, "r.Example", "443", me},
		"Docker Hub":             {`{"auths": {"https://index.docker.io/v1/": {` + auth + `}}}`, "registry-1.docker.io", "443", me},
		"Docker Hub's alias":     {`{"auths": {"docker.io": {` + auth + `}}}`, "index.docker.io", "443", me},
		"empty entry":            {`{"auths": {"r.example": {}}}`, "r.example", "443", Credential{}},
		"entry without password": {`{"auths": {"r.example": {"auth": "bWU6"}}}`, "r.example", "443", Credential{}},
		"empty, then full":       {`{"auths": {"r.example": {}, "r.example:443": {` + auth + `}}}`, "r.example", "443", me},
		"user and password":      {`{"auths": {"r.example": {"username": "me", "password": "pa:ss"}}}`, "r.example", "443", me},
		"empty helper":           {`{"credHelpers": {"r.example": ""}, "auths": {"r.example": {` + auth + `}}}`, "r.example", "443", me},
		"identity token": {`{"auths": {"r.example": {"auth": "MDAwOg==", "identitytoken": "id"}}}`, "r.example", "443",
			Credential{Username: "000", IdentityToken: "id"}},
		"registry token": {`{"auths": {"r.example": {"registrytoken": "reg"}}}`, "r.example", "443", Credential{RegistryToken: "reg"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := storeOf(t, test.text)
			got, from, err := s.Get(t.Context(), Keys("https", test.host, test.port))
			if err != nil || got != test.want {
				t.Errorf("got %q %q %q %q, %v", got.Username, got.Password, got.IdentityToken, got.RegistryToken, err)
			}
			if (from == s.File) == test.want.IsEmpty() {
				t.Errorf("it is from %q", from)
			}
		})
	}
}

func TestUnusableFiles(t *testing.T) {
	for name, text := range map[string]string{
		"broken":       `{"auths": {`,
		"no object":    `[]`,
		"auths":        `{"auths": []}`,
		"auth":         `{"auths": {"r.example": {"auth": "c3VwZXJzZWNyZXQ"}}}`, // not padded
		"no colon":     `{"auths": {"r.example": {"auth": "c3VwZXJzZWNyZXQh"}}}`,
		"store a path": `{"credsStore": "../../bin/x"}`,
		"no helper":    `{"credsStore": "is-not-installed"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := storeOf(t, text)
			_, _, err := s.Get(t.Context(), []string{"r.example"})
			wantFault(t, err, diag.CredentialUnread, s.File)
			if strings.Contains(err.Error(), "supersecret") || strings.Contains(err.Error(), "c3VwZX") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
	dir := storeOf(t, "")
	if err := os.MkdirAll(dir.File, 0o700); err != nil { // a directory cannot be read, by root neither
		t.Fatal(err)
	}
	_, _, err := dir.Get(t.Context(), []string{"r.example"})
	wantFault(t, err, diag.CredentialUnread, dir.File)
}

func wantFault(t *testing.T, err error, code diag.Code, file string) {
	t.Helper()
	d, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok || d.Code != code || d.Hint == "" {
		t.Fatalf("got %v, want %s with a hint", err, code)
	}
	if !strings.Contains(d.Message+d.Hint, file) {
		t.Errorf("%q (%q) does not name %s", d.Message, d.Hint, file)
	}
}

func TestHelperThatMisbehaves(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"fails":             {"echo 'the keychain is locked' >&2; exit 3", "exit status 3: the keychain is locked"},
		"fails on stdout":   {"echo 'no such vault'; exit 1", "no such vault"},
		"hangs":             {"exec sleep 60", "no answer within"},
		"waits for a child": {"sleep 60 & wait", "no answer within"},
		"says nothing":      {"exit 0", "not JSON"},
		"says another":      {"echo topsecret", "not JSON"},
		"answers and dies":  {`echo '{"Secret":"topsecret"}'; exit 1`, "exit status 1"},
		"floods":            {`while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done`, "no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			helperIs(t, test.script)
			s := storeOf(t, `{"credsStore": "fake"}`)
			s.Helper = 300 * time.Millisecond
			if !strings.Contains(test.want, "no answer") {
				s.Helper = 30 * time.Second
			}
			_, _, err := s.Get(t.Context(), []string{"r.example"})
			wantFault(t, err, diag.CredentialUnread, "docker-credential-fake")
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "topsecret") || len(err.Error()) > 3000 {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestHelper(t *testing.T) {
	for name, text := range map[string]string{
		"store":                       `{"credsStore": "fake"}`,
		"helper":                      `{"credHelpers": {"r.example": "fake"}}`,
		"helper before store":         `{"credsStore": "is-not-installed", "credHelpers": {"r.example": "fake"}}`,
		"helper before a stale entry": `{"auths": {"r.example": {"auth": "eDp5"}}, "credHelpers": {"r.example": "fake"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			helperIs(t, keychain)
			s, keys := storeOf(t, text), []string{"r.example"}
			where, plain, err := s.Put(t.Context(), keys, Credential{Username: "me", Password: "top\"secret"})
			if err != nil || where != "docker-credential-fake" || plain {
				t.Fatalf("stored in %s, %v: %v", where, plain, err)
			}
			data, _ := os.ReadFile(s.File)
			if strings.Contains(string(data), `"auth"`) || !strings.Contains(string(data), `"r.example": {}`) && !strings.Contains(string(data), `"r.example":{}`) {
				t.Errorf("the file has %s", data)
			}
			c, from, err := s.Get(t.Context(), keys)
			if err != nil || from != where || c != (Credential{Username: "me", Password: "top\"secret"}) {
				t.Errorf("got it from %s: %v", from, err)
			}
			for _, there := range []bool{true, false} {
				if found, err := s.Erase(t.Context(), keys); err != nil || found != there {
					t.Errorf("erased: %v, %v, want %v", found, err, there)
				}
			}
			if c, _, err := s.Get(t.Context(), keys); err != nil || !c.IsEmpty() {
				t.Errorf("after it was erased: %v", err)
			}
		})
	}
}

func TestIdentityTokenOfHelper(t *testing.T) {
	helperIs(t, `echo '{"ServerURL":"r.example","Username":"<token>","Secret":"id"}'`)
	c, _, err := storeOf(t, `{"credsStore": "fake"}`).Get(t.Context(), []string{"r.example"})
	if err != nil || c != (Credential{IdentityToken: "id"}) {
		t.Errorf("got another: %v", err)
	}
}

// Entries of the file count where the helper has none, as those that were there
// before it was set up.
func TestFileAfterHelper(t *testing.T) {
	helperIs(t, keychain)
	c, from, err := storeOf(t, `{"credsStore": "fake", "auths": {"r.example": {"auth": "eDp5"}}}`).Get(t.Context(), []string{"r.example"})
	if err != nil || c.Username != "x" || filepath.Base(from) != "config.json" {
		t.Errorf("got it from %s: %v", from, err)
	}
}

func TestPutAndEraseInFile(t *testing.T) {
	const stored = `{
			"auth": "bWU6cHc="
		}`
	for name, test := range map[string]struct{ before, after, erased string }{
		"no file": {"", "{\n\t\"auths\": {\n\t\t\"r.example\": " + stored + "\n\t}\n}\n", "{\n\t\"auths\": {}\n}\n"},
		"one line": {`{"b":1,"auths":{"x":{}},"a":[ 1,2 ]}`, `{"b":1,"auths":{"x":{},"r.example": {"auth":"bWU6cHc="}},"a":[ 1,2 ]}`,
			`{"b":1,"auths":{"x":{}},"a":[ 1,2 ]}`},
		"empty": {`{}`, `{"auths": {"r.example": {"auth":"bWU6cHc="}}}`, `{"auths": {}}`},
		"null":  {`{"auths":null}`, `{"auths":{"r.example": {"auth":"bWU6cHc="}}}`, `{"auths":{}}`},
		"unknown fields": {
			"{\n  \"HttpHeaders\": {\"a\": 1.50, \"b\": \"\\u003c\"},\n  \"auths\": {\n    \"x\": {\"auth\": \"eDp5\", \"email\": \"m\"}\n  },\n  \"z\":null }",
			"{\n  \"HttpHeaders\": {\"a\": 1.50, \"b\": \"\\u003c\"},\n  \"auths\": {\n    \"x\": {\"auth\": \"eDp5\", \"email\": \"m\"},\n\t\t\"r.example\": " + stored + "\n  },\n  \"z\":null }",
			"{\n  \"HttpHeaders\": {\"a\": 1.50, \"b\": \"\\u003c\"},\n  \"auths\": {\n    \"x\": {\"auth\": \"eDp5\", \"email\": \"m\"}\n  },\n  \"z\":null }",
		},
		"replaces": {"{\"auths\": {\n\"r.example\": {\"auth\": \"b2xkOm9sZA==\"}, \"x\": {}}}", "{\"auths\": {\n\"r.example\": " + stored + ", \"x\": {}}}", "{\"auths\": {\n\"x\": {}}}"},
		"other names": {`{"auths":{"https://r.example/v2/":{"auth":"b2xkOm9sZA=="},"r.example:443":{},"r.example:5000":{"auth":"eDp5"}}}`,
			`{"auths":{"r.example:5000":{"auth":"eDp5"},"r.example": {"auth":"bWU6cHc="}}}`, `{"auths":{"r.example:5000":{"auth":"eDp5"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, keys := storeOf(t, test.before), Keys("https", "r.example", "443")
			where, plain, err := s.Put(t.Context(), keys, Credential{Username: "me", Password: "pw"})
			if err != nil || where != s.File || !plain {
				t.Fatalf("stored in %s, %v: %v", where, plain, err)
			}
			wantFile(t, s.File, test.after)
			if c, _, err := s.Get(t.Context(), keys); err != nil || c != (Credential{Username: "me", Password: "pw"}) {
				t.Errorf("got another: %v", err)
			}
			if found, err := s.Erase(t.Context(), keys); !found || err != nil {
				t.Errorf("erased: %v, %v", found, err)
			}
			wantFile(t, s.File, test.erased)
			if found, err := s.Erase(t.Context(), keys); found || err != nil {
				t.Errorf("erased again: %v, %v", found, err)
			}
			if rest, _ := os.ReadDir(filepath.Dir(s.File)); len(rest) != 1 {
				t.Errorf("left behind: %v", rest)
			}
		})
	}
}

func wantFile(t *testing.T, name, want string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil || string(data) != want {
		t.Errorf("%v, the file has\n%s\nwant\n%s", err, data, want)
	}
	if !json.Valid(data) {
		t.Error("it is no JSON")
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

func TestLinkStaysOne(t *testing.T) {
	s := storeOf(t, "{}")
	real := filepath.Join(t.TempDir(), "real.json")
	if err := os.Rename(s.File, real); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, s.File); err != nil {
		testtool.Skip(t, fmt.Sprint("no symbolic links: ", err))
	}
	if _, _, err := s.Put(t.Context(), []string{"r.example"}, Credential{Username: "me", Password: "pw"}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(s.File); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	wantFile(t, real, `{"auths": {"r.example": {"auth":"bWU6cHc="}}}`)
}

// A link that leads to nothing yet stays one, and is written through.
func TestDanglingLink(t *testing.T) {
	s := storeOf(t, "")
	real := filepath.Join(t.TempDir(), "dotfiles", "real.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.File), 0o700), os.Symlink(real, s.File)); err != nil {
		testtool.Skip(t, fmt.Sprint("no symbolic links: ", err))
	}
	if _, _, err := s.Put(t.Context(), []string{"r.example"}, Credential{Username: "me", Password: "pw"}); err != nil {
		t.Fatal(err)
	}
	if link, err := os.Readlink(s.File); err != nil || link != real {
		t.Errorf("the link is %q, %v", link, err)
	}
	wantFile(t, real, "{\n\t\"auths\": {\n\t\t\"r.example\": {\n\t\t\t\"auth\": \"bWU6cHc=\"\n\t\t}\n\t}\n}\n")
}

// Who logs in and out at once loses nothing of the others.
func TestPutAtOnce(t *testing.T) {
	s := storeOf(t, `{"auths": {}}`)
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			if _, _, err := s.Put(t.Context(), []string{fmt.Sprint("r", i)}, Credential{Username: "me", Password: "pw"}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range 12 {
		if c, _, err := s.Get(t.Context(), []string{fmt.Sprint("r", i)}); err != nil || c.Password != "pw" {
			t.Errorf("the login to r%d is lost: %v", i, err)
		}
	}
	for i := range 12 {
		group.Go(func() {
			if found, err := s.Erase(t.Context(), []string{fmt.Sprint("r", i)}); !found || err != nil {
				t.Errorf("r%d: %v, %v", i, found, err)
			}
		})
	}
	group.Wait()
	wantFile(t, s.File, `{"auths": {}}`)
	if rest, _ := os.ReadDir(filepath.Dir(s.File)); len(rest) != 1 {
		t.Errorf("left behind: %v", rest)
	}
}

// What another program writes while a helper is at work stays.
func TestChangeDuringHelper(t *testing.T) {
	s := storeOf(t, `{"credsStore": "fake"}`)
	t.Setenv("FILE", s.File)
	helperIs(t, `cat >/dev/null; echo '{"credsStore": "fake", "auths": {"other": {}}}' > "$FILE"`)
	if _, _, err := s.Put(t.Context(), []string{"r.example"}, Credential{Username: "me", Password: "pw"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.File)
	if err != nil || !strings.Contains(string(data), `"other"`) || !strings.Contains(string(data), `"r.example"`) {
		t.Errorf("%s (%v)", data, err)
	}
}

// What a login left that was killed, with its password, goes with the next login or
// logout, whatever that finds.
func TestKilledPut(t *testing.T) {
	keys := []string{"r.example"}
	for name, next := range map[string]func(Store) error{
		"login": func(s Store) error {
			_, _, err := s.Put(t.Context(), keys, Credential{Username: "me", Password: "pw"})
			return err
		},
		"logout":         func(s Store) error { _, err := s.Erase(t.Context(), []string{"other"}); return err },
		"logout of none": func(s Store) error { _, err := s.Erase(t.Context(), keys); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s := storeOf(t, `{"auths": {"other": {}}}`)
			dir := filepath.Dir(s.File)
			for _, left := range []string{".config.json.new", ".config.json.guard"} {
				if err := os.WriteFile(filepath.Join(dir, left), []byte("secret"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := next(s); err != nil {
				t.Fatal(err)
			}
			if rest, _ := os.ReadDir(dir); len(rest) != 1 {
				t.Errorf("left behind: %v", rest)
			}
		})
	}
}

// A file that each reader may read differently is not edited: what an edit misses
// would stay there.
func TestAmbiguousFile(t *testing.T) {
	for name, text := range map[string]string{
		"auths twice":   `{"auths": {"r.example": {"auth": "eDp5"}}, "auths": {}}`,
		"other letters": `{"Auths": {"r.example": {"auth": "eDp5"}}}`,
		"entry twice":   `{"auths": {"r.example": {"auth": "eDp5"}, "r.example": {}}}`,
		"helpers twice": `{"credHelpers": {"r.example": "fake"}, "credHelpers": {}}`,
		"store":         `{"CredsStore": "fake"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, keys := storeOf(t, text), []string{"r.example"}
			_, _, err := s.Put(t.Context(), keys, Credential{Username: "me", Password: "pw"})
			wantFault(t, err, diag.CredentialUnread, s.File)
			_, err = s.Erase(t.Context(), keys)
			wantFault(t, err, diag.CredentialUnread, s.File)
			if data, _ := os.ReadFile(s.File); string(data) != text {
				t.Errorf("the file has %s", data)
			}
		})
	}
}

// What a helper answers counts, even if something that it started lives on.
func TestHelperThatLeavesAChild(t *testing.T) {
	helperIs(t, `sleep 60 & echo $! > "$CHILD"; echo '{"Username":"me","Secret":"pw"}'`)
	child := filepath.Join(t.TempDir(), "child")
	t.Setenv("CHILD", child)
	c, _, err := storeOf(t, `{"credsStore": "fake"}`).Get(t.Context(), []string{"r.example"})
	if err != nil || c != (Credential{Username: "me", Password: "pw"}) {
		t.Errorf("got another: %v", err)
	}
	var pid int
	text, _ := os.ReadFile(child)
	_, _ = fmt.Sscan(string(text), &pid)
	if p, err := os.FindProcess(pid); pid > 0 && err == nil {
		_ = p.Kill()
	}
}

func TestCredentialIsHidden(t *testing.T) {
	c := Credential{Username: "me", Password: "pw"}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(text, "pw") {
		t.Error(text)
	}
}

// Whatever the file holds, an edit leaves JSON with everything else in it.
func FuzzEdit(f *testing.F) {
	for _, text := range []string{`{}`, `{"auths":{"a":{}}}`, "{\n\"auths\" : null , \"x\":[{}]}", `{"auths":{"r":1,"r":2}}`, `{"auths":{},"auths":{"x":1}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before map[string]json.RawMessage
		if json.Unmarshal(data, &before) != nil || before == nil || (Store{}).unambiguous(data) != nil {
			return
		}
		set, err := setMember(data, "auths", "r", []byte(`{"auth":"x"}`))
		if err != nil {
			return
		}
		var after map[string]json.RawMessage
		if err := json.Unmarshal(set, &after); err != nil {
			t.Fatalf("%v: %s", err, set)
		}
		for name, value := range before {
			if name != "auths" && string(after[name]) != string(value) {
				t.Errorf("%s is %s, was %s", name, after[name], value)
			}
		}
		var auths map[string]entry
		if json.Unmarshal(after["auths"], &auths) == nil && auths["r"].Auth != "x" {
			t.Errorf("not set: %s", set)
		}
		removed, err := removeMember(set, "auths", "r")
		if err != nil || !json.Valid(removed) {
			t.Fatalf("%v: %s", err, removed)
		}
		var rest struct{ Auths map[string]json.RawMessage }
		if json.Unmarshal(removed, &rest) == nil && rest.Auths["r"] != nil {
			t.Errorf("not removed: %s", removed)
		}
	})
}

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
)

// A registry whose token server the config does not name gets no credentials, and
// the error says who wanted them and what to write if that is right.
func TestTokenServerOnAnotherHost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer realm="https://tokens.example/token",service="r"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "registry.yaml")
	text := fmt.Sprintf(`{deployment: remote, type: harbor, endpoint: 127.0.0.1, port: %s, username: me, password_path: password, remote: {retries: 0}}`, at.Port())
	for name, text := range map[string]string{config: text, filepath.Join(dir, "password"): "s3cret-word"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	code := (&app{stdin: strings.NewReader(""), stdout: newTerminal(&stdout), stderr: newTerminal(&stderr)}).run(t.Context(), []string{"ls", "-f", config})
	if code != diag.ExitAuth {
		t.Errorf("it exits with %d", code)
	}
	for _, want := range []string{"error[token-server]", "shown to tokens.example", `set remote.token_server to "tokens.example"`, "attribute: username"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q is not in\n%s", want, stderr.String())
		}
	}
}

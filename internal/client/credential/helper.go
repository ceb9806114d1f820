package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
)

// helper is a program that keeps credentials in a keychain.
// https://github.com/docker/docker-credential-helpers
type helper struct {
	name string // the program, docker-credential-X
	file string // which names it
	time time.Duration
}

// secret is what a helper reads and writes.
type secret struct {
	ServerURL string
	Username  string
	Secret    string
}

// tokenUser is the user name of an identity token.
const tokenUser = "<token>"

// maxOutput bounds what is taken of a helper, in bytes.
const maxOutput = 1 << 20

// helperOf returns the program that keeps the credentials of a key, or nil when
// the file itself does. An empty name is no helper, as in Docker.
func (s Store) helperOf(doc document, key string) *helper {
	name, ok := doc.Helpers[key]
	if !ok {
		name = doc.Store
	}
	if name == "" {
		return nil
	}
	return &helper{name: "docker-credential-" + name, file: s.File, time: s.Helper}
}

// get returns the credential of a key; an empty one when the helper has none.
func (h *helper) get(ctx context.Context, key string) (Credential, error) {
	out, err := h.run(ctx, "get", []byte(key))
	if missing(err) {
		return Credential{}, nil
	}
	if err != nil {
		return Credential{}, err
	}
	var s secret
	if err := json.Unmarshal(out, &s); err != nil { // without what it says, which may be a secret
		return Credential{}, diag.Errorf(diag.CredentialUnread, "%s answers with something that is not JSON", h.name).
			WithHint("try: echo %s | %s get", key, h.name)
	}
	if s.Username == tokenUser {
		return Credential{IdentityToken: s.Secret}, nil
	}
	return Credential{Username: s.Username, Password: s.Secret}, nil
}

func (h *helper) store(ctx context.Context, key string, c Credential) error {
	data, err := json.Marshal(secret{ServerURL: key, Username: c.Username, Secret: c.Password})
	if err != nil {
		return err
	}
	_, err = h.run(ctx, "store", data)
	return err
}

// erase removes the credential of a key. None there is no error.
func (h *helper) erase(ctx context.Context, key string) error {
	_, err := h.run(ctx, "erase", []byte(key))
	if missing(err) {
		return nil
	}
	return err
}

// failure is what a helper ended with.
type failure struct {
	cause    error
	out, log string // its standard output and standard error, bounded
}

func (f *failure) Error() string {
	text := f.cause.Error()
	for _, said := range []string{f.out, f.log} {
		// What looks like an answer rather than a message may hold the secret.
		if said = strings.TrimSpace(said); said != "" && said[0] != '{' {
			text += ": " + said
		}
	}
	return text
}

func (f *failure) Unwrap() error { return f.cause }

// missing reports whether a helper said that it has no such credential, which
// all helpers say in these words, on standard output.
func missing(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && strings.Contains(strings.ToLower(f.out), "credentials not found")
}

func (h *helper) run(ctx context.Context, action string, input []byte) ([]byte, error) {
	if strings.ContainsAny(h.name, `/\`) {
		return nil, diag.Errorf(diag.CredentialUnread, "%s names the credential helper %q, which is a path", h.file, h.name).
			WithHint("credsStore and credHelpers hold what comes after docker-credential- in a program's name")
	}
	program, err := exec.LookPath(h.name)
	if err != nil {
		return nil, diag.Errorf(diag.CredentialUnread, "%s, which %s names, cannot be run: %w", h.name, h.file, err).
			WithHint("install it, or remove it from credsStore and credHelpers of %s", h.file)
	}
	timed, cancel := context.WithTimeout(ctx, h.time)
	defer cancel()
	var out, log bounded
	cmd := exec.CommandContext(timed, program, action)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &log
	cmd.WaitDelay = time.Second // what it has started may hold the pipes
	if err = cmd.Run(); errors.Is(err, exec.ErrWaitDelay) {
		return out.Bytes(), nil // it has succeeded, and said all that it had to say
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case timed.Err() != nil:
		err = fmt.Errorf("no answer within %v", h.time)
	case err == nil:
		return out.Bytes(), nil
	}
	f := &failure{err, brief(out.String()), brief(log.String())}
	return nil, diag.Errorf(diag.CredentialUnread, "%s %s failed: %w", h.name, action, f).
		WithHint("try it by hand; or remove it from credsStore and credHelpers of %s", h.file)
}

// brief shortens what a helper says.
func brief(s string) string {
	const most = 1000
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// bounded keeps the first maxOutput bytes that are written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), maxOutput-b.Len())
	_, _ = b.Buffer.Write(p[:keep]) // never fails
	return len(p), nil
}

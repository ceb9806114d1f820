package distribution

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/engine"
	"github.com/berth-oci/berth/internal/resolve"
)

// maxPassword is in bytes: bcrypt sees no more.
const maxPassword = 72

func htpasswdFile(t *resolve.Target) string { return filepath.Join(t.Local.DataDir, "htpasswd") }

// checkPassword reads the password to see that it can be used, and forgets it.
func checkPassword(t *resolve.Target) diag.List {
	if !t.Auth.Required || !t.Auth.Password.IsSet() {
		return nil
	}
	if strings.ContainsAny(t.Auth.Username, ":\r\n") {
		return diag.List{t.Fault(diag.ConfigConflict, "username", "the user name %q cannot be used for basic authentication", t.Auth.Username).
			WithHint("take the colon or line break out (RFC 7617)")}
	}
	password, err := t.Auth.Password.Read()
	if err != nil {
		d := asDiagnostic(err).At(t.At("password_path"))
		d.Path = "password_path"
		return diag.List{d}
	}
	if len(password) > maxPassword {
		return diag.List{t.Fault(diag.CredentialUnread, "password_path", "the password in %s is longer than %d bytes", t.Auth.Password.File(), maxPassword).
			WithHint("shorten it: bcrypt, which the registry's password file uses, takes no more")}
	}
	return nil
}

// writeHtpasswd makes the registry's password file, unless the one that is
// there already fits: hashing again would change it for nothing.
func writeHtpasswd(t *resolve.Target) error {
	password, err := t.Auth.Password.Read()
	if err != nil {
		return err
	}
	if htpasswdFits(t) {
		return nil
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return diag.Errorf(diag.Failed, "cannot hash the password: %w", err)
	}
	return engine.WriteFile(htpasswdFile(t), []byte(t.Auth.Username+":"+string(hash)+"\n"), 0o600)
}

// htpasswdFits reports whether the password file has the user and password that
// the config names.
func htpasswdFits(t *resolve.Target) bool {
	password, err := t.Auth.Password.Read()
	if err != nil {
		return false
	}
	data, err := os.ReadFile(htpasswdFile(t))
	return err == nil && fits(string(data), t.Auth.Username, password)
}

// fits reports whether a password file holds this user and nobody else.
func fits(file, username, password string) bool {
	user, hash, ok := strings.Cut(strings.TrimSuffix(file, "\n"), ":")
	return ok && user == username && bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

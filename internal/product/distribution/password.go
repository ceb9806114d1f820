package distribution

import (
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/atomicfile"
	"github.com/berth-oci/berth/internal/regular"
	"github.com/berth-oci/berth/internal/resolve"
)

// maxPassword is in bytes: bcrypt sees no more.
const maxPassword = 72

// hasHtpasswd reports whether the registry has a password file.
func hasHtpasswd(t *resolve.Target) bool {
	return t.Auth.Required && (t.Auth.Password.IsSet() || t.Local.Htpasswd != "")
}

// makesHtpasswd reports whether that file is berth's to make.
func makesHtpasswd(t *resolve.Target) bool { return hasHtpasswd(t) && t.Local.Htpasswd == "" }

func htpasswdFile(t *resolve.Target) string {
	if t.Local.Htpasswd != "" {
		return t.Local.Htpasswd
	}
	return filepath.Join(t.Local.DataDir, "htpasswd")
}

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
		return diag.List{at(t, "password_path", err)}
	}
	if len(password) > maxPassword {
		return diag.List{t.Fault(diag.CredentialUnread, "password_path", "the password in %s is longer than %d bytes", t.Auth.Password.File(), maxPassword).
			WithHint("shorten it: bcrypt, which the registry's password file uses, takes no more")}
	}
	return nil
}

// checkHtpasswd reads a password file that is not berth's. The registry knows
// bcrypt alone, and would let nobody in by another hash without saying why.
func checkHtpasswd(t *resolve.Target) (faults diag.List) {
	name := t.Local.Htpasswd
	if !t.Auth.Required || name == "" {
		return nil
	}
	fault := func(hint, format string, args ...any) {
		faults = append(faults, t.Fault(diag.CredentialUnread, "local.htpasswd_path", format, args...).WithHint("%s", hint))
	}
	data, err := regular.ReadSmall(name)
	if err != nil {
		fault("create it with htpasswd -cB, readable only by you (chmod 600)", "cannot read the password file: %w", err)
		return faults
	}
	users := map[string]bool{}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		users[user] = true
		switch _, err := bcrypt.Cost([]byte(hash)); {
		case !ok || user == "":
			fault("each line is a user name, a colon and a bcrypt hash, as htpasswd -B writes it", "%s:%d: not a user and a hash", name, n)
		case err != nil:
			fault("make it again with htpasswd -B", "%s:%d: not a bcrypt hash: the registry would not let this user in", name, n)
		}
	}
	switch user := t.Auth.Username; {
	case len(users) == 0:
		fault("add a user with htpasswd -B", "%s has no users", name)
	case user != "" && !users[user]:
		fault("add the user with htpasswd -B, or correct username", "%s has no user %q, which username names", name, user)
	}
	return faults
}

// checkTokens reads the tokens to see that clients can send them (RFC 6750,
// section 2.1), and forgets them.
func checkTokens(t *resolve.Target) diag.List {
	if !t.Auth.Required || !t.Auth.Token.IsSet() {
		return nil
	}
	tokens, err := t.Auth.Token.Lines()
	if err != nil {
		return diag.List{at(t, "auth_token_path", err)}
	}
	for _, token := range tokens {
		if !isToken(token) {
			return diag.List{t.Fault(diag.CredentialUnread, "auth_token_path", "%s holds what is no bearer token", t.Auth.Token.File()).
				WithHint("write one token a line, of letters, digits and any of -._~+/ with = at the end; openssl rand -hex 32 makes one")}
		}
	}
	return nil
}

func isToken(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-._~+/", r)
	})
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
	return atomicfile.Write(htpasswdFile(t), []byte(t.Auth.Username+":"+string(hash)+"\n"), 0o600)
}

// htpasswdFits reports whether the password file has the user and password that
// the config names.
func htpasswdFits(t *resolve.Target) bool {
	password, err := t.Auth.Password.Read()
	if err != nil {
		return false
	}
	data, err := regular.ReadSmall(htpasswdFile(t))
	return err == nil && fits(string(data), t.Auth.Username, password)
}

// fits reports whether a password file holds this user and nobody else.
func fits(file, username, password string) bool {
	user, hash, ok := strings.Cut(strings.TrimSuffix(file, "\n"), ":")
	return ok && user == username && bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

package distribution

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/access"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/config/resolve"
)

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

// password reads the password for the registry's password file. The error says
// what is wrong with it.
func password(t *resolve.Target) (string, error) {
	text, err := t.Auth.Password.Read()
	if err != nil {
		return "", at(t, "password_path", err)
	}
	if err := access.CheckPassword(text); err != nil {
		hint := "write one line of plain text, without byte order mark and control characters: clients do not send them (RFC 7617)"
		if len(text) > access.MaxPassword {
			hint = "shorten it: bcrypt, which the registry's password file uses, takes no more"
		}
		return "", t.Fault(diag.CredentialUnread, "password_path", "the password in %s %w", t.Auth.Password.File(), err).WithHint("%s", hint)
	}
	return text, nil
}

// checkPassword reads the password to see that it can be used, and forgets it.
func checkPassword(t *resolve.Target) diag.List {
	if !t.Auth.Required || !t.Auth.Password.IsSet() {
		return nil
	}
	if _, err := password(t); err != nil {
		return diag.List{at(t, "password_path", err)}
	}
	if name := htpasswdFile(t); makesHtpasswd(t) && hasOthers(name) {
		return diag.List{t.Fault(diag.FileExists, "password_path", "%s has more than one user, and was not written by berth", name).
			WithHint("let htpasswd_path name it, or move it away: berth would replace it by one with the user of password_path")}
	}
	return nil
}

// hasOthers reports whether a password file has more lines than one of berth's: a
// user would miss them.
func hasOthers(name string) bool {
	data, err := regular.ReadSmall(name)
	return err == nil && bytes.Contains(bytes.TrimSpace(data), []byte("\n"))
}

// checkHtpasswd reads a password file that is not berth's.
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
	users, wrong := access.Users(string(data))
	for _, f := range wrong {
		fault(f.Hint, "%s:%d: %s", name, f.Line, f.Problem)
	}
	isThere := func(u access.User) bool { return u.Name == t.Auth.Username }
	switch user := t.Auth.Username; {
	case len(users)+len(wrong) == 0:
		fault("add a user with htpasswd -B", "%s has no users", name)
	case user != "" && !slices.ContainsFunc(users, isThere):
		fault("add the user with htpasswd -B, or correct username", "%s has no user %q, which username names", name, user)
	}
	return faults
}

// checkTokens reads the tokens to see that clients can send them, and forgets them.
func checkTokens(t *resolve.Target) diag.List {
	if !t.Auth.Required || !t.Auth.Token.IsSet() {
		return nil
	}
	lines, err := t.Auth.Token.Lines()
	if err != nil {
		return diag.List{at(t, "auth_token_path", err)}
	}
	if _, faults := access.Tokens(strings.Join(lines, "\n")); len(faults) > 0 {
		return diag.List{t.Fault(diag.CredentialUnread, "auth_token_path", "%s holds what is %s", t.Auth.Token.File(), faults[0].Problem).
			WithHint("%s", faults[0].Hint)}
	}
	return nil
}

// writeHtpasswd makes the registry's password file, unless the one that is
// there already fits: hashing again would change it for nothing.
func writeHtpasswd(t *resolve.Target) error {
	text, err := password(t)
	if err != nil {
		return err
	}
	if htpasswdFits(t) {
		return nil
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(text), bcrypt.DefaultCost)
	if err != nil {
		return diag.Errorf(diag.Failed, "cannot hash the password: %w", err)
	}
	return atomicfile.Write(htpasswdFile(t), []byte(t.Auth.Username+":"+string(hash)+"\n"), 0o600)
}

// htpasswdFits reports whether the password file has the user and password that
// the config names, and nobody else.
func htpasswdFits(t *resolve.Target) bool {
	text, err := password(t)
	if err != nil {
		return false
	}
	data, err := regular.ReadSmall(htpasswdFile(t))
	if err != nil {
		return false
	}
	users, wrong := access.Users(string(data))
	return len(users) == 1 && len(wrong) == 0 && users[0].Name == t.Auth.Username &&
		bcrypt.CompareHashAndPassword([]byte(users[0].Hash), []byte(text)) == nil
}

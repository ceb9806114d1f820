package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"

	"github.com/berth-oci/berth/internal/base/access"
	"github.com/berth-oci/berth/internal/base/oci"
)

// Credentials says who may use a registry. Without either file everyone may.
type Credentials struct {
	// Passwords is a file as access.Users reads it.
	Passwords string
	// Tokens is a file as access.Tokens reads it. A token is sent as Bearer, or as
	// the password of any user name: docker login knows nothing else.
	Tokens string
	// Realm is what clients may show when they ask for a password; "" is berth.
	Realm string
}

// Auth lets only requests through that carry credentials, whatever their method
// and path, and tells later handlers who it is: see User. The others get a 401.
//
// Both files are looked at when a request comes, at most once a second, and read
// again when they have changed; see watched for what is in force when a file is
// gone or cannot be used. The error is that of a file at the start.
//
// The challenge is Basic alone, for tokens too. Clients take the realm of a
// Bearer challenge for the address of a token service: with one in front of the
// Basic challenge oras, crane, regctl and skopeo fail, and behind it they do not
// heed it. A client that has a token of its own sends it without being asked.
//
// Passwords are verified a few at a time, see logins. Who waits too long gets a
// 429. Passwords that were right before do not wait.
func Auth(next http.Handler, c Credentials, log *slog.Logger) (http.Handler, error) {
	if c.Passwords == "" && c.Tokens == "" {
		return next, nil
	}
	if c.Realm == "" {
		c.Realm = "berth"
	}
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return nil, fmt.Errorf("realm %q: quotes, backslashes and what is not ASCII cannot be sent", c.Realm)
	}
	// Half the machine, or guessing passwords would leave none of it for the rest.
	a := &auth{next: next, log: log, challenge: `Basic realm="` + c.Realm + `"`, logins: newLogins(max(1, runtime.NumCPU()/2))}
	var err error
	if c.Passwords != "" {
		a.passwords, err = watch(log, func(before *passwords) (*passwords, error) { return loadPasswords(c.Passwords, before) }, c.Passwords)
		if err != nil {
			return nil, err
		}
	}
	if c.Tokens != "" {
		a.tokens, err = watch(log, func(tokens) (tokens, error) { return loadTokens(c.Tokens) }, c.Tokens)
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

type auth struct {
	next      http.Handler
	log       *slog.Logger
	challenge string
	logins    *logins

	passwords *watched[*passwords] // nil without
	tokens    *watched[tokens]     // nil without
}

// errMalformed is the fault of a request whose credentials cannot be read.
var errMalformed = errors.New("the Authorization header is neither Basic nor Bearer, or is malformed")

// ServeHTTP implements http.Handler.
func (a *auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, from := withCaller(r)
	claimed, secret, err := credentials(r)
	if err != nil {
		a.log.Warn("login failed", "error", err, "client", from.named)
		a.unauthorized(w, err.Error())
		return
	}
	if secret == "" { // clients ask without credentials first: no failed login
		a.unauthorized(w, "authentication required")
		return
	}
	name, err := a.login(r.Context(), from.network(), claimed, secret)
	switch {
	case err != nil:
		a.log.Warn("login given up", "user", a.shown(claimed), "client", from.named, "error", err)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusTooManyRequests, oci.CodeTooMany, "too many logins at once")
	case name == "":
		a.log.Warn("login failed", "user", a.shown(claimed), "client", from.named)
		message := "the credentials are wrong"
		if a.passwords != nil && len(secret) > access.MaxPassword {
			message += fmt.Sprintf("; no password has more than %d bytes", access.MaxPassword)
		}
		a.unauthorized(w, message)
	default:
		from.user = name
		rec := record(w)
		rec.private = true
		a.next.ServeHTTP(rec, r)
		rec.begin(http.StatusOK) // as the server answers for a handler that wrote nothing
	}
}

// credentials reads the Authorization header. The user of a Bearer token is
// empty, as is the secret of a request without credentials.
func credentials(r *http.Request) (user, secret string, err error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	user, secret, basic := r.BasicAuth()
	switch {
	case len(headers) > 1:
		return "", "", errMalformed
	case basic && user != "" && secret != "":
		return user, secret, nil
	case strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != "":
		return "", strings.TrimSpace(token), nil
	}
	return "", "", errMalformed
}

// login returns the name that User has for the credentials, or "" when they are
// wrong. The error is that of a login that waited too long.
func (a *auth) login(ctx context.Context, client netip.Prefix, user, secret string) (string, error) {
	if a.tokens != nil {
		if name, ok := a.tokens.get().find(secret); ok {
			return name, nil
		}
	}
	if a.passwords == nil || user == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	right, err := a.passwords.get().verify(ctx, a.logins, client, user, secret)
	if !right || err != nil {
		return "", err
	}
	return user, nil
}

// shown is how the log calls who failed to log in. Some clients send a token as
// user name.
func (a *auth) shown(claimed string) string {
	if a.tokens != nil {
		if name, ok := a.tokens.get().find(claimed); ok {
			return name
		}
	}
	return brief(claimed)
}

func (a *auth) unauthorized(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", a.challenge)
	refuse(w, http.StatusUnauthorized, oci.CodeUnauthorized, message)
}

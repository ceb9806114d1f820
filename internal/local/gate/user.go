package gate

import "context"

// User returns who a request comes from: the name in the password file, or
// `token:ID` for a token, with its name or fingerprint (access.Token), whatever
// name a client gave with it. It is empty when the registry asks for no credentials, and
// before Auth.
func User(ctx context.Context) string {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c.user
	}
	return ""
}

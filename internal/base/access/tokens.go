package access

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Token lets in who sends its secret.
type Token struct {
	Name   string // "" for none
	Secret string // as sent (RFC 6750, section 2.1)
}

// ID tells tokens apart where their secret must not be shown: the name or, of a
// token without one, a fingerprint. Both stay when other tokens come and go. A
// fingerprint is short, so that many secrets have it.
func (t Token) ID() string {
	if t.Name != "" {
		return t.Name
	}
	sum := sha256.Sum256([]byte("berth token " + t.Secret))
	return hex.EncodeToString(sum[:4])
}

// Tokens reads lines of `token` or `name:token`. Several tokens may have one name,
// as while one replaces the other. It returns all that are right, and what is
// wrong with each of the other lines.
func Tokens(content string) (tokens []Token, faults []*Fault) {
	if faults := marked(content); faults != nil {
		return nil, faults
	}
	names := map[string]string{} // by secret
	for number, line := range entries(content) {
		token, fault := ParseToken(line)
		if other, known := names[token.Secret]; fault == nil && known && other != token.Name {
			fault = &Fault{Problem: "a token that is there already, under another name", Hint: "take out one of the two lines"}
		}
		if fault != nil {
			fault.Line = number
			faults = append(faults, fault)
			continue
		}
		names[token.Secret] = token.Name
		tokens = append(tokens, token)
	}
	return tokens, faults
}

// ParseToken reads one line. No token has a colon, so that none is taken for a
// name.
func ParseToken(line string) (Token, *Fault) {
	name, secret, named := strings.Cut(line, ":")
	if !named {
		name, secret = "", line
	}
	name, secret = strings.TrimSpace(name), strings.TrimSpace(secret)
	if named && !isTokenName(name) {
		return Token{}, &Fault{Problem: "a name that no token can have",
			Hint: "write name:token, the name with at most 64 letters, digits and any of -._@, the first a letter or digit"}
	}
	if !isToken(secret) {
		return Token{}, &Fault{Problem: "no bearer token",
			Hint: "write one token a line, of letters, digits and any of -._~+/ with = at the end; openssl rand -hex 32 makes one"}
	}
	return Token{Name: name, Secret: secret}, nil
}

func isToken(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && isOf(s, "-._~+/")
}

func isTokenName(s string) bool {
	return s != "" && len(s) <= 64 && isOf(s, "-._@") && !strings.ContainsRune("-._@", rune(s[0]))
}

// isOf reports whether s has only letters and digits of ASCII, and others.
func isOf(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(others, r)
	})
}

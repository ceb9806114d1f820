package gate

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/internal/regular"
)

// tokens is a token file as it was read: the hash of each token. Hashes have one
// length and tell nothing about a token by how far they agree.
type tokens []hashedToken

type hashedToken struct {
	sum  [sha256.Size]byte
	line int
}

// loadTokens reads a file of one token a line. Blank lines and those that begin
// with # are passed over.
func loadTokens(file string) (tokens, error) {
	content, err := regular.ReadSmall(file)
	if err != nil {
		return nil, fmt.Errorf("token file: %w", err)
	}
	var all tokens
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return nil, fmt.Errorf("token file %s, line %d: a token is of ASCII characters without blanks", file, number)
		}
		all = append(all, hashedToken{sha256.Sum256([]byte(line)), number})
	}
	if all == nil {
		return nil, fmt.Errorf("token file %s holds no token", file)
	}
	return all, nil
}

// find returns the name that User has for a token.
func (t tokens) find(token string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(token))
	line := 0
	for i := range t { // all of them, so that the time does not tell which
		same := subtle.ConstantTimeCompare(t[i].sum[:], sum[:])
		line = subtle.ConstantTimeSelect(same, t[i].line, line)
	}
	if line == 0 {
		return "", false
	}
	return "token:" + strconv.Itoa(line), true // no user has a colon
}

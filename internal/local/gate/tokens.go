package gate

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"

	"github.com/berth-oci/berth/internal/base/access"
	"github.com/berth-oci/berth/internal/base/regular"
)

// tokens is a token file as it was read: the hash of each token. Hashes have one
// length and tell nothing about a token by how far they agree.
type tokens []hashedToken

type hashedToken struct {
	sum [sha256.Size]byte
	id  string
}

// loadTokens reads a file of tokens as package access has it; what it finds wrong
// is an error.
func loadTokens(file string) (tokens, error) {
	content, err := regular.ReadSmall(file)
	if err != nil {
		err = fmt.Errorf("token file: %w", err)
		if errors.Is(err, fs.ErrNotExist) {
			err = vacant{err}
		}
		return nil, err
	}
	list, faults := access.Tokens(string(content))
	switch {
	case len(faults) > 0:
		return nil, fmt.Errorf("token file %s, %w", file, faults[0])
	case len(list) == 0:
		return nil, vacant{fmt.Errorf("token file %s holds no token", file)}
	}
	var all tokens
	for _, t := range list {
		all = append(all, hashedToken{sha256.Sum256([]byte(t.Secret)), t.ID()})
	}
	return all, nil
}

// find returns the name that User has for a token.
func (t tokens) find(token string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range t { // all of them, so that the time does not tell which
		same := subtle.ConstantTimeCompare(t[i].sum[:], sum[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return "", false
	}
	return "token:" + t[found].id, true // no user has a colon
}

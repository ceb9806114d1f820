package gate

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"sync/atomic"

	"github.com/berth-oci/berth/internal/base/access"
	"github.com/berth-oci/berth/internal/base/regular"
)

// passwords is a password file as it was read.
type passwords struct {
	accounts map[string]*account
	all      []*account
	key      []byte // of MACs, the same in every reading of a file by this process
}

type account struct {
	hash string
	// verified is the MAC of the last right password, so that one costs its hash
	// only once. One per user: memory is bounded by the file.
	verified atomic.Pointer[mac]
}

// mac stands for a user with a password.
type mac [sha256.Size]byte

// loadPasswords reads a file of `user:hash` lines as package access has it; what it
// finds wrong is an error. Of users whose hash is that of the reading before,
// nothing is forgotten.
func loadPasswords(file string, before *passwords) (*passwords, error) {
	p := &passwords{accounts: map[string]*account{}}
	if before != nil {
		p.key = before.key
	} else {
		p.key = make([]byte, sha256.Size)
		_, _ = rand.Read(p.key) // never fails
	}
	content, err := regular.ReadSmall(file)
	if err != nil {
		err = fmt.Errorf("password file: %w", err)
		if errors.Is(err, fs.ErrNotExist) {
			err = vacant{err}
		}
		return p, err
	}
	users, faults := access.Users(string(content))
	switch {
	case len(faults) > 0:
		return nil, fmt.Errorf("password file %s, %w", file, faults[0])
	case len(users) == 0:
		return p, vacant{fmt.Errorf("password file %s holds no user", file)}
	}
	for _, user := range users {
		a := &account{hash: user.Hash}
		if before != nil && before.accounts[user.Name] != nil && before.accounts[user.Name].hash == a.hash {
			a.verified.Store(before.accounts[user.Name].verified.Load())
		}
		p.accounts[user.Name] = a
		p.all = append(p.all, a)
	}
	return p, nil
}

// verify reports whether the password is the user's. Work that is not known to
// end well waits for its turn; the error is that of logins.verify.
func (p *passwords) verify(ctx context.Context, l *logins, client netip.Prefix, user, password string) (bool, error) {
	if len(password) > access.MaxPassword || len(p.all) == 0 {
		return false, nil // whoever the user is
	}
	sum := p.mac(user, password)
	a, known := p.accounts[user]
	if !known {
		a = p.decoy(user)
	} else if last := a.verified.Load(); last != nil && hmac.Equal(last[:], sum[:]) {
		return true, nil
	}
	right, err := l.verify(ctx, login{client: client, user: user, mac: sum, hash: a.hash, known: known}, password)
	if right {
		a.verified.Store(&sum)
	}
	return right, err
}

// decoy is verified for a name that nobody has, always the same for one: the time
// of an answer must not tell which names there are, nor which costs their hashes
// have.
func (p *passwords) decoy(name string) *account {
	sum := p.mac(name, "")
	return p.all[binary.BigEndian.Uint64(sum[:8])%uint64(len(p.all))]
}

func (p *passwords) mac(user, password string) (sum mac) {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(user + ":" + password)) // users have no colon
	h.Sum(sum[:0])
	return sum
}

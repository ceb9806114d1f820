package gate

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-oci/berth/internal/regular"
)

// maxCost keeps one login below some five seconds.
const maxCost = 16

// passwords is a password file as it was read. What was verified belongs to it,
// and so is forgotten when the file changes.
type passwords struct {
	accounts map[string]*account
	// decoy is some user's, and verified for names that nobody has: the time of
	// an answer must not tell which names there are.
	decoy *account
	key   []byte // of the MACs of verified passwords, made for this reading
}

type account struct {
	hash []byte
	// verified is the MAC of the last right password, so that one costs its hash
	// only once. One per user: memory is bounded by the file.
	verified atomic.Pointer[[]byte]
}

// loadPasswords reads a file of `user:hash` lines, as `htpasswd -B` writes it.
// Blank lines and those that begin with # are passed over. Every other line that
// is not a user with a bcrypt hash is an error, for its user could not log in and
// would not be told why.
func loadPasswords(file string) (*passwords, error) {
	content, err := regular.ReadSmall(file)
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	p := &passwords{accounts: map[string]*account{}, key: make([]byte, sha256.Size)}
	_, _ = rand.Read(p.key) // never fails
	hashed := regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.add(line, hashed); err != nil {
			return nil, fmt.Errorf("password file %s, line %d: %w", file, number, err)
		}
	}
	if p.decoy == nil {
		return nil, fmt.Errorf("password file %s holds no user", file)
	}
	return p, nil
}

// add takes one line. Its errors do not repeat it: it may hold a plain password.
func (p *passwords) add(line string, hashed *regexp.Regexp) error {
	user, hash, ok := strings.Cut(line, ":")
	if !ok || user == "" {
		return errors.New("it is not of the form user:hash")
	}
	if p.accounts[user] != nil {
		return fmt.Errorf("user %s is there twice", user)
	}
	match := hashed.FindStringSubmatch(hash)
	if match == nil {
		return fmt.Errorf("user %s has no bcrypt hash; make one with htpasswd -B", user)
	}
	if cost, _ := strconv.Atoi(match[1]); cost < bcrypt.MinCost || cost > maxCost {
		return fmt.Errorf("user %s has a hash of cost %s; %d to %d can be used", user, match[1], bcrypt.MinCost, maxCost)
	}
	a := &account{hash: []byte(hash)}
	if p.decoy == nil || a.hash[4] > p.decoy.hash[4] || a.hash[4] == p.decoy.hash[4] && a.hash[5] > p.decoy.hash[5] {
		p.decoy = a // the one that costs most
	}
	p.accounts[user] = a
	return nil
}

// verify reports whether the password is the user's. Work that is not known to
// end well waits in the queue; the error is that of ctx, when it does so too long.
func (p *passwords) verify(ctx context.Context, q *queue, client netip.Prefix, user, password string) (bool, error) {
	mac := p.mac(user, password)
	a, known := p.accounts[user]
	if !known {
		a = p.decoy
	}
	if known && a.isVerified(mac) {
		return true, nil
	}
	leave, err := q.enter(ctx, client)
	if err != nil {
		return false, err
	}
	defer leave()
	// A client begins with many requests at once, of which the first does the work.
	if known && a.isVerified(mac) {
		return true, nil
	}
	right := bcrypt.CompareHashAndPassword(a.hash, []byte(password)) == nil
	if !known || !right {
		return false, nil
	}
	a.verified.Store(&mac)
	return true, nil
}

func (a *account) isVerified(mac []byte) bool {
	last := a.verified.Load()
	return last != nil && hmac.Equal(*last, mac)
}

func (p *passwords) mac(user, password string) []byte {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(user + ":" + password)) // users have no colon
	return h.Sum(nil)
}

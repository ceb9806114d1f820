package access

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

// MaxPassword is in bytes. Bcrypt heeds no more: a longer password would be as
// good as any other that begins like it.
const MaxPassword = 72

// Costs of bcrypt: what its implementations take, and what keeps one login below
// some five seconds.
const (
	minCost = 4
	maxCost = 16
)

// hashed is a hash of bcrypt.
var hashed = lazyregexp.New(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

// User is who may come in by a password.
type User struct {
	Name string
	Hash string // of bcrypt
	Cost int    // of the hash: twice the work for each one more
}

// Users reads lines of `name:hash`, as htpasswd -B writes them. It returns all that
// are right, and what is wrong with each of the others: its user could not log in
// and would not be told why. A file without either is right and lets nobody in.
func Users(content string) (users []User, faults []*Fault) {
	if faults := marked(content); faults != nil {
		return nil, faults
	}
	lines := map[string]int{}
	for number, line := range entries(content) {
		user, fault := parseUser(line)
		if first := lines[user.Name]; fault == nil && first > 0 {
			fault = &Fault{Problem: fmt.Sprintf("user %q is there already, in line %d", user.Name, first), Hint: "take out one of the two lines"}
		}
		if fault != nil {
			fault.Line = number
			faults = append(faults, fault)
			continue
		}
		lines[user.Name] = number
		users = append(users, user)
	}
	return users, faults
}

func parseUser(line string) (User, *Fault) {
	name, hash, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return User{}, &Fault{Problem: "not a user and a hash", Hint: "each line is a user name, a colon and a bcrypt hash, as htpasswd -B writes it"}
	}
	if err := CheckName(name); err != nil {
		return User{}, &Fault{Problem: fmt.Sprintf("the user name %q cannot be used", name), Hint: err.Error()}
	}
	match := hashed().FindStringSubmatch(hash)
	if match == nil {
		return User{}, &Fault{Problem: "not a bcrypt hash: the registry would not let this user in", Hint: "make it again with htpasswd -B"}
	}
	cost, _ := strconv.Atoi(match[1]) // two digits
	if cost < minCost || cost > maxCost {
		return User{}, &Fault{Problem: fmt.Sprintf("a bcrypt hash of cost %d, where %d to %d can be used", cost, minCost, maxCost), Hint: "make it again with htpasswd -B -C 10"}
	}
	return User{Name: name, Hash: hash, Cost: cost}, nil
}

// CheckName fails for what cannot be a user of basic authentication (RFC 7617) in
// a password file. The error says what to change.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("give a user name")
	case strings.ContainsFunc(name, func(r rune) bool { return r == ':' || unicode.IsControl(r) }):
		return errors.New("take colons, line breaks and other control characters out (RFC 7617)")
	case !utf8.ValidString(name):
		return errors.New("write it in UTF-8")
	case name[0] == '#' || strings.HasPrefix(name, byteOrderMark) || strings.TrimSpace(name) != name:
		return errors.New("let it begin with neither # nor space, and not end with space: a password file cannot hold that")
	case len(name) > 255:
		return errors.New("shorten it to 255 bytes")
	}
	return nil
}

// CheckPassword fails for what cannot be a password of basic authentication, or
// not be told from others by its hash. The error says what is wrong, and not what
// the password is.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return errors.New("is empty")
	case len(password) > MaxPassword:
		return fmt.Errorf("is longer than %d bytes", MaxPassword)
	case strings.HasPrefix(password, byteOrderMark):
		return errors.New("begins with a byte order mark")
	case strings.ContainsFunc(password, unicode.IsControl):
		return errors.New("has line breaks or other control characters in it")
	}
	return nil
}

package gate

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Bounds on logins that wait.
const (
	patience = 10 * time.Second // then a client is told to come again
	backlog  = 128              // for each that is verified at a time: about as many as get their turn by then
)

// everyOldest is how often the login that came first is next, whoever sent it.
const everyOldest = 4

// logins verifies passwords, a few at a time and those of one client one after the
// other. Next is the login whose client, and then whose user name, has failed least
// of late. So who guesses passwords, from wherever, goes behind who does not: a
// flood of wrong logins holds up no first right one, neither from other addresses
// nor, for other names, from its own. Whether there is such a user changes nothing.
//
// Its memory has bounds, whatever comes. It is safe for concurrent use.
type logins struct {
	slots   int
	compare func(hash, password string) bool

	mu      sync.Mutex
	all     map[login]*attempt    // that wait or are verified
	waiting []*attempt            // by arrival
	running map[netip.Prefix]bool // clients with one that is verified
	failed  failures
	turns   int
}

// login is who wants to come in. Several requests of one client with the same
// password are one.
type login struct {
	client netip.Prefix
	user   string
	mac    mac
	hash   string
	known  bool // there is such a user; of others the hash is somebody's
}

type attempt struct {
	login
	password string
	requests int           // that wait for it
	done     chan struct{} // closed when right and err are settled
	right    bool
	err      error
}

// errCrowded is that of a login that gives way because too many wait.
var errCrowded = errors.New("too many logins wait")

func newLogins(slots int) *logins {
	return &logins{slots: slots, compare: func(hash, password string) bool {
		return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	}, all: map[login]*attempt{}, running: map[netip.Prefix]bool{}, failed: newFailures(time.Now())}
}

// verify reports whether a password is right. The error is errCrowded, or that of
// ctx when it is done before the password has its turn.
func (l *logins) verify(ctx context.Context, who login, password string) (bool, error) {
	l.mu.Lock()
	a := l.all[who]
	if a == nil {
		a = &attempt{login: who, password: password, done: make(chan struct{})}
		l.all[who] = a
		l.waiting = append(l.waiting, a)
		l.start()
		l.shorten()
	}
	a.requests++
	l.mu.Unlock()

	select {
	case <-a.done:
		return a.right, a.err
	case <-ctx.Done():
	}
	if l.giveUp(a) {
		return false, ctx.Err()
	}
	<-a.done
	return a.right, a.err
}

// giveUp takes back one request for a login, unless that has its turn.
func (l *logins) giveUp(a *attempt) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, a)
	if i < 0 {
		return false
	}
	if a.requests--; a.requests == 0 {
		l.remove(i)
	}
	return true
}

// start lets those have their turn for whom there is room.
func (l *logins) start() {
	for len(l.running) < l.slots {
		i := l.next()
		if i < 0 {
			return
		}
		a := l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.running[a.client] = true
		go l.run(a)
	}
}

func (l *logins) run(a *attempt) {
	right := l.compare(a.hash, a.password) && a.known
	l.mu.Lock()
	defer l.mu.Unlock()
	if !right {
		l.failed.add(time.Now(), a.client, a.user)
	}
	a.right = right
	close(a.done)
	delete(l.all, a.login)
	delete(l.running, a.client)
	l.start()
}

// next returns the index of the one whose turn it is, or -1.
func (l *logins) next() int {
	l.failed.fade(time.Now())
	best, least := -1, 0
	for i, a := range l.waiting {
		if l.running[a.client] {
			continue
		}
		if n := l.failed.count(a.client, a.user); best < 0 || n < least {
			best, least = i, n
		}
		if l.turns%everyOldest == everyOldest-1 {
			break
		}
	}
	if best >= 0 {
		l.turns++
	}
	return best
}

// shorten takes one away if too many wait: of the client that has most of them, the
// one that would be last.
func (l *logins) shorten() {
	if len(l.waiting) <= backlog*l.slots {
		return
	}
	of := map[netip.Prefix]int{}
	for _, a := range l.waiting {
		of[a.client]++
	}
	worst := 0
	for i, a := range l.waiting {
		w := l.waiting[worst]
		if of[a.client] > of[w.client] ||
			of[a.client] == of[w.client] && l.failed.count(a.client, a.user) >= l.failed.count(w.client, w.user) {
			worst = i
		}
	}
	a := l.waiting[worst]
	a.err = errCrowded
	close(a.done)
	l.remove(worst)
}

// remove forgets one that waits.
func (l *logins) remove(i int) {
	delete(l.all, l.waiting[i].login)
	l.waiting = slices.Delete(l.waiting, i, i+1)
}

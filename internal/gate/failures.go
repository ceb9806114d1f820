package gate

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// halfLife is how long a failed login counts in full, and then half, and so on.
const halfLife = time.Minute

// failures counts failed logins by client and by user name. Its size is fixed: what
// shares a place by chance is counted together, which costs a turn and lets nobody
// in or out.
type failures struct {
	seed    maphash.Seed // chance that nobody outside can work out
	clients [1 << 14]uint8
	users   [1 << 14]uint8
	faded   time.Time
}

func newFailures(now time.Time) failures {
	return failures{seed: maphash.MakeSeed(), faded: now}
}

func (f *failures) places(client netip.Prefix, user string) (c, u *uint8) {
	return &f.clients[maphash.Comparable(f.seed, client)%uint64(len(f.clients))],
		&f.users[maphash.String(f.seed, user)%uint64(len(f.users))]
}

// count is the client's, and one more if the name failed at all: who guesses the
// passwords of a user must not be able to put that user behind everybody.
func (f *failures) count(client netip.Prefix, user string) int {
	c, u := f.places(client, user)
	return int(*c) + min(int(*u), 1)
}

func (f *failures) add(now time.Time, client netip.Prefix, user string) {
	f.fade(now)
	c, u := f.places(client, user)
	*c = max(*c, *c+1) // as many as there is room for
	*u = max(*u, *u+1)
}

// fade halves what was counted, once for each half-life that has passed.
func (f *failures) fade(now time.Time) {
	passed := now.Sub(f.faded) / halfLife
	if passed <= 0 {
		return
	}
	f.faded = f.faded.Add(passed * halfLife)
	for i := range f.clients {
		f.clients[i] >>= min(passed, 8)
		f.users[i] >>= min(passed, 8)
	}
}

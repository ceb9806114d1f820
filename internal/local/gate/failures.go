package gate

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// halfLife is how long a failed login counts in full, and then half, and so on.
const halfLife = time.Minute

// failures counts failed logins by client and by user name, in memory of a fixed
// size.
type failures struct {
	seed    maphash.Seed // chance that nobody outside can work out
	clients sketch
	users   sketch
	faded   time.Time
}

func newFailures(now time.Time) failures {
	return failures{seed: maphash.MakeSeed(), faded: now}
}

// count is the client's, and one more if the name failed at all: who guesses the
// passwords of a user must not be able to put that user behind everybody.
func (f *failures) count(client netip.Prefix, user string) int {
	return f.clients.count(maphash.Comparable(f.seed, client)) + min(1, f.users.count(maphash.String(f.seed, user)))
}

func (f *failures) add(now time.Time, client netip.Prefix, user string) {
	f.fade(now)
	f.clients.add(maphash.Comparable(f.seed, client))
	f.users.add(maphash.String(f.seed, user))
}

// fade halves what was counted, once for each half-life that has passed.
func (f *failures) fade(now time.Time) {
	passed := now.Sub(f.faded) / halfLife
	if passed <= 0 {
		return
	}
	f.faded = f.faded.Add(passed * halfLife)
	halvings := int(min(passed, 8)) // of eight bits
	f.clients.fade(halvings)
	f.users.fade(halvings)
}

// sketch counts hashes, each in a place of every row (count-min). What shares all
// of its places with others by chance is counted with them: too much, never too
// little.
type sketch [rows][1 << 14]uint8

const rows = 4

func (s *sketch) places(hash uint64) (places [rows]*uint8) {
	for i := range s {
		places[i] = &s[i][hash%uint64(len(s[i]))]
		hash >>= 16
	}
	return places
}

func (s *sketch) count(hash uint64) int {
	least := uint8(255)
	for _, place := range s.places(hash) {
		least = min(least, *place)
	}
	return int(least)
}

func (s *sketch) add(hash uint64) {
	for _, place := range s.places(hash) {
		*place = max(*place, *place+1) // as many as there is room for
	}
}

func (s *sketch) fade(halvings int) {
	for i := range s {
		for j := range s[i] {
			s[i][j] >>= halvings
		}
	}
}

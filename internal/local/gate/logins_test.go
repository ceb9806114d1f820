package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// cost is how long one verification takes in these tests, by the clock of a
// bubble of synctest.
const cost = 50 * time.Millisecond

func address(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// slow makes logins whose right passwords are "right".
func slow(slots int) *logins {
	l := newLogins(slots)
	l.compare = func(_, password string) bool {
		time.Sleep(cost)
		return password == "right"
	}
	return l
}

// try logs in as a user that there is, with the patience of the gate.
func (l *logins) try(ctx context.Context, client netip.Prefix, user, password string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.verify(ctx, login{client: client, user: user, mac: sha256.Sum256([]byte(user + ":" + password)), known: true}, password)
}

// isEmpty fails unless all has ended and nothing is left of it.
func (l *logins) isEmpty(t *testing.T) {
	t.Helper()
	time.Sleep(2 * cost) // the one under way
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all)+len(l.waiting)+len(l.running) > 0 {
		t.Errorf("left are %d, %d waiting, %d running", len(l.all), len(l.waiting), len(l.running))
	}
}

// flood is many requests at once that guess passwords until its context ends;
// from and as give client and user name of the nth guess.
func (l *logins) flood(ctx context.Context, requests int, from func(n int) netip.Prefix, as func(n int) string) (ended func()) {
	var all sync.WaitGroup
	var n atomic.Int64
	for range requests {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(n.Add(1))
				if _, err := l.try(ctx, from(i), as(i), fmt.Sprint("wrong", i)); errors.Is(err, errCrowded) {
					time.Sleep(cost / 10)
				}
			}
		})
	}
	return all.Wait
}

// A right login that was never seen before gets its turn soon, whoever guesses
// from wherever as whom.
func TestFirstLoginInFlood(t *testing.T) {
	one := func(int) netip.Prefix { return address(1) }
	some := func(n int) netip.Prefix { return address(n % 50) }
	fresh := func(n int) netip.Prefix { return address(n) }
	ann := func(int) string { return "ann" }
	nobody := func(n int) string { return fmt.Sprint("nobody", n) }
	for name, test := range map[string]struct {
		from   func(int) netip.Prefix
		as     func(int) string
		client netip.Prefix
		user   string
		most   time.Duration
	}{
		"one address, one name":         {one, ann, address(9999999), "bob", 4 * cost},
		"one address, any names":        {one, nobody, address(9999999), "bob", 4 * cost},
		"one address, the same name":    {one, ann, address(9999999), "ann", 4 * cost},
		"many addresses, one name":      {some, ann, address(9999999), "bob", 4 * cost},
		"many addresses, the same name": {some, ann, address(9999999), "ann", 4 * cost},
		"many addresses, any names":     {some, nobody, address(9999999), "bob", 4 * cost},
		"new addresses, one name":       {fresh, ann, address(9999999), "bob", 4 * cost},
		"the same address, one name":    {one, ann, address(1), "bob", 4 * cost},
		"many addresses, first as the same": {some, func(n int) string {
			if n < 250 {
				return "bob"
			}
			return nobody(n)
		}, address(9999999), "bob", 4 * cost},
		// Nothing tells these from others but who came first.
		"new addresses, any names":     {fresh, nobody, address(9999999), "bob", patience},
		"new addresses, the same name": {fresh, ann, address(9999999), "ann", patience},
	} {
		for _, slots := range []int{1, 4} {
			t.Run(fmt.Sprint(name, " ", slots), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := slow(slots)
					ctx, stop := context.WithCancel(t.Context())
					ended := l.flood(ctx, 100, test.from, test.as)
					time.Sleep(20 * time.Second)
					begin := time.Now()
					right, err := l.try(t.Context(), test.client, test.user, "right")
					if took := time.Since(begin); !right || err != nil || took > test.most {
						t.Errorf("%v, %v after %s", right, err, took)
					}
					stop()
					ended()
					l.isEmpty(t)
				})
			})
		}
	}
}

// Who mistyped a password is not shut out by those who come from ever new places.
func TestOldestGetsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := slow(1)
		for range 5 {
			_, _ = l.try(t.Context(), address(1), "ann", "mistyped")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := l.flood(ctx, 20, address, func(n int) string { return fmt.Sprint("nobody", n) })
		time.Sleep(10 * cost)
		if right, err := l.try(t.Context(), address(1), "ann", "right"); !right || err != nil {
			t.Errorf("%v, %v", right, err)
		}
		stop()
		ended()
		l.isEmpty(t)
	})
}

// However many come, few wait; the one who has few of them stays.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := slow(1)
		var all sync.WaitGroup
		var crowded atomic.Int32
		for i := range 10 * backlog {
			all.Go(func() {
				if _, err := l.try(t.Context(), address(1), fmt.Sprint("user", i), "wrong"); errors.Is(err, errCrowded) {
					crowded.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := len(l.waiting); n != backlog || len(l.all) != backlog+1 || crowded.Load() != 9*backlog-1 {
			t.Errorf("%d wait, %d are known, %d were sent away", n, len(l.all), crowded.Load())
		}
		if right, err := l.try(t.Context(), address(2), "ann", "right"); !right || err != nil {
			t.Errorf("another client: %v, %v", right, err)
		}
		all.Wait()
		l.isEmpty(t)
	})
}

// One client's requests with one password are verified once, and those that give
// up are forgotten.
func TestSameLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var compared atomic.Int32
		l := newLogins(1)
		l.compare = func(_, password string) bool {
			compared.Add(1)
			time.Sleep(cost)
			return password == "right"
		}
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if right, err := l.try(t.Context(), address(1), "ann", "right"); !right || err != nil {
					t.Errorf("%v, %v", right, err)
				}
			})
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.try(gone, address(1), "ann", "wrong"); !errors.Is(err, context.Canceled) {
			t.Errorf("one that waits: %v", err)
		}
		if right, err := l.try(gone, address(1), "ann", "right"); !right || err != nil {
			t.Errorf("one that has its turn: %v, %v", right, err)
		}
		all.Wait()
		if compared.Load() != 1 {
			t.Errorf("%d were verified", compared.Load())
		}
		l.isEmpty(t)
	})
}

// One client has one password verified at a time, and all together as many as
// there are slots.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogins(3)
		var now, most atomic.Int32
		l.compare = func(string, string) bool {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(cost)
			now.Add(-1)
			return false
		}
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() { _, _ = l.try(t.Context(), address(1), "ann", fmt.Sprint(i)) })
		}
		all.Wait()
		if most.Load() != 1 {
			t.Errorf("%d of one client", most.Load())
		}
		for i := range 10 {
			all.Go(func() { _, _ = l.try(t.Context(), address(i), "ann", fmt.Sprint(i)) })
		}
		all.Wait()
		if most.Load() != 3 {
			t.Errorf("%d of ten clients", most.Load())
		}
		l.isEmpty(t)
	})
}

// What failed is forgotten in time, and counted in fixed memory.
func TestFailuresFade(t *testing.T) {
	now := time.Now()
	f := newFailures(now)
	for range 1000 {
		f.add(now, address(1), "ann")
	}
	for i := range 1 << 20 {
		f.add(now, address(1000+i), fmt.Sprint("user", i))
	}
	if got := f.count(address(1), "ann"); got != 256 {
		t.Errorf("counted %d", got)
	}
	for _, test := range []struct {
		after time.Duration
		want  int
	}{{halfLife - 1, 256}, {halfLife, 128}, {2 * halfLife, 64}, {10 * halfLife, 0}, {1000 * halfLife, 0}} {
		if f.fade(now.Add(test.after)); f.count(address(1), "ann") != test.want {
			t.Errorf("after %s it is %d, want %d", test.after, f.count(address(1), "ann"), test.want)
		}
	}
}

// known returns passwords of users with a hash each, and what was compared.
func someUsers(t *testing.T, users ...string) (*passwords, *logins, *[]string) {
	t.Helper()
	p := &passwords{accounts: map[string]*account{}, key: []byte("key")}
	for _, u := range users {
		a := &account{hash: "hash of " + u}
		p.accounts[u] = a
		p.all = append(p.all, a)
	}
	compared := new([]string)
	l := newLogins(1)
	l.compare = func(hash, password string) bool {
		*compared = append(*compared, hash)
		return password == "right"
	}
	return p, l, compared
}

func TestVerify(t *testing.T) {
	p, l, compared := someUsers(t, "ann", "bob")
	for _, test := range []struct {
		user, password string
		right          bool
		compared       int
	}{
		{"ann", "wrong", false, 1},
		{"ann", "right", true, 1},
		{"ann", "right", true, 0}, // is remembered
		{"ann", "wrong", false, 1},
		{"bob", "right", true, 1},
		{"eve", "right", false, 1}, // whoever's hash that is
		{"eve", "right", false, 1},
		{"ann", strings.Repeat("a", 73), false, 0},
		{"eve", strings.Repeat("a", 73), false, 0},
	} {
		*compared = nil
		right, err := p.verify(t.Context(), l, address(1), test.user, test.password)
		if right != test.right || err != nil || len(*compared) != test.compared {
			t.Errorf("%s:%s: %v, %v; compared %q", test.user, test.password, right, err, *compared)
		}
	}
}

// The time of an answer tells neither whether there is a user nor what hashes
// there are: a name that nobody has takes what some user takes, always the same.
func TestDecoy(t *testing.T) {
	p, l, compared := someUsers(t, "ann", "bob", "carl")
	seen := map[string]bool{}
	for i := range 100 {
		*compared = nil
		for range 2 {
			_, _ = p.verify(t.Context(), l, address(1), fmt.Sprint("nobody", i), "wrong")
		}
		if len(*compared) != 2 || (*compared)[0] != (*compared)[1] {
			t.Errorf("compared %q", *compared)
		}
		seen[(*compared)[0]] = true
	}
	if len(seen) != 3 {
		t.Errorf("decoys are %v", seen)
	}
}

// A login that waits too long is not a wrong one.
func TestTooManyLogins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	put(t, file, "ann:$2y$04$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	h, err := Auth(http.NotFoundHandler(), Credentials{Passwords: file}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l := h.(*auth).logins
	for i := range l.slots { // all are taken
		l.running[address(i)] = true
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as if patience had ended
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/", nil)
	r.SetBasicAuth("ann", "right")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

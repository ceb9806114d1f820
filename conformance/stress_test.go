package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stressDelay is the time that fresh content is safe from collection: short, so
// that collections during the run find something.
const stressDelay = 3 * time.Second

// stress is one run: pushers, pullers, collections and crashes at once.
type stress struct {
	t       *testing.T
	srv     *server
	journal *journal
	started time.Time
	// life counts starts and deaths of the server; it is even while it is up.
	life  atomic.Int64
	count struct{ pushes, pulls, deletes, referrers, lost, kills, collections, outages atomic.Int64 }

	mu       sync.Mutex
	problems map[string]*problem // by what is common to the like
}

// problem is something that must not happen: how often it did, and the first of it.
type problem struct {
	count int
	first string
}

// particular is what tells problems apart that are alike.
var particular = regexp.MustCompile(`[0-9a-f-]{20,}|p\d-\d|g\d/r\d|\d+`)

// TestStress pushes, pulls, deletes and collects garbage all at once while the
// server is killed at random. What it has acknowledged must be there afterwards,
// every byte of it, and after a last collection nothing else.
func TestStress(t *testing.T) {
	short := map[string]time.Duration{"filesystem": 12 * time.Second, "s3": 9 * time.Second, "azure": 9 * time.Second}
	for _, kind := range storages {
		t.Run(kind.name, func(t *testing.T) {
			duration := *stressTime
			if duration == 0 {
				duration = short[kind.name]
			}
			place := kind.new(t)
			s := &stress{t: t, journal: newJournal(), started: time.Now(), problems: map[string]*problem{}}
			s.srv = newServer(t, setup{storage: place, gc: map[string]any{"gc_interval": 1, "gc_delay": int(stressDelay.Seconds())}})
			t.Logf("-stress.seed=%d", *stressSeed)
			stop := s.watch(place)
			s.run(duration)
			s.check(place)
			stop()
			for _, p := range s.problems {
				t.Errorf("%d times, first %s", p.count, p.first)
			}
		})
	}
}

// run returns when everything has stopped and the server is up.
func (s *stress) run(duration time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var workers sync.WaitGroup
	for n := range 8 {
		workers.Go(func() { newPusher(s, n).run(ctx) })
		workers.Go(func() { s.pullers(ctx, n) })
	}
	workers.Go(func() { s.collect(ctx) })
	s.crash(ctx)
	workers.Wait()
	s.t.Logf("pushes %d, pulls %d, deletes %d, referrers %d, collections %d, kills %d, answers lost %d",
		s.count.pushes.Load(), s.count.pulls.Load(), s.count.deletes.Load(), s.count.referrers.Load(),
		s.count.collections.Load(), s.count.kills.Load(), s.count.lost.Load())
}

// answering is a storage that can be asked whether it answers.
type answering interface{ answers() bool }

// watch looks after a storage that may stop answering by itself: azurite does
// for minutes when it collects its own garbage, ten minutes after it started. What
// failed meanwhile is excused as what a kill cut is; nothing may be lost by it.
func (s *stress) watch(at storage) (stop func()) {
	a, ok := at.(answering)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		for down := false; ctx.Err() == nil; time.Sleep(300 * time.Millisecond) {
			up := a.answers()
			if !up || down {
				s.life.Add(2)
			}
			if !up && !down {
				s.count.outages.Add(1)
				s.t.Logf("%s: the storage does not answer", time.Since(s.started).Round(time.Second))
			}
			down = !up
		}
	})
	return func() { cancel(); watching.Wait() }
}

// settle calls f again when the storage stopped answering meanwhile.
func (s *stress) settle(f func() error) error {
	for {
		life := s.life.Load()
		err := f()
		if err == nil || s.life.Load() == life {
			return err
		}
		time.Sleep(time.Second)
	}
}

// seeded is a worker's own source of randomness.
func seeded(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(*stressSeed, stream)) }

// crash kills the server and starts it again until ctx ends.
func (s *stress) crash(ctx context.Context) {
	random := seeded(1000)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(700+random.IntN(2500)) * time.Millisecond):
		}
		s.life.Add(1)
		s.srv.kill()
		s.count.kills.Add(1)
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		if err := s.srv.tryStart(); err != nil {
			s.fault("restart after kill -9", err)
			return
		}
		s.life.Add(1)
	}
}

// collect runs berth gc beside the collections by the clock. With -reference it
// runs the collection that CNCF distribution has, which is not made for that.
func (s *stress) collect(ctx context.Context) {
	for *referenceFlag != "" && ctx.Err() == nil {
		_ = exec.Command(*referenceFlag, "garbage-collect", "--delete-untagged", s.srv.config).Run()
		s.count.collections.Add(1)
		time.Sleep(time.Second)
	}
	for ctx.Err() == nil {
		life := s.up(ctx)
		if _, code := s.srv.berth("gc"); code != 0 && !s.excused(life) {
			s.fault("berth gc", fmt.Errorf("exit code %d", code))
		}
		s.count.collections.Add(1)
		time.Sleep(time.Second)
	}
}

// up waits until the server is up and returns which of its lives this is.
func (s *stress) up(ctx context.Context) int64 {
	for {
		if life := s.life.Load(); life%2 == 0 || ctx.Err() != nil {
			return life
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// excused says whether a request that was sent in that life may fail.
func (s *stress) excused(life int64) bool { return life%2 == 1 || s.life.Load() != life }

// fault records what must not happen.
func (s *stress) fault(what string, err error) {
	text := fmt.Sprintf("%s: %s: %v", time.Since(s.started).Round(time.Millisecond), what, err)
	key := fmt.Sprintf("%.150s", particular.ReplaceAllString(what+err.Error(), ""))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problems[key] == nil {
		s.problems[key] = &problem{first: text}
	}
	s.problems[key].count++
}

// pullers reads tags that nobody is changing. It fails on wrong bytes whatever
// happens, and on anything else unless the server was killed or the tag touched.
func (s *stress) pullers(ctx context.Context, n int) {
	random := seeded(uint64(100 + n))
	for ctx.Err() == nil {
		s.up(ctx)
		c, ok := s.journal.pick(random, func(place) bool { return true })
		if !ok {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		for attempt := 0; ctx.Err() == nil && s.journal.untouched(c); attempt++ {
			life := s.up(ctx)
			err := s.pull(ctx, c)
			if wrong := new(corruption); errors.As(err, &wrong) {
				s.fault("pull", err)
				break
			}
			if err == nil || !s.journal.untouched(c) {
				break
			}
			if !s.excused(life) && ctx.Err() == nil {
				s.fault(fmt.Sprintf("pull of %s:%s, untouched (attempt %d)", c.repo, c.tag, attempt), err)
				break
			}
		}
		s.count.pulls.Add(1)
	}
}

// pull reads a place with all that is below it and refers to it.
func (s *stress) pull(ctx context.Context, c certain) error {
	p := newPuller(s.srv.client, c.repo)
	root, err := p.pull(ctx, c.tag)
	if err != nil {
		return err
	}
	if root != c.content {
		return fmt.Errorf("%s is %s, and %s was acknowledged", c.tag, root, c.content)
	}
	if len(c.referrers) == 0 {
		return nil
	}
	listed, err := s.srv.client.referrers(ctx, c.repo, root)
	if err != nil {
		return err
	}
	var have strings.Builder
	for _, d := range listed {
		fmt.Fprintln(&have, d.Digest)
	}
	for _, d := range c.referrers {
		if !strings.Contains(have.String(), d.String()) {
			return fmt.Errorf("referrer %s of %s is not listed", d, root)
		}
		if _, err := p.pull(ctx, d.String()); err != nil {
			return err
		}
	}
	return nil
}

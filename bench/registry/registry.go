//go:build unix

// Package registry measures registry servers side by side: berth's built-in
// registry, CNCF distribution and zot, and beside them the floors of the machine,
// so that a row tells how far each is from what the hardware gives.
//
// All servers run at the same time, each with a storage directory of its own on
// one disk, and take turns row by row: what else happens on the machine then
// falls on all of them. It owns the load and the report. It does not start
// registries the way berth's users do; that is engine's work.
package registry

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Options say what is measured and how long.
type Options struct {
	Berth, Registry, Zot string        // programs; those not found are left out
	Baseline             string        // program of another build of berth, to compare with; "" for none
	Only                 string        // contenders to measure, by name and comma; all when empty
	Dir                  string        // directory on the disk to measure; the system's temporary one when empty
	Rounds               int           // samples of each row
	Time                 time.Duration // that each reading row takes
	Blobs                int           // 1 MiB blobs that each pushing row pushes
	Large                int           // 100 MiB blobs likewise
	Tags                 int           // of the repository whose tags are listed
	Patch                bool          // upload by PATCH and PUT, as docker does, instead of by one PUT
	Verify               bool          // let clients verify the digest of what they pull
	JSON                 string        // file for the results
	Profile              string        // directory for profiles of every row
}

// Main runs the command line that follows the word "registry".
func Main(ctx context.Context, args []string) error {
	var o Options
	f := flag.NewFlagSet("registry", flag.ContinueOnError)
	f.StringVar(&o.Berth, "berth", "berth", "berth program")
	f.StringVar(&o.Registry, "registry", "registry", "CNCF distribution program")
	f.StringVar(&o.Zot, "zot", "zot", "zot program")
	f.StringVar(&o.Baseline, "baseline", "", "another build of berth, measured in the same turns (`program`)")
	f.StringVar(&o.Only, "only", "", "measure only these, such as berth,registry")
	f.StringVar(&o.Dir, "dir", "", "directory on the disk to measure")
	f.IntVar(&o.Rounds, "rounds", 5, "measurements of each")
	f.DurationVar(&o.Time, "time", time.Second, "how long each reading row takes")
	f.IntVar(&o.Blobs, "blobs", 96, "blobs of 1 MiB in each pushing row")
	f.IntVar(&o.Large, "large", 4, "blobs of 100 MiB")
	f.IntVar(&o.Tags, "tags", 10_000, "tags of the repository to list")
	f.BoolVar(&o.Patch, "patch", false, "upload by PATCH and PUT instead of by one PUT")
	f.BoolVar(&o.Verify, "verify", false, "verify the SHA-256 of pulled blobs in the clients")
	f.StringVar(&o.JSON, "json", "", "write the results to this file as well")
	f.StringVar(&o.Profile, "profile", "", "write perf profiles of the first round to this directory")
	if err := f.Parse(args); err != nil {
		return err
	}
	return run(ctx, o)
}

// session is one run of the benchmark.
type session struct {
	Options
	dir        string // of this run
	number     int    // of the round
	contenders []contender
	blobs      blobs
	results    results
}

func run(ctx context.Context, o Options) (err error) {
	s := &session{Options: o}
	if min(o.Rounds, o.Blobs, o.Large, o.Tags) < 1 {
		return errors.New("rounds, blobs, large and tags are at least 1")
	}
	if s.contenders, err = contenders(o); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(o.Dir, "berth-bench-*"); err != nil {
		return err
	}
	// In a config a relative path may start at the config.
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	// Storage stays until the end: ext4 searches past inodes that were just
	// freed, which would make whoever pushes next pay for the removal.
	defer os.RemoveAll(s.dir)
	if s.Profile != "" {
		if err := os.MkdirAll(s.Profile, 0o755); err != nil {
			return err
		}
	}
	for _, c := range s.contenders {
		if err := s.seed(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for n := range s.Rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", n+1, s.Rounds)
		if err := s.round(ctx, n); err != nil {
			return err
		}
	}
	s.size()
	return s.report(os.Stdout)
}

// home is where a contender's storage is for the whole run.
func (s *session) home(c contender) string {
	return filepath.Join(s.dir, fileName(c.name))
}

// fileName makes a name that needs no quotes in a shell.
func fileName(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), "-")
}

// order returns the contenders with another one first for each pair of n, and the
// other way round for an odd n, so that each goes before each as often as after it.
func (s *session) order(n int) []contender {
	first := n / 2 % len(s.contenders)
	order := slices.Concat(s.contenders[first:], s.contenders[:first])
	if n%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// round takes one sample of every row.
func (s *session) round(ctx context.Context, n int) (err error) {
	if s.blobs, err = makeBlobs(filepath.Join(s.dir, "blobs"), s.Blobs, s.Large); err != nil {
		return err
	}
	s.number = n
	if err := s.starts(ctx); err != nil {
		return err
	}
	servers := map[string]*server{}
	defer func() {
		for _, v := range servers {
			err = errors.Join(err, v.stop())
		}
	}()
	for _, c := range s.order(n) {
		v, err := start(ctx, c, s.home(c))
		if err != nil {
			return err
		}
		servers[c.name] = v
		if err := s.prepare(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for i, r := range s.rows() {
		for _, c := range s.order(n + i) {
			if err := s.measure(ctx, r, servers[c.name], n == 0); err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, r.name, err)
			}
		}
	}
	for name, v := range servers {
		s.results.add(rowPeak, name, mib(v.memory("VmHWM")), 0)
	}
	s.results.add(rowHash, floor, hashSpeed(), 0)
	return nil
}

// startsOfEach is how many times a server is started in a round: a start is short,
// and the disk's share of it varies.
const startsOfEach = 5

// starts measures starts on empty storage, what the server then holds, and starts
// on the storage of the run.
func (s *session) starts(ctx context.Context) error {
	for i := range startsOfEach {
		for _, c := range s.order(s.number + i) {
			empty := fmt.Sprintf("%s-empty-%d-%d", s.home(c), s.number, i)
			err := s.start(ctx, c, empty, rowStart, i == 0)
			if err == nil {
				err = s.start(ctx, c, s.home(c), rowStartFilled, false)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

// start takes one sample of a start.
func (s *session) start(ctx context.Context, c contender, dir string, m metric, weigh bool) error {
	syscall.Sync()
	v, err := start(ctx, c, dir)
	if err != nil {
		return err
	}
	s.results.add(m, c.name, milliseconds(v.ready), 0)
	if weigh {
		time.Sleep(500 * time.Millisecond) // what only the start needs is done by then
		s.results.add(rowIdle, c.name, mib(v.memory("VmRSS")), 0)
	}
	return v.stop()
}

// measure takes one sample of one row from one server.
func (s *session) measure(ctx context.Context, r row, v *server, first bool) error {
	if v.bare && r.skipsFloor || r.needsLists && !v.lists {
		return nil
	}
	clients, err := s.clients(ctx, v, r.clients)
	if err != nil {
		return err
	}
	// What others left unwritten must not be written at this one's expense.
	syscall.Sync()
	stop := func() error { return nil }
	if s.Profile != "" && first && !v.bare {
		if stop, err = profile(v, filepath.Join(s.Profile, fileName(v.name+" "+r.name))); err != nil {
			return err
		}
	}
	before := v.processorTime()
	ops, took, err := r.run(ctx, clients, s.Time)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	used := v.processorTime() - before
	s.results.add(r.metric, v.name, r.value(ops, took), milliseconds(used)/float64(ops))
	return nil
}

// size notes the sizes of the programs without their symbols.
func (s *session) size() {
	for _, c := range s.contenders {
		if n, err := strippedSize(c.program, filepath.Join(s.dir, "stripped")); err == nil && !c.bare {
			s.results.add(rowSize, c.name, mib(n), 0)
		}
	}
}

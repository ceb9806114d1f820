//go:build unix

// Package transfer measures clients of registries side by side: berth, oras,
// crane, regctl and skopeo push, pull and copy the same content in the same run,
// each the way its users do it, straight on the loopback interface and over a
// link with latency and a rate. It owns the load and the report; the registries
// are package registry's.
package transfer

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berth-oci/berth/bench/registry"
)

// Options say what is measured and how often.
type Options struct {
	Berth    string // program
	Baseline string // program of another build of berth, to compare with; "" for none
	Registry string // program of the neutral registry
	On       string // settings, by name and comma
	Only     string // clients, by name and comma; all when empty
	Rows     string // part of the names of rows; all when empty
	Dir      string // directory on the disk to measure
	Rounds   int
	Scale    int // that sizes and counts are divided by
	RTT      time.Duration
	Mbit     float64
	JSON     string
}

// Main runs the command line that follows the word "transfer".
func Main(ctx context.Context, args []string) error {
	var o Options
	f := flag.NewFlagSet("transfer", flag.ContinueOnError)
	f.StringVar(&o.Berth, "berth", berth, "berth program")
	f.StringVar(&o.Baseline, "baseline", "", "another build of berth, measured in the same turns (`program`)")
	f.StringVar(&o.Registry, "registry", "registry", "CNCF distribution program")
	f.StringVar(&o.On, "on", "berth,registry,link", "where: on `berth` serve, on CNCF distribution, over a link to the latter")
	f.StringVar(&o.Only, "only", "", "measure only these clients, such as berth,oras")
	f.StringVar(&o.Rows, "rows", "", "measure only rows whose names hold one of these, by comma")
	f.StringVar(&o.Dir, "dir", "", "directory on the disk to measure")
	f.IntVar(&o.Rounds, "rounds", 3, "measurements of each")
	f.IntVar(&o.Scale, "scale", 1, "divide all sizes and counts by this")
	f.DurationVar(&o.RTT, "rtt", 20*time.Millisecond, "round trip time of the link")
	f.Float64Var(&o.Mbit, "mbit", 1000, "rate of the link for each direction, in Mbit/s")
	f.StringVar(&o.JSON, "json", "", "write the results to this file as well")
	if err := f.Parse(args); err != nil {
		return err
	}
	return run(ctx, o)
}

// session is one run of the benchmark.
type session struct {
	Options
	dir      string
	programs map[string]string
	inputs   map[string]input
	results  results
	count    int // makes directories unique
}

func run(ctx context.Context, o Options) (err error) {
	s := &session{Options: o, programs: map[string]string{}, inputs: map[string]input{}}
	for _, name := range clients() {
		program := name
		switch {
		case name == before:
			if program = o.Baseline; program == "" {
				continue
			}
		case o.Only != "" && !slices.Contains(strings.Split(o.Only, ","), name):
			continue
		case name == berth:
			program = o.Berth
		}
		path, err := exec.LookPath(program)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: left out: %v\n", name, err)
			continue
		}
		if s.programs[name], err = filepath.Abs(path); err != nil {
			return err
		}
	}
	if s.dir, err = os.MkdirTemp(o.Dir, "berth-bench-*"); err != nil {
		return err
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	large := 512 << 20 / o.Scale
	for _, in := range []input{
		{name: "random", files: 1, size: large, layout: true},
		{name: "half", files: 1, size: large, half: true},
		{name: "small", files: max(5000/o.Scale, 1), size: 20_000},
		{name: "forty", files: 40, size: 8 << 20 / o.Scale, layout: true},
	} {
		s.inputs[in.name] = in
		if err := in.make(s.dir); err != nil {
			return err
		}
	}
	for _, on := range strings.Split(o.On, ",") {
		if err := s.setting(ctx, on); err != nil {
			return fmt.Errorf("%s: %w", on, err)
		}
	}
	return s.report(os.Stdout)
}

// setting measures all rows in one place.
func (s *session) setting(ctx context.Context, on string) error {
	var way *link
	if on == "link" {
		rate := s.Mbit * 1e6 / 8
		way = newLink(s.RTT, rate)
		free, err := newLink(s.RTT, 0).speed(1 << 30)
		if err != nil {
			return err
		}
		capped, err := way.speed(256 << 20)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "link: %.0f Mbit/s for a raw copy; %.0f without its cap\n", capped*8/1e6, free*8/1e6)
	}
	for n := range s.Rounds {
		for _, r := range rows() {
			if !s.wants(r.name) {
				continue
			}
			for _, name := range s.order(n) {
				if r.push[commands(name)] == nil {
					continue
				}
				if err := s.move(ctx, on, way, r, name); err != nil {
					return fmt.Errorf("%s, %s: %w", name, r.name, err)
				}
			}
		}
		if !s.wants(rowTags) {
			continue
		}
		if err := s.tags(ctx, on, way, n); err != nil {
			return fmt.Errorf("tags: %w", err)
		}
	}
	return nil
}

func (s *session) wants(row string) bool {
	return slices.ContainsFunc(strings.Split(s.Rows, ","), func(part string) bool { return strings.Contains(row, part) })
}

// found returns the clients that are measured, in the order of the columns.
func (s *session) found() (names []string) {
	for _, name := range clients() {
		if s.programs[name] != "" {
			names = append(names, name)
		}
	}
	return names
}

// order returns the clients with another one first for each n.
func (s *session) order(n int) []string {
	all := s.found()
	n %= len(all)
	return slices.Concat(all[n:], all[:n])
}

// place starts an empty registry, and the link to it.
func (s *session) place(ctx context.Context, on, dir string, way *link) (direct, host string, stop func(), err error) {
	name, program := "registry", s.Registry
	if on == berth {
		name, program = berth, s.Berth
	}
	direct, end, err := registry.Serve(ctx, name, program, dir)
	if err != nil {
		return "", "", nil, err
	}
	once := sync.OnceFunc(func() { _ = end() }) // how a registry exits is not judged
	if way == nil {
		return direct, direct, once, nil
	}
	host, close, err := way.to(direct)
	if err != nil {
		once()
		return "", "", nil, err
	}
	return direct, host, func() { close(); once() }, nil
}

// move lets one client push and pull one input, with a registry of its own.
func (s *session) move(ctx context.Context, on string, way *link, r row, name string) error {
	s.count++
	dir := filepath.Join(s.dir, fmt.Sprintf("run-%d", s.count))
	_, host, stop, err := s.place(ctx, on, filepath.Join(dir, "registry"), way)
	if err != nil {
		return err
	}
	defer stop()
	in := s.inputs[r.input]
	j := job{programs: s.programsFor(name), home: filepath.Join(dir, "home"), host: host, repo: "r" + fmt.Sprint(s.count),
		input: in.dir(s.dir), output: filepath.Join(dir, "out")}
	switch {
	case r.layout:
		j.input = in.layoutDir(s.dir)
	case r.file:
		j.input = filepath.Join(j.input, "00000")
	}
	if err := j.prepare(); err != nil {
		return err
	}
	push, pull := r.push[commands(name)], r.pull[commands(name)]
	for _, step := range []struct {
		name   string
		do     command
		repeat bool
	}{{"push ", push, false}, {"push again ", push, true}, {"pull ", pull, false}, {"pull again ", pull, true}} {
		if step.repeat && !r.repeat {
			continue
		}
		if err := s.measure(ctx, on, way, step.name+r.name, name, j, step.do); err != nil {
			return err
		}
	}
	if in.files < 1000 { // many go at the end: ext4 searches past inodes that were just freed
		stop()
		return os.RemoveAll(dir)
	}
	return nil
}

// measure takes one sample.
func (s *session) measure(ctx context.Context, on string, way *link, row, name string, j job, do command) error {
	// What others left unwritten must not be written at this one's expense.
	syscall.Sync()
	var up, down int64
	if way != nil {
		up, down = way.up.bytes.Load(), way.down.bytes.Load()
	}
	got, err := j.measure(ctx, do)
	if err != nil {
		return err
	}
	if way != nil {
		got.up, got.down = way.up.bytes.Load()-up, way.down.bytes.Load()-down
	}
	fmt.Fprintf(os.Stderr, "%-8s %-40s %-7s %8.3fs cpu %7.3fs %4d MiB\n", on, row, name, got.wall.Seconds(), got.cpu.Seconds(), got.rss>>20)
	s.results.add(on, row, name, got)
	return nil
}

// rowTags is the row of copying a repository.
const rowTags = "copy 200 tags"

// tags lets every client copy a repository to an empty registry.
func (s *session) tags(ctx context.Context, on string, way *link, n int) error {
	s.count++
	dir := filepath.Join(s.dir, fmt.Sprintf("run-%d", s.count))
	direct, source, stop, err := s.place(ctx, on, filepath.Join(dir, "source"), way)
	if err != nil {
		return err
	}
	defer stop()
	if err := seed(direct, seeded, max(200/s.Scale, 2)); err != nil {
		return err
	}
	for _, name := range s.order(n) {
		do := copyTags()[commands(name)]
		if do == nil {
			continue
		}
		_, host, stop, err := s.place(ctx, on, filepath.Join(dir, name), way)
		if err != nil {
			return err
		}
		j := job{programs: s.programsFor(name), home: filepath.Join(dir, name, "home"), host: host, source: source, input: filepath.Join(dir, "input")}
		err = j.prepare()
		if err == nil {
			err = s.measure(ctx, on, way, rowTags, name, j, do)
		}
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

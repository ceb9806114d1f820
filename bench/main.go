//go:build unix

// Command bench measures berth and its peers side by side and prints Markdown
// tables: oras for moving artifacts, the reference runtime for KCL and, with the
// first argument "registry", other registries for the built-in one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/berth-oci/berth/bench/registry"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch {
	case len(args) > 0 && args[0] == "registry":
		return registry.Main(ctx, args[1:])
	case len(args) == 2 && args[0] == "bare": // what registry.Main starts
		return registry.Bare(args[1])
	}
	stop() // transfers end with the process
	return transfers()
}

// transfers measures what the flags say.
func transfers() error {
	var b bench
	kcl := flag.Bool("kcl", false, "measure the config language instead of transfers")
	python := flag.String("python", "", "Python with kcl-lib, for the reference beside berth with -kcl")
	flag.StringVar(&b.berth, "berth", "berth", "berth program")
	flag.StringVar(&b.oras, "oras", "oras", "oras program")
	flag.StringVar(&b.registry, "registry", "registry", "CNCF distribution program")
	flag.StringVar(&b.config, "config", "", "config to validate as well")
	flag.BoolVar(&b.serve, "serve", false, "let berth serve be the registry")
	flag.IntVar(&b.scale, "scale", 1, "divide all sizes by this")
	flag.IntVar(&b.runs, "runs", 3, "measurements of each")
	flag.Parse()
	if *kcl {
		return (&kclBench{berth: b.berth, python: *python, runs: max(b.runs, 11)}).run()
	}
	return b.run()
}

type bench struct {
	berth, oras, registry, config string
	scale, runs                   int
	serve                         bool

	dir, addr string
	count     int // makes repositories and outputs unique
}

// sample is one measurement of one process.
type sample struct {
	wall time.Duration
	rss  int64 // bytes
}

func (b *bench) run() (err error) {
	if b.dir, err = os.MkdirTemp("", "berth-bench-*"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	stop, err := b.start()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println("| operation | berth | oras | oras/berth | berth RSS | oras RSS |\n|---|---|---|---|---|---|")
	for _, tree := range []struct {
		name        string
		files, size int
	}{{"one file", 1, 512 << 20 / b.scale}, {"small files", max(5000/b.scale, 1), 20_000}} {
		dir := filepath.Join(b.dir, fmt.Sprintf("tree-%d", tree.files))
		if err := makeTree(dir, tree.files, tree.size); err != nil {
			return err
		}
		name := fmt.Sprintf("%s (%d × %d B)", tree.name, tree.files, tree.size)
		if err := b.tree(name, dir); err != nil {
			return err
		}
	}
	if b.config == "" {
		return nil
	}
	var validate []sample
	for range max(b.runs, 20) { // a few milliseconds each
		s, err := measure("", b.berth, "validate", b.config)
		if err != nil {
			return err
		}
		validate = append(validate, s)
	}
	v := median(validate)
	fmt.Printf("| validate | %.1fms | | | %s | |\n", float64(v.wall.Microseconds())/1000, mib(v.rss))
	return nil
}

// tree pushes and pulls one tree by turns with both programs.
func (b *bench) tree(name, dir string) error {
	var push, pull [2][]sample
	for range b.runs {
		b.count++
		repo := fmt.Sprintf("r%d", b.count)
		orasRef := fmt.Sprintf("%s/bench/%s-oras:1", b.addr, repo)
		pushes := [2][]string{
			{b.berth, "-q", "-f", b.dir + "/registry.yaml", "push", "extension", dir, "--name", repo, "--version", "1", "--kind", "provider", "--tag", "1"},
			{b.oras, "push", "--plain-http", orasRef, filepath.Base(dir)},
		}
		pulls := [2][]string{
			{b.berth, "-q", "-f", b.dir + "/registry.yaml", "pull", "extension/" + repo + ":1", "-o", b.dir + "/out/berth-" + repo},
			{b.oras, "pull", "--plain-http", "-o", b.dir + "/out/oras-" + repo, orasRef},
		}
		for turn := range 2 {
			i := (turn + b.count) % 2 // who is first changes
			if err := add(&push[i], b.dir, pushes[i]); err != nil {
				return err
			}
		}
		for turn := range 2 {
			i := (turn + b.count) % 2
			if err := add(&pull[i], b.dir, pulls[i]); err != nil {
				return err
			}
		}
		// Outputs stay until the end: ext4 searches past inodes that were just
		// freed, which would make whoever is next pay for the removal.
		os.RemoveAll(b.dir + "/data/docker") // what the next round pushes must be new
	}
	row("push "+name, push)
	row("pull "+name, pull)
	return nil
}

func add(samples *[]sample, dir string, args []string) error {
	s, err := measure(dir, args...)
	*samples = append(*samples, s)
	return err
}

func measure(dir string, args ...string) (sample, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return sample{}, fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	s := sample{wall: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.rss = int64(usage.Maxrss)
		if runtime.GOOS == "linux" { // getrusage(2): kilobytes there
			s.rss <<= 10
		}
	}
	return s, nil
}

func row(name string, s [2][]sample) {
	x, y := median(s[0]), median(s[1])
	fmt.Printf("| %s | %v | %v | %.2f | %s | %s |\n", name, x.wall.Round(time.Millisecond), y.wall.Round(time.Millisecond),
		y.wall.Seconds()/x.wall.Seconds(), mib(x.rss), mib(y.rss))
}

func median(s []sample) sample {
	slices.SortFunc(s, func(a, b sample) int { return int(a.wall - b.wall) })
	return s[len(s)/2]
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// makeTree writes in small pieces: Linux counts the memory of the process that
// starts another as the peak of the other, until that has used more itself.
func makeTree(dir string, files, size int) error {
	random := rand.NewChaCha8([32]byte{1})
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprintf("%02d", i%50))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(sub, fmt.Sprintf("%05d", i)))
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, random, int64(size))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// start runs a registry on a free port and writes the configs of both sides.
func (b *bench) start() (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b.addr = l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	files := map[string]string{
		"distribution.yml": fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: %s}\n", b.dir, b.addr),
		"registry.yaml":    fmt.Sprintf("deployment: local\ntype: distribution\nendpoint: 127.0.0.1\nport: %d\nlocal: {data_dir: %s/data, config_path: %s/serve.yml}\n", port, b.dir, b.dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(b.registry, "serve", filepath.Join(b.dir, "distribution.yml"))
	if b.serve {
		cmd = exec.Command(b.berth, "-f", filepath.Join(b.dir, "registry.yaml"), "serve")
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	for range 100 {
		if resp, err := http.Get("http://" + b.addr + "/v2/"); err == nil {
			resp.Body.Close()
			return stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, fmt.Errorf("registry on %s does not answer", b.addr)
}

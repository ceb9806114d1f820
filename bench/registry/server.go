//go:build unix

package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a running contender.
type server struct {
	contender
	url   string // http://host:port
	dir   string
	ready time.Duration // from the start of the process to the first answer
	cmd   *exec.Cmd
	ended chan error
}

// start runs a contender with its files below dir and returns when it answers.
// It ends with ctx.
func start(ctx context.Context, c contender, dir string) (*server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.json") // YAML for some; berth and zot go by the name
	if c.name == berth || c.name == before || c.name == "registry" {
		config = filepath.Join(dir, "config.yaml")
	}
	if err := os.WriteFile(config, []byte(c.config(dir, port)), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	v := &server{contender: c, url: "http://127.0.0.1:" + port, dir: dir, ended: make(chan error, 1)}
	v.cmd = exec.CommandContext(ctx, c.program, c.args(config)...)
	v.cmd.Env = append(os.Environ(), c.env...)
	v.cmd.Stdout, v.cmd.Stderr = log, log
	begin := time.Now()
	if err := v.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { v.ended <- v.cmd.Wait() }()
	if err := v.awaitReady(); err != nil {
		v.cmd.Process.Kill()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s: %w\n%s", c.name, err, text)
	}
	v.ready = time.Since(begin)
	return v, nil
}

// awaitReady asks every half millisecond: a refused connection costs little.
func (v *server) awaitReady() error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		select {
		case err := <-v.ended:
			v.ended <- err
			return fmt.Errorf("ended before it answered: %v", err)
		case <-time.After(500 * time.Microsecond):
		}
		resp, err := http.Get(v.url + "/v2/")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized {
			return nil
		}
	}
	return errors.New("does not answer")
}

// stop ends the server. How a registry exits is not judged.
func (v *server) stop() error {
	v.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-v.ended:
		return nil
	case <-time.After(20 * time.Second):
		v.cmd.Process.Kill()
		return fmt.Errorf("%s does not stop", v.name)
	}
}

// memory returns a field of /proc/PID/status in bytes, 0 where there is none.
func (v *server) memory(field string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == field+":" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// processorTime returns what the server has used so far, 0 where it is not
// known. Its unit is a hundredth of a second (proc_pid_stat(5)).
func (v *server) processorTime() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", v.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may have spaces
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// profile records where the server spends its processor time until the returned
// function is called, which leaves base.data and a summary in base.txt.
func profile(v *server, base string) (stop func() error, err error) {
	perf, err := exec.LookPath("perf")
	if err != nil {
		fmt.Fprintln(os.Stderr, "no profile:", err)
		return func() error { return nil }, nil
	}
	data := base + ".data"
	cmd := exec.Command(perf, "record", "-q", "-F", "499", "-g", "-o", data, "-p", strconv.Itoa(v.cmd.Process.Pid))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond) // until it is attached
	return func() error {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait() // it reports the signal
		text, err := exec.Command(perf, "report", "-i", data, "--stdio", "--no-children", "-g", "caller,0.5,callee,function,percent", "--percent-limit", "0.5").Output()
		if err != nil {
			return fmt.Errorf("perf report of %s: %w", data, err)
		}
		return os.WriteFile(base+".txt", text, 0o644)
	}, nil
}

// strippedSize returns the size of a program without symbols, which strip leaves
// in file out; without strip on PATH its size as it is.
func strippedSize(program, out string) (int64, error) {
	if exec.Command("strip", "-o", out, program).Run() != nil {
		out = program
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mib(n int64) float64 { return float64(n) / (1 << 20) }

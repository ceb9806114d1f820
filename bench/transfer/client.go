//go:build unix

package transfer

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	berth  = "berth"  // the client that the others are compared with
	before = "before" // another build of it
)

// clients are all that can be measured, in the order of the columns.
func clients() []string { return []string{berth, before, "oras", "crane", "regctl", "skopeo"} }

// commands returns the client whose commands one has.
func commands(name string) string {
	if name == before {
		return berth
	}
	return name
}

// programsFor returns the programs that the commands of a client run.
func (s *session) programsFor(name string) map[string]string {
	programs := maps.Clone(s.programs)
	programs[commands(name)] = s.programs[name]
	return programs
}

// job is what one client is asked to do: where its input is, and where it goes.
type job struct {
	programs map[string]string
	home     string // of the client, empty at first: config, cache, state
	host     string // of the registry
	source   string // of the registry to copy from
	repo     string
	input    string // a directory, a file or a layout
	output   string
}

func (j job) ref() string { return j.host + "/bench/" + j.repo + ":1" }

// command is the arguments of a process. Its working directory is that of the
// input's parent.
type command func(j job) []string

func (j job) shell(script string, args ...any) []string {
	return []string{"sh", "-ec", fmt.Sprintf(script, args...)}
}

func (j job) berth(args ...string) []string {
	return append([]string{j.programs[berth], "-q", "-f", filepath.Join(j.home, "registry.yaml")}, args...)
}

func (j job) run(name string, args ...string) []string {
	return append([]string{j.programs[name]}, args...)
}

// prepare makes a home for a client that knows nothing yet.
func (j job) prepare() error {
	if err := os.MkdirAll(filepath.Join(j.home, ".docker"), 0o755); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(j.host)
	if err != nil {
		return err
	}
	config := fmt.Sprintf("deployment: remote\ntype: distribution\nendpoint: %s\nport: %s\nremote: {retries: 3}\n", host, port)
	if err := os.WriteFile(filepath.Join(j.home, "registry.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(j.home, ".docker", "config.json"), []byte("{}"), 0o600)
}

func (j job) environment() []string {
	return append(os.Environ(), "HOME="+j.home, "BERTH_CACHE_DIR="+filepath.Join(j.home, "cache"),
		"XDG_STATE_HOME="+filepath.Join(j.home, "state"), "XDG_CACHE_HOME="+filepath.Join(j.home, "cache"),
		"XDG_CONFIG_HOME="+filepath.Join(j.home, "config"), "DOCKER_CONFIG="+filepath.Join(j.home, ".docker"),
		"BERTH_CONFIG=")
}

// sample is one measurement of one process and those that it started.
type sample struct {
	wall     time.Duration
	cpu      time.Duration
	rss      int64 // bytes, of the largest
	up, down int64 // bytes that the link carried
}

// measure runs a command to its end, or to ctx's.
func (j job) measure(ctx context.Context, c command) (sample, error) {
	args := c(j)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = filepath.Dir(j.input), j.environment()
	log, err := os.Create(filepath.Join(j.home, "log"))
	if err != nil {
		return sample{}, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return sample{}, fmt.Errorf("%v: %w\n%.2000s", args, err, text)
	}
	s := sample{wall: time.Since(begin), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.rss = int64(usage.Maxrss)
		if runtime.GOOS == "linux" { // getrusage(2): kilobytes there
			s.rss <<= 10
		}
	}
	return s, nil
}

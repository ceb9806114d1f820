package conformance

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// berthUser is someone who works with berth on a machine of their own: a config
// of a remote registry, a cache, a state and a directory for what is temporary.
type berthUser struct {
	t      testing.TB
	home   string
	config map[string]any
	env    []string
}

// newUser makes a user whose registry is at a port of 127.0.0.1. more goes over
// the config's attributes.
func newUser(t testing.TB, port int, more map[string]any) *berthUser {
	t.Helper()
	needsBerth(t)
	u := &berthUser{t: t, home: t.TempDir()}
	u.config = map[string]any{
		"deployment": "remote", "type": "distribution", "endpoint": "127.0.0.1", "port": port,
		"remote":      map[string]any{"timeout": 1, "retries": 3, "retry_delay": 0},
		"namespaces":  map[string]any{"custom": map[string]any{"data": "data"}},
		"pull_policy": map[string]any{"policy": "always"},
		"push_policy": map[string]any{"compression_enabled": false},
	}
	maps.Copy(u.config, more)
	u.write()
	for _, name := range []string{"cache", "state", "tmp"} {
		if err := os.Mkdir(filepath.Join(u.home, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	u.env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(strings.ToLower(v), "=")
		return strings.HasSuffix(name, "_proxy") || strings.HasPrefix(name, "berth_")
	})
	u.env = append(u.env, "HOME="+u.home, "DOCKER_CONFIG="+u.home, "BERTH_CACHE_DIR="+filepath.Join(u.home, "cache"),
		"XDG_STATE_HOME="+filepath.Join(u.home, "state"), "TMPDIR="+filepath.Join(u.home, "tmp"))
	return u
}

// write writes the config as it is now.
func (u *berthUser) write() {
	u.t.Helper()
	writeJSON(u.t, u.path("registry.json"), u.config)
}

// path returns a place in the user's home.
func (u *berthUser) path(name string) string { return filepath.Join(u.home, name) }

// outcome is how a command of berth ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// command prepares a command on the user's config.
func (u *berthUser) command(args ...string) *exec.Cmd {
	cmd := exec.Command(berth, append(args, "-f", u.path("registry.json"))...)
	cmd.Env, cmd.Dir = u.env, u.home
	return cmd
}

// run runs a command, which must not take longer than a minute.
func (u *berthUser) run(args ...string) outcome {
	u.t.Helper()
	cmd := u.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() {
		u.t.Errorf("berth %s does not end", strings.Join(args, " "))
		_ = cmd.Process.Kill()
	})
	defer timer.Stop()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		u.t.Fatal(err)
	}
	if strings.Contains(stderr.String(), "DATA RACE") {
		u.t.Errorf("berth %s has a data race:\n%s", strings.Join(args, " "), stderr.String())
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that has to succeed.
func (u *berthUser) must(args ...string) outcome {
	u.t.Helper()
	o := u.run(args...)
	if o.code != 0 {
		u.t.Fatalf("berth %s: exit code %d\n%s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o
}

// tree is a directory: of each path what is there.
type tree map[string]string

// readTree reads a directory; nil when there is none.
func readTree(t testing.TB, dir string) tree {
	t.Helper()
	found := tree{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			found[rel] = "directory"
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			found[rel] = "link to " + target
			return err
		default:
			sum, err := hashFile(name)
			found[rel] = sum
			return err
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return string(sum.Sum(nil)), err
}

// sameTree fails the test unless a directory is as it should be.
func sameTree(t testing.TB, dir string, want tree) {
	t.Helper()
	got := readTree(t, dir)
	if maps.Equal(got, want) {
		return
	}
	for name := range got {
		if want[name] != got[name] {
			t.Errorf("%s: %s is there and should not be, or is something else", dir, name)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s: %s is missing", dir, name)
		}
	}
}

// noRemains fails the test when something is left beside an output.
func noRemains(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".berth") || strings.HasPrefix(e.Name(), "berth-") {
			t.Errorf("%s is left in %s", e.Name(), dir)
		}
	}
}

// quiet is the log of servers whose clients are cut off all the time.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	moveSize   = flag.Int("move.size", 128, "MiB of the artifact that TestKilled moves")
	moveTrials = flag.Int("move.trials", 3, "how often TestKilled kills a push and a pull")
)

// TestKilled kills commands with SIGKILL, at random moments of what they send or
// receive, and runs them again until they are done. What had arrived is not moved
// a second time: a kill costs less than a fifth of the artifact or, of a small one,
// less than what is on its way over all connections at a moment.
func TestKilled(t *testing.T) {
	s := newServer(t, setup{})
	dir := filepath.Join(t.TempDir(), "artifact")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	size := int64(*moveSize) * mib
	writeRandom(t, filepath.Join(dir, "random"), size)
	content := readTree(t, dir)
	k := &killing{t: t, server: s, dir: dir, size: size}
	t.Run("push", func(t *testing.T) {
		for n := range *moveTrials {
			t.Run(fmt.Sprint(n), func(t *testing.T) { k.push(t, fmt.Sprint("one", n), 1) })
		}
	})
	t.Run("push, killed again and again", func(t *testing.T) { k.push(t, "many", 8) })
	// For what is pulled below.
	u := newUser(t, s.port, nil)
	u.must("push", "data", dir, "--version", "1.0.0", "--tag", "v1")
	t.Run("pull", func(t *testing.T) {
		for n := range *moveTrials {
			t.Run(fmt.Sprint(n), func(t *testing.T) { k.pull(t, 1, content) })
		}
	})
	t.Run("pull, killed again and again", func(t *testing.T) { k.pull(t, 8, content) })
}

// writeRandom writes a file of random bytes.
func writeRandom(t testing.TB, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, mib)
	for range size / mib {
		_, _ = rand.Read(chunk)
		if _, err := f.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
}

type killing struct {
	t      *testing.T
	server *server
	dir    string
	size   int64
}

// push kills a push so many times.
func (k *killing) push(t *testing.T, name string, kills int) {
	p := newProxy(t, k.server.url)
	u := newUser(t, p.port, map[string]any{
		"namespaces": map[string]any{"custom": map[string]any{"data": "killed/" + name}},
		"remote":     map[string]any{"timeout": 30},
	})
	args := []string{"push", "data", k.dir, "--version", "1.0.0", "--tag", "v1"}
	killed := k.kill(t, u, kills, p.sent.Load, args)
	o := u.must(args...)
	k.cost(t, p.sent.Load(), killed, o)
	noRemains(t, u.path("tmp"))
	if _, err := newPuller(k.server.client, "killed/"+name+"/artifact").pull(context.Background(), "v1"); err != nil {
		t.Error(err)
	}
}

// pull kills a pull so many times.
func (k *killing) pull(t *testing.T, kills int, content tree) {
	p := newProxy(t, k.server.url)
	u := newUser(t, p.port, map[string]any{"remote": map[string]any{"timeout": 30}})
	out := u.path("out")
	args := []string{"pull", "data/artifact:v1", "-o", out}
	killed := k.kill(t, u, kills, p.received.Load, args)
	if readTree(t, out) != nil {
		t.Error("an output is there of a pull that was killed")
	}
	o := u.must(args...)
	k.cost(t, p.received.Load(), killed, o)
	noRemains(t, u.path("tmp"))
	sameTree(t, out, content)
}

// cost looks at how much was moved in all.
func (k *killing) cost(t *testing.T, moved int64, killed int, o outcome) {
	t.Helper()
	t.Logf("killed %d times, moved %.3f times the size", killed, float64(moved)/float64(k.size))
	if most := k.size + int64(killed)*max(k.size/5, 48*mib); moved > most {
		t.Errorf("moved %d bytes, more than %d, of %d: %s", moved, most, k.size, o.stderr)
	}
}

// kill starts a command and kills it when a random part of what is left has
// passed, so many times. It returns how often it was early enough.
func (k *killing) kill(t *testing.T, u *berthUser, times int, passed func() int64, args []string) (killed int) {
	t.Helper()
	for range times {
		before := passed()
		left := max(k.size-before, mib)
		// Anywhere from the first byte to just before the last.
		enough := before + int64(float64(left)*(0.02+0.93*mathrand.Float64())/float64(min(times, 4)))
		cmd := u.command(args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		until(ctx, func() bool {
			select {
			case <-ended:
				return true
			default:
				return passed() >= enough
			}
		})
		cancel()
		_ = cmd.Process.Kill()
		<-ended
		if cmd.ProcessState.ExitCode() < 0 {
			killed++
		}
	}
	return killed
}

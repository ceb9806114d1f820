package conformance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSharedCache pulls one artifact with many processes that share a cache: it is
// fetched once. A bit that flips in the cache is noticed, and mended where that is
// allowed.
func TestSharedCache(t *testing.T) {
	const size = 64 * mib
	s := newServer(t, setup{})
	dir := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeRandom(t, filepath.Join(dir, "random"), size)
	want := readTree(t, dir)
	p := newProxy(t, s.url)
	u := newUser(t, p.port, map[string]any{"remote": map[string]any{"timeout": 30}})
	u.must("push", "data", dir, "--version", "1.0.0", "--tag", "v1")

	pulls := make([]*exec.Cmd, 20)
	said := make([]bytes.Buffer, len(pulls))
	for n := range pulls {
		pulls[n] = u.command("pull", "data/shared:v1", "-o", u.path("out"+strconv.Itoa(n)))
		pulls[n].Stderr = &said[n]
		if err := pulls[n].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for n, cmd := range pulls {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, said[n].String())
		}
		out := u.path("out" + strconv.Itoa(n))
		sameTree(t, out, want)
		os.RemoveAll(out)
	}
	if got := p.received.Load(); got > size*11/10 {
		t.Errorf("%d bytes were fetched of a blob of %d", got, size)
	}

	damage(t, u.path("cache"), size)
	o := u.run("pull", "data/shared:v1", "-o", u.path("never"), "--policy", "never")
	if o.code != exitIntegrity && o.code != exitNotFound {
		t.Errorf("with policy never the damaged blob ends in exit code %d: %s", o.code, o.stderr)
	}
	if readTree(t, u.path("never")) != nil {
		t.Error("policy never has written an output")
	}
	u.must("pull", "data/shared:v1", "-o", u.path("again"))
	damage(t, u.path("cache"), size)
	o = u.must("pull", "data/shared:v1", "-o", u.path("mended"))
	if !strings.Contains(o.stderr, "damaged in the cache") {
		t.Errorf("nothing is said of the damage: %s", o.stderr)
	}
	sameTree(t, u.path("mended"), want)
	before := p.received.Load()
	u.must("pull", "data/shared:v1", "-o", u.path("cached"), "--policy", "never")
	if got := p.received.Load() - before; got != 0 {
		t.Errorf("%d bytes were fetched by policy never", got)
	}
	sameTree(t, u.path("cached"), want)
	noRemains(t, u.home)
}

// damage flips a bit of the only file of at least a size.
func damage(t *testing.T, dir string, size int64) {
	t.Helper()
	done := 0
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Size() < size {
			return err
		}
		done++
		if err := os.Chmod(name, 0o600); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, 1)
		if _, err = f.ReadAt(b, size/2); err == nil {
			b[0] ^= 1
			_, err = f.WriteAt(b, size/2)
		}
		return err
	})
	if err != nil || done != 1 {
		t.Fatalf("%d files were damaged: %v", done, err)
	}
}

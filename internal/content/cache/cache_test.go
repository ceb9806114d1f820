package cache_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/cache"
)

// childVar makes the test program use the cache in rootVar in a process of its
// own, that can be killed: its value is the name of one of children.
const (
	childVar = "BERTH_TEST_CHILD"
	rootVar  = "BERTH_TEST_ROOT"
)

var children = map[string]func(c *cache.Cache) error{
	"fetch once":  fetchOnce,
	"stop midway": stopMidway,
	"for ever":    forEver,
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVar)]; child != nil {
		c, err := cache.Open(os.Getenv(rootVar), nil)
		if err == nil {
			err = child(c)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// start runs a child, and returns what it prints.
func start(t *testing.T, child, root string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+child, rootVar+"="+root)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

func open(t testing.TB, dir string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// blob returns n bytes that differ by seed, and their descriptor.
func blob(n int, seed uint64) ([]byte, ocispec.Descriptor) {
	content := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = source.Read(content)
	return content, describe(content)
}

func describe(content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// writeMissing is a fetch that writes what is missing of content.
func writeMissing(content []byte) func(context.Context, *cache.Partial) error {
	return func(_ context.Context, p *cache.Partial) error {
		for _, r := range p.Missing() {
			if _, err := p.WriteAt(content[r.Start:r.End], r.Start); err != nil {
				return err
			}
		}
		return nil
	}
}

// expect fails the test unless a blob is there and is content.
func expect(t testing.TB, b *cache.Blob, err error, content []byte) {
	t.Helper()
	if err != nil || b == nil {
		t.Fatalf("no blob: %v, %v", b, err)
	}
	defer b.Close()
	r, err := b.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, content) || b.Size() != int64(len(content)) {
		t.Errorf("%d bytes of %d are wrong: %v", len(got), len(content), err)
	}
}

func put(t testing.TB, c *cache.Cache, content []byte) ocispec.Descriptor {
	t.Helper()
	d := describe(content)
	if err := c.Put(t.Context(), d, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return d
}

func blobPath(root string, d ocispec.Descriptor) string {
	return filepath.Join(root, "blobs", "sha256", d.Digest.Encoded()[:2], d.Digest.Encoded())
}

func partialPath(root string, d ocispec.Descriptor) string {
	return filepath.Join(root, "partial", "sha256-"+d.Digest.Encoded())
}

// flip changes a bit in the middle of a file.
func flip(t testing.TB, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// left returns the names of the files in a directory of the cache.
func left(t testing.TB, root, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func code(err error) diag.Code {
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return d.Code
	}
	return ""
}

func TestDir(t *testing.T) {
	home := t.TempDir()
	for name, test := range map[string]struct{ berth, xdg, want string }{
		"given":        {filepath.Join(home, "b"), filepath.Join(home, "x"), filepath.Join(home, "b")},
		"XDG":          {"", filepath.Join(home, "x"), filepath.Join(home, "x", "berth")},
		"relative XDG": {"", "x", filepath.Join(home, ".cache", "berth")},
		"home":         {"", "", filepath.Join(home, ".cache", "berth")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", home)
			t.Setenv("BERTH_CACHE_DIR", test.berth)
			t.Setenv("XDG_CACHE_HOME", test.xdg)
			if got, err := cache.Dir(); got != test.want || err != nil {
				t.Errorf("got %s, %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestPut(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(1000, 1)
	other := slices.Clone(content)
	other[500]++
	for name, wrong := range map[string][]byte{"other": other, "short": content[:999], "long": append(slices.Clone(content), 0)} {
		if err := c.Put(t.Context(), d, bytes.NewReader(wrong)); code(err) != diag.DigestMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if err := c.Put(t.Context(), d, io.MultiReader(bytes.NewReader(content[:10]), failing{broken})); !errors.Is(err, broken) || code(err) != "" {
		t.Errorf("a source that fails: %v", err)
	}
	if has, err := c.Has(d); has || err != nil {
		t.Errorf("it is there: %v", err)
	}
	if names := left(t, root, "tmp"); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
	put(t, c, content)
	put(t, c, content)
	if has, err := c.Has(d); !has || err != nil {
		t.Errorf("it is not there: %v", err)
	}
	b, err := c.Blob(t.Context(), d, true)
	expect(t, b, err, content)
	b, err = c.Fetch(t.Context(), d, nil)
	expect(t, b, err, content)

	b, err = c.Fetch(t.Context(), describe(nil), writeMissing(nil))
	expect(t, b, err, nil)
	empty := put(t, c, nil)
	b, err = c.Blob(t.Context(), empty, true)
	expect(t, b, err, nil)
}

// A power cut may take what was not synced: after a start of the machine all is
// hashed once more, whatever is asked for.
func TestOlderThanTheMachinesStart(t *testing.T) {
	c := open(t, t.TempDir())
	content, _ := blob(1000, 1)
	d := put(t, c, content)
	b, err := c.Blob(t.Context(), d, false)
	expect(t, b, err, content)
	if b, err = c.Blob(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	file := b.File().Name()
	b.Close()
	if err := os.WriteFile(file, make([]byte, len(content)), 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Unix(1e9, 0)
	if err := os.Chtimes(file, before, before); err != nil {
		t.Fatal(err)
	}
	if b, err := c.Blob(t.Context(), d, false); b != nil || err != nil {
		t.Fatalf("got %v, %v", b, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBadDescriptors(t *testing.T) {
	c := open(t, t.TempDir())
	_, good := blob(1, 1)
	for name, d := range map[string]ocispec.Descriptor{
		"no digest": {}, "a path": {Digest: "sha256:../../../../etc/passwd"}, "no algorithm": {Digest: "../x:00"}, "unknown": {Digest: "md5:d41d8cd98f00b204e9800998ecf8427e"},
		"negative": {Digest: good.Digest, Size: -1},
	} {
		_, blob := c.Blob(t.Context(), d, false)
		_, fetch := c.Fetch(t.Context(), d, nil)
		_, has := c.Has(d)
		for method, err := range map[string]error{
			"Blob": blob, "Fetch": fetch, "Has": has, "Put": c.Put(t.Context(), d, nil), "SetTag": c.SetTag(cache.Reference{Host: "h", Repository: "r", Tag: "t"}, cache.TagEntry{Descriptor: d}),
		} {
			if code(err) != diag.BadArtifact {
				t.Errorf("%s with %s: %v", method, name, err)
			}
		}
	}
}

// What is not as its digest says is never given out, whatever is wrong with it.
func TestDamaged(t *testing.T) {
	content, d := blob(1<<20, 1)
	for name, damage := range map[string]func(name string) error{
		"a bit": func(name string) error { flip(t, name); return nil },
		"short": func(name string) error { return os.Truncate(name, 1<<19) },
		"empty": func(name string) error { return os.Truncate(name, 0) },
		"long":  func(name string) error { return os.Truncate(name, 1<<20+1) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			var events []cache.Event
			c, err := cache.Open(root, func(e cache.Event) { events = append(events, e) })
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			put(t, c, content)
			if err := damage(blobPath(root, d)); err != nil {
				t.Fatal(err)
			}
			b, err := c.Fetch(t.Context(), d, writeMissing(content))
			expect(t, b, err, content)
			events = nil
			if err := damage(blobPath(root, d)); err != nil {
				t.Fatal(err)
			}
			if b, err := c.Blob(t.Context(), d, true); b != nil || err != nil {
				t.Errorf("got %v, %v", b, err)
			}
			if _, err := os.Stat(blobPath(root, d)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it is not removed: %v", err)
			}
			if want := []cache.Event{{Step: cache.Damaged, Digest: d.Digest}}; !slices.Equal(events, want) {
				t.Errorf("events %v", events)
			}
		})
	}
}

// A descriptor with a wrong size costs no good blob, and gets nothing.
func TestWrongSize(t *testing.T) {
	c := open(t, t.TempDir())
	content, d := blob(1000, 1)
	put(t, c, content)
	wrong := d
	wrong.Size = 999
	for _, verify := range []bool{true, false} {
		if b, err := c.Blob(t.Context(), wrong, verify); b != nil || err != nil {
			t.Errorf("verify %v: got %v, %v", verify, b, err)
		}
	}
	if _, err := c.Fetch(t.Context(), wrong, writeMissing(content)); code(err) != diag.DigestMismatch {
		t.Errorf("fetch: %v", err)
	}
	b, err := c.Blob(t.Context(), d, true)
	expect(t, b, err, content)
}

func TestModes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "b")
	c := open(t, root)
	content, d := blob(1000, 1)
	put(t, c, content)
	if err := c.SetTag(cache.Reference{Host: "h", Repository: "r", Tag: "t"}, cache.TagEntry{Descriptor: d}); err != nil {
		t.Fatal(err)
	}
	midway(t, c)
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// forEver puts, fetches and tags.
func forEver(c *cache.Cache) error {
	ctx := context.Background()
	for i := 0; ; i++ {
		content, d := blob(300<<10, uint64(i))
		if err := c.Put(ctx, d, bytes.NewReader(content)); err != nil {
			return err
		}
		if err := c.SetTag(cache.Reference{Host: "127.0.0.1:5000", Repository: "r", Tag: "t"}, cache.TagEntry{Descriptor: d}); err != nil {
			return err
		}
		content, d = blob(300<<10, uint64(1<<16+i))
		b, err := c.Fetch(ctx, d, writeMissing(content))
		if err != nil {
			return err
		}
		b.Close()
		fmt.Println("done", i)
	}
}

// Killed anywhere, a process leaves no wrong blob and no tag by half, and what it
// was at can be done again.
func TestKilled(t *testing.T) {
	root := t.TempDir()
	for round := range 6 {
		cmd, lines := start(t, "for ever", root)
		rounds := -1
		for lines.Scan() {
			if rounds < 0 {
				time.AfterFunc(time.Duration(3+7*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
			rounds++
		}
		_ = cmd.Wait()
		c := open(t, root)
		v, err := c.Verify(t.Context(), nil)
		if err != nil || len(v.Damaged) > 0 || v.Blobs < 2*rounds {
			t.Errorf("after %d rounds: %+v, %v", rounds, v, err)
		}
		e, ok := c.Tag(cache.Reference{Host: "127.0.0.1:5000", Repository: "r", Tag: "t"})
		if has, err := c.Has(e.Descriptor); !ok || !has || err != nil {
			t.Errorf("the tag leads to %+v, %v, %v", e, has, err)
		}
		for i := range rounds + 2 {
			content, d := blob(300<<10, uint64(1<<16+i))
			b, err := c.Fetch(t.Context(), d, writeMissing(content))
			expect(t, b, err, content)
		}
		if _, err := c.Prune(t.Context(), cache.PruneOptions{All: true}); err != nil {
			t.Error(err)
		}
		if names := append(left(t, root, "partial"), left(t, root, "tags")...); len(names) > 0 {
			t.Errorf("left are %v", names)
		}
	}
}

// Prune while others read and fetch: what they have is whole.
func TestPruneMeanwhile(t *testing.T) {
	root := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var pruning, readers sync.WaitGroup
	for range 2 {
		pruner := open(t, root)
		pruning.Go(func() {
			for ctx.Err() == nil {
				if _, err := pruner.Prune(ctx, cache.PruneOptions{All: true}); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 4 {
		c := open(t, root)
		readers.Go(func() {
			for j := range 25 {
				content, d := blob(200<<10, uint64(j+i%2))
				b, err := c.Fetch(t.Context(), d, writeMissing(content))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes are wrong: %v", len(got), err)
				}
				b.Close()
			}
		})
	}
	readers.Wait()
	stop()
	pruning.Wait()
}

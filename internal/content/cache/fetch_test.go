package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/cache"
)

// fetchOnce fetches a blob in twenty goroutines, and notes each time that the
// content is asked for.
func fetchOnce(c *cache.Cache) error {
	content, d := blob(3<<20, 1)
	var group errgroup.Group
	for range 20 {
		group.Go(func() error {
			b, err := c.Fetch(context.Background(), d, func(ctx context.Context, p *cache.Partial) error {
				calls, err := os.OpenFile(os.Getenv(rootVar)+".calls", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
				if err != nil {
					return err
				}
				if _, err := calls.WriteString("x"); err != nil {
					return err
				}
				time.Sleep(100 * time.Millisecond) // so that others come meanwhile
				return errors.Join(calls.Close(), writeMissing(content)(ctx, p))
			})
			if err != nil {
				return err
			}
			defer b.Close()
			got := make([]byte, d.Size)
			if _, err := b.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
				return fmt.Errorf("wrong content: %v", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// However many goroutines and processes want a blob at once, it is fetched once.
func TestFetchOnce(t *testing.T) {
	root := filepath.Join(t.TempDir(), "cache")
	var processes errgroup.Group
	for range 4 {
		cmd, _ := start(t, "fetch once", root)
		processes.Go(cmd.Wait)
	}
	if err := processes.Wait(); err != nil {
		t.Fatal(err)
	}
	if calls, err := os.ReadFile(root + ".calls"); string(calls) != "x" || err != nil {
		t.Errorf("fetched %d times: %v", len(calls), err)
	}
	if names := left(t, root, "partial"); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
}

const mib = 1 << 20

// stopMidway writes the beginning and the end of a blob, with a gap in both, and
// then waits to be killed.
func stopMidway(c *cache.Cache) error {
	content, d := blob(64*mib, 1)
	_, err := c.Fetch(context.Background(), d, func(_ context.Context, p *cache.Partial) error {
		for i := range int64(13) {
			for _, at := range []int64{i * mib, (48 + i) * mib} {
				if _, err := p.WriteAt(content[at:at+mib], at); err != nil {
					return err
				}
			}
		}
		fmt.Println("written")
		select {}
	})
	return err
}

// After a kill -9 only what is missing is fetched, and at most 8 MiB of what was
// there.
func TestResumeAfterKill(t *testing.T) {
	root := t.TempDir()
	cmd, lines := start(t, "stop midway", root)
	if !lines.Scan() {
		t.Fatal("the child ended")
	}
	var done int64
	c, err := cache.Open(root, func(e cache.Event) {
		if e.Step == cache.Resumed {
			done = e.Done
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	content, d := blob(64*mib, 1)

	// As long as it lives, others wait.
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Fetch(impatient, d, writeMissing(content)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one who does not wait got %v", err)
	}
	if p, err := c.Prune(t.Context(), cache.PruneOptions{All: true}); err != nil || p.Partials != 0 {
		t.Errorf("pruned %+v, %v", p, err)
	}

	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	var fetched int64
	b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		for _, r := range p.Missing() {
			fetched += r.Size()
		}
		return writeMissing(content)(ctx, p)
	})
	expect(t, b, err, content)
	if done < 18*mib || fetched != 64*mib-done || fetched < (64-26)*mib {
		t.Errorf("resumed after %d, fetched %d", done, fetched)
	}
	if names := left(t, root, "partial"); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
}

var errMidway = errors.New("the connection broke")

// midway fetches the second quarter of a blob and then fails.
func midway(t *testing.T, c *cache.Cache) {
	t.Helper()
	content, d := blob(4*mib, 1)
	_, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		_, err := p.WriteAt(content[mib:2*mib], mib)
		return errors.Join(err, errMidway)
	})
	if !errors.Is(err, errMidway) {
		t.Fatal(err)
	}
}

func TestFetchFailsMidway(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(4*mib, 1)
	midway(t, c)
	if b, err := c.Blob(t.Context(), d, true); b != nil || err != nil {
		t.Errorf("got %v, %v", b, err)
	}
	var reader io.ReadCloser
	_, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		if want := []cache.Range{{Start: 0, End: mib}, {Start: 2 * mib, End: 4 * mib}}; !slices.Equal(p.Missing(), want) {
			t.Errorf("missing is %v", p.Missing())
		}
		var err error
		if reader, err = p.Reader(t.Context()); err != nil {
			return err
		}
		_, err = p.WriteAt(content[:mib], 0)
		return err // too early
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), fmt.Sprint(2*mib)) {
		t.Errorf("a fetch that ends early: %v", err)
	}
	if _, err := io.ReadAll(reader); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("its reader: %v", err)
	}
	reader.Close()
	b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		if want := []cache.Range{{Start: 2 * mib, End: 4 * mib}}; !slices.Equal(p.Missing(), want) {
			t.Errorf("missing is %v", p.Missing())
		}
		return writeMissing(content)(ctx, p)
	})
	expect(t, b, err, content)
}

// What is complete is kept, also when something else went wrong with it.
func TestFetchFailsAtTheEnd(t *testing.T) {
	c := open(t, t.TempDir())
	content, d := blob(mib, 1)
	_, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		return errors.Join(writeMissing(content)(ctx, p), errMidway)
	})
	if !errors.Is(err, errMidway) {
		t.Error(err)
	}
	b, err := c.Blob(t.Context(), d, true)
	expect(t, b, err, content)
}

// One who was cancelled makes room for the next.
func TestFetchCancelled(t *testing.T) {
	c := open(t, t.TempDir())
	content, d := blob(mib, 1)
	ctx, cancel := context.WithCancel(t.Context())
	fetching := make(chan struct{})
	var next errgroup.Group
	next.Go(func() error {
		<-fetching
		b, err := c.Fetch(t.Context(), d, writeMissing(content))
		if err == nil {
			b.Close()
		}
		return err
	})
	_, err := c.Fetch(ctx, d, func(ctx context.Context, p *cache.Partial) error {
		r, err := p.Reader(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		defer r.Close()
		close(fetching)
		cancel()
		_, err = r.Read(make([]byte, 1)) // ends though nobody says so
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMismatch(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(4*mib, 1)
	wrong, _ := blob(4*mib, 2)
	calls := 0
	_, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		calls++
		r, err := p.Reader(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		if err := writeMissing(wrong)(ctx, p); err != nil {
			return err
		}
		// The reader does not end as if all were well.
		if _, err = io.ReadAll(r); code(err) != diag.DigestMismatch {
			t.Errorf("the reader ended with %v", err)
		}
		return errMidway
	})
	if code(err) != diag.DigestMismatch || calls != 1 {
		t.Errorf("after %d fetches: %v", calls, err)
	}
	if names := left(t, root, "partial"); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
	b, err := c.Fetch(t.Context(), d, writeMissing(content))
	expect(t, b, err, content)
}

// What an earlier process left is not trusted either.
func TestResumedMismatch(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	content, d := blob(4*mib, 1)
	midway(t, c)
	f, err := os.OpenFile(partialPath(root, d), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("wrong"), mib+7); err != nil {
		t.Fatal(err)
	}
	f.Close()
	var missing [][]cache.Range
	b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		missing = append(missing, p.Missing())
		return writeMissing(content)(ctx, p)
	})
	expect(t, b, err, content)
	if len(missing) != 2 || !slices.Equal(missing[1], []cache.Range{{Start: 0, End: 4 * mib}}) {
		t.Errorf("missing were %v", missing)
	}
	// Nor is it a reason to try for ever.
	midwayAgain := open(t, t.TempDir())
	midway(t, midwayAgain)
	wrong, _ := blob(4*mib, 2)
	if _, err := midwayAgain.Fetch(t.Context(), d, writeMissing(wrong)); code(err) != diag.DigestMismatch {
		t.Error(err)
	}
}

// A record that makes no sense vouches for nothing.
func TestDamagedRecords(t *testing.T) {
	content, d := blob(4*mib, 1)
	_, other := blob(4*mib, 2)
	record := func(r string) string {
		return fmt.Sprintf(`{"digest":%q,"size":%d,"written":%s}`, d.Digest, d.Size, r)
	}
	for name, text := range map[string]string{
		"empty": "", "half": record("[")[:40], "zeros": string(make([]byte, 100)), "no object": "7",
		"beyond": record(`[{"start":0,"end":4194305}]`), "negative": record(`[{"start":-1,"end":5}]`), "backwards": record(`[{"start":9,"end":5}]`),
		"overlap": record(`[{"start":0,"end":9},{"start":5,"end":10}]`), "unsorted": record(`[{"start":20,"end":30},{"start":5,"end":10}]`),
		"other": strings.Replace(record(`[{"start":0,"end":9}]`), d.Digest.Encoded(), other.Digest.Encoded(), 1),
		"size":  strings.Replace(record(`[{"start":0,"end":9}]`), "4194304", "4194303", 1),
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c := open(t, root)
			midway(t, c)
			if err := os.WriteFile(partialPath(root, d)+".json", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			calls := 0
			b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
				if calls++; !slices.Equal(p.Missing(), []cache.Range{{Start: 0, End: 4 * mib}}) {
					t.Errorf("missing is %v", p.Missing())
				}
				return writeMissing(content)(ctx, p)
			})
			expect(t, b, err, content)
			if calls != 1 {
				t.Errorf("%d fetches", calls)
			}
		})
	}
	// A sound record does, without what it vouches for.
	for name, damage := range map[string]func(name string) error{
		"short": func(name string) error { return os.Truncate(name, 3*mib) }, "gone": os.Remove,
	} {
		root := t.TempDir()
		c := open(t, root)
		midway(t, c)
		if err := damage(partialPath(root, d)); err != nil {
			t.Fatal(err)
		}
		b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
			// Nor does it for what comes now, should this process be killed.
			if _, err := os.Stat(partialPath(root, d) + ".json"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: the record is there: %v", name, err)
			}
			return writeMissing(content)(ctx, p)
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		expect(t, b, err, content)
	}
}

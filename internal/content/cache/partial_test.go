package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/content/cache"
)

// Several workers write in any order, and over each other, while several readers
// follow.
func TestReaders(t *testing.T) {
	c := open(t, t.TempDir())
	content, d := blob(5*mib+12345, 1)
	var read atomic.Int64
	b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		group, ctx := errgroup.WithContext(ctx)
		for range 3 {
			r, err := p.Reader(ctx)
			if err != nil {
				return err
			}
			group.Go(func() error {
				defer r.Close()
				got, err := io.ReadAll(r)
				if err == nil && !bytes.Equal(got, content) {
					err = fmt.Errorf("%d wrong bytes", len(got))
				}
				read.Add(1)
				return err
			})
		}
		const piece = 40_000
		pieces := make(chan int64)
		for range 4 {
			group.Go(func() error {
				for at := range pieces {
					end := min(at+piece+piece/3, d.Size)
					if n, err := p.WriteAt(content[at:end], at); err != nil || n != int(end-at) {
						return fmt.Errorf("wrote %d: %w", n, err)
					}
				}
				return nil
			})
		}
		group.Go(func() error {
			defer close(pieces)
			for at := int64(0); at < d.Size; at += 2 * piece {
				for _, at := range []int64{at + piece, at} { // each second one first
					if at >= d.Size {
						continue
					}
					select {
					case pieces <- at:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}
			return nil
		})
		return group.Wait()
	})
	expect(t, b, err, content)
	if read.Load() != 3 {
		t.Errorf("%d readers", read.Load())
	}
}

// What was written once is what is read, whatever is written there later.
func TestWrittenOnce(t *testing.T) {
	c := open(t, t.TempDir())
	content, d := blob(mib, 1)
	wrong, _ := blob(mib, 2)
	b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		if _, err := p.WriteAt(content[1000:mib], 1000); err != nil {
			return err
		}
		if n, err := p.WriteAt(wrong[1000:2000], 1000); n != 1000 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		for _, off := range []int64{-1, mib - 1, mib, 1<<63 - 2} {
			if _, err := p.WriteAt(wrong[:2], off); err == nil {
				t.Errorf("bytes at %d are taken", off)
			}
		}
		if p.Size() != mib {
			t.Errorf("size %d", p.Size())
		}
		_, err := p.WriteAt(content[:1000], 0)
		return err
	})
	expect(t, b, err, content)
}

func TestReaderIsCancelled(t *testing.T) {
	c := open(t, t.TempDir())
	content, d := blob(mib, 1)
	b, err := c.Fetch(t.Context(), d, func(ctx context.Context, p *cache.Partial) error {
		reading, cancel := context.WithCancel(ctx)
		defer cancel()
		r, err := p.Reader(reading)
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := p.WriteAt(content[:100], 0); err != nil {
			return err
		}
		got := make([]byte, 100)
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, content[:100]) {
			t.Errorf("%x, %v", got, err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			if n, err := r.Read(got); n != 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
		cancel()
		group.Wait()
		return writeMissing(content)(ctx, p)
	})
	expect(t, b, err, content)
}

// The record on the disk is JSON with what is written, for those who look.
func TestRecord(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	_, d := blob(4*mib, 1)
	midway(t, c)
	data, err := os.ReadFile(partialPath(root, d) + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Digest  string
		Size    int64
		Written []cache.Range
	}
	if err := json.Unmarshal(data, &r); err != nil || r.Digest != d.Digest.String() || r.Size != d.Size ||
		!slices.Equal(r.Written, []cache.Range{{Start: mib, End: 2 * mib}}) {
		t.Errorf("%s: %v", data, err)
	}
}

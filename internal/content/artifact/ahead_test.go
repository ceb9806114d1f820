package artifact

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Packing that fails or is given up ends, with its cause and without goroutines.
func TestPackFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), mixed(8*gzipBlock), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Compression{"gzip": {Enabled: true, Level: 1}, "zstd": {Enabled: true, Zstd: true, Level: 1}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			for _, left := range []int{0, gzipBlock} {
				_, err := PackLayer(context.Background(), &full{left}, dir, "a", c, nil)
				if !errors.Is(err, errFull) || strings.Count(err.Error(), "full") > 1 {
					t.Errorf("got %v, want once that it is full", err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			_, err := PackLayer(ctx, io.Discard, dir, "a", c, func(done int64) {
				if done > 3*gzipBlock {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it was given up", err)
			}
			wantNoMore(t, before)
		})
	}
}

// Everything arrives, in order, however it was cut.
func TestAhead(t *testing.T) {
	data := random(3*aheadSize+17, 1)
	for _, piece := range []int{1000, aheadSize, 2*aheadSize + 1} {
		var got bytes.Buffer
		a := newAhead(&got)
		for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			a.Write(rest[:min(piece, len(rest))])
		}
		if err := a.Close(); err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("in pieces of %d: %d bytes, %v", piece, got.Len(), err)
		}
	}
}

package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

func testUpload(t *testing.T, d storagedriver.StorageDriver) {
	content := random(11<<20 + 3)
	w := writer(t, d, "/upload/data", false)
	for piece := range slices.Chunk(content, 100_000) {
		if n, err := w.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if w.Size() != int64(len(content)) {
		t.Errorf("size is %d before the commit", w.Size())
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("write after commit")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err == nil {
		t.Error("closed twice")
	}
	if get(t, d, "/upload/data") != string(content) {
		t.Error("another content")
	}
	w = writer(t, d, "/upload/data", false)
	if w.Size() != 0 {
		t.Errorf("a new upload has %d bytes", w.Size())
	}
	finish(t, w)
}

func testEmptyUpload(t *testing.T, d storagedriver.StorageDriver) {
	finish(t, writer(t, d, "/empty/data", false))
	if info, err := d.Stat(t.Context(), "/empty/data"); err != nil || info.Size() != 0 || info.IsDir() {
		t.Errorf("%+v, %v", info, err)
	}
	if got := get(t, d, "/empty/data"); got != "" {
		t.Errorf("got %q", got)
	}
	if err := d.Move(t.Context(), "/empty/data", "/empty/moved"); err != nil {
		t.Error(err)
	}
}

// An upload in requests of odd sizes, each with a writer of its own.
func testResume(t *testing.T, d storagedriver.StorageDriver) {
	const mib = 1 << 20
	for i, sizes := range [][]int{
		{1, 4 * mib, 6 * mib, 11*mib + 3},
		{11*mib + 3, 1, 1, 6 * mib},
		{0, 1, 0, 5 * mib, 0},
		{6 * mib, 0, 6 * mib},
	} {
		p := fmt.Sprintf("/resume/%d/data", i)
		var want []byte
		for j, size := range sizes {
			w := writer(t, d, p, j > 0)
			if w.Size() != int64(len(want)) {
				t.Errorf("%v: at %d is size %d, want %d", sizes, j, w.Size(), len(want))
			}
			piece := random(size)
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
			want = append(want, piece...)
			if w.Size() != int64(len(want)) {
				t.Errorf("%v: after %d is size %d, want %d", sizes, j, w.Size(), len(want))
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, writer(t, d, p, true))
		if get(t, d, p) != string(want) {
			t.Errorf("%v: another content", sizes)
		}
	}
}

// When a move fails, or a registry dies before it, the client goes on with what
// is committed already.
func testResumeCommitted(t *testing.T, d storagedriver.StorageDriver) {
	for i, size := range []int{0, 10, 6 << 20} {
		p, content := fmt.Sprintf("/committed/%d/data", i), random(size)
		w := writer(t, d, p, false)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		finish(t, w)
		w = writer(t, d, p, true)
		if w.Size() != int64(size) {
			t.Errorf("size is %d, want %d", w.Size(), size)
		}
		if _, err := w.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		finish(t, w)
		if get(t, d, p) != string(content)+"more" {
			t.Error("another content")
		}
	}
}

func testCancel(t *testing.T, d storagedriver.StorageDriver) {
	for _, sizes := range [][]int{{10}, {10, 10}, {11 << 20}, {11 << 20, 0}} {
		for i, size := range sizes {
			w := writer(t, d, "/cancel/data", i > 0)
			if _, err := w.Write(random(size)); err != nil {
				t.Fatal(err)
			}
			if i == len(sizes)-1 {
				if err := w.Cancel(t.Context()); err != nil {
					t.Errorf("%v: %v", sizes, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Errorf("%v: %v", sizes, err)
			}
		}
		if _, err := d.Stat(t.Context(), "/cancel/data"); !errors.As(err, new(storagedriver.PathNotFoundError)) {
			t.Errorf("%v: stat: %v", sizes, err)
		}
		if _, err := d.Writer(t.Context(), "/cancel/data", true); !errors.As(err, new(storagedriver.PathNotFoundError)) {
			t.Errorf("%v: resume: %v", sizes, err)
		}
	}
}

// What a client sent before it went away is there when it comes back.
func testClientGone(t *testing.T, d storagedriver.StorageDriver) {
	ctx, leave := context.WithCancel(t.Context())
	w, err := d.Writer(ctx, "/gone/data", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("sent")); err != nil {
		t.Fatal(err)
	}
	leave()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	w = writer(t, d, "/gone/data", true)
	if w.Size() != 4 {
		t.Errorf("size is %d", w.Size())
	}
	finish(t, w)
}

func testMove(t *testing.T, d storagedriver.StorageDriver) {
	content := random(40 << 20) // S3 copies what is larger than 32 MiB in parts
	w := writer(t, d, "/move/from", false)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	finish(t, w)
	put(t, d, "/move/to/there", "old")
	if err := d.Move(t.Context(), "/move/from", "/move/to/there"); err != nil {
		t.Fatal(err)
	}
	if info, err := d.Stat(t.Context(), "/move/to/there"); err != nil || info.Size() != int64(len(content)) {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := d.Stat(t.Context(), "/move/from"); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("stat of the source: %v", err)
	}
	if read(t, d, "/move/to/there", 0) != string(content) {
		t.Error("another content")
	}
}

func writer(t *testing.T, d storagedriver.StorageDriver, p string, resume bool) storagedriver.FileWriter {
	t.Helper()
	w, err := d.Writer(t.Context(), p, resume)
	if err != nil {
		t.Fatalf("writer for %s: %v", p, err)
	}
	return w
}

func finish(t *testing.T, w storagedriver.FileWriter) {
	t.Helper()
	if err := w.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func random(n int) []byte {
	var content bytes.Buffer
	_, _ = io.CopyN(&content, rand.NewChaCha8([32]byte{byte(n)}), int64(n))
	return content.Bytes()
}

package artifact

import (
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/pgzip"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// mixed returns n bytes, some of which compress and some of which do not.
func mixed(n int) []byte {
	data := random(n, 1)
	for at := 0; at < n; at += 50_000 {
		copy(data[at:min(n, at+20_000)], logLines(20_000))
	}
	return data
}

// compressed writes data in pieces of a size and returns what it became.
func compressed(t testing.TB, data []byte, level, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := newGzipWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if n, err := z.Write(rest[:min(piece, len(rest))]); n != min(piece, len(rest)) || err != nil {
			t.Fatalf("wrote %d: %v", n, err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wantMember has the standard library read one member and nothing after it.
func wantMember(t testing.TB, zipped, want []byte) {
	t.Helper()
	in := bytes.NewReader(zipped)
	r, err := stdgzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes and %v, want the %d that were written", len(got), err, len(want))
	}
	if in.Len() > 0 {
		t.Errorf("%d bytes follow the member", in.Len())
	}
}

func TestGzipRoundTrip(t *testing.T) {
	all := mixed(4 * gzipBlock)
	for _, size := range []int{0, 1, 511, probePiece + 1, gzipBlock - 1, gzipBlock, gzipBlock + 1, 3*gzipBlock + 70_000} {
		for _, level := range []int{0, 1, 6, 9} {
			t.Run(fmt.Sprintf("%d at %d", size, level), func(t *testing.T) {
				data := all[:size]
				zipped := compressed(t, data, level, 100_000)
				wantMember(t, zipped, data)
				if want := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"; string(zipped[:10]) != want {
					t.Errorf("header %x, want %x", zipped[:10], want)
				}
				for name, open := range map[string]func(io.Reader) (io.Reader, error){
					"klauspost": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
					"pgzip":     func(r io.Reader) (io.Reader, error) { return pgzip.NewReader(r) },
				} {
					r, err := open(bytes.NewReader(zipped))
					if err != nil {
						t.Fatal(err)
					}
					if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s got %d bytes and %v", name, len(got), err)
					}
				}
			})
		}
	}
}

// Level 0 stores, whatever the content.
func TestGzipStores(t *testing.T) {
	data := logLines(gzipBlock + 5)
	if got, most := len(compressed(t, data, 0, 1<<20)), len(data)+5*(len(data)/maxStored+2)+20; got < len(data) || got > most {
		t.Errorf("%d bytes became %d", len(data), got)
	}
}

func TestGzipLevels(t *testing.T) {
	for _, level := range []int{-1, 10} {
		if _, err := newGzipWriter(io.Discard, level); err == nil {
			t.Errorf("level %d was taken", level)
		}
	}
}

// Neither the cores nor the sizes of the writes change what is written.
func TestGzipIsDeterministic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	data := mixed(5*gzipBlock + 77)
	want := compressed(t, data, 6, len(data))
	for cores, piece := range map[int]int{1: 4096, 2: 99_991, 3: gzipBlock, 8: 3*gzipBlock + 1} {
		runtime.GOMAXPROCS(cores)
		if got := compressed(t, data, 6, piece); !bytes.Equal(got, want) {
			t.Errorf("%d cores and writes of %d bytes make other bytes", cores, piece)
		}
	}
}

// Programs that are no part of this one read it too.
func TestGzipPrograms(t *testing.T) {
	data := mixed(3*gzipBlock + 12_345)
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "files"), data, 0o644)
	var archive bytes.Buffer
	if _, err := PackLayer(context.Background(), &archive, dir, "a", Compression{Enabled: true, Level: 6}, nil); err != nil {
		t.Fatal(err)
	}
	zip := filepath.Join(t.TempDir(), "x.tar.gz")
	if err := os.WriteFile(zip, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	const python = `import gzip, sys, tarfile, zlib
data = open(sys.argv[1], "rb").read()
d = zlib.decompressobj(31)
plain = d.decompress(data)
assert d.eof and not d.unused_data and plain == gzip.decompress(data)
sys.stdout.buffer.write(tarfile.open(sys.argv[1]).extractfile("a/files").read())`
	t.Run("gzip", func(t *testing.T) {
		program := testtool.Path(t, "gzip")
		if out, err := exec.Command(program, "-t", zip).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if out, err := exec.Command(program, "-dc", zip).Output(); err != nil || !bytes.Contains(out, data) {
			t.Errorf("got %d bytes and %v", len(out), err)
		}
	})
	t.Run("python", func(t *testing.T) {
		out, err := exec.Command(testtool.Path(t, "python3"), "-c", python, zip).Output()
		if err != nil || !bytes.Equal(out, data) {
			t.Errorf("got %d bytes and %v", len(out), err)
		}
	})
}

var errFull = errors.New("full")

// full fails behind so many bytes.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// wantNoMore waits until there are no more goroutines than there were.
func wantNoMore(t *testing.T, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// A writer that fails, at whatever byte, fails what writes to it, and no
// goroutine is left.
func TestGzipFails(t *testing.T) {
	data := mixed(6 * gzipBlock)
	for _, left := range []int{0, 9, 10, 12, gzipBlock / 4, 2 * gzipBlock, len(compressed(t, data, 1, 1<<20)) - 1} {
		before := runtime.NumGoroutine()
		z, err := newGzipWriter(&full{left}, 1)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err = z.Write(data[:len(data)/2])
		}
		if closed := z.Close(); !errors.Is(closed, errFull) || err != nil && !errors.Is(err, errFull) {
			t.Errorf("room for %d: got %v of writing and %v of closing", left, err, closed)
		}
		if err := z.Close(); !errors.Is(err, errFull) {
			t.Errorf("closed again: %v", err)
		}
		if _, err := z.Write(data); err == nil {
			t.Error("wrote after closing")
		}
		wantNoMore(t, before)
	}
}

// Who writes does not have all of it compressed to learn that nothing is taken.
func TestGzipFailsSoon(t *testing.T) {
	z, _ := newGzipWriter(&full{100}, 6)
	defer z.Close()
	data := random(gzipBlock, 1)
	for range 10 * (runtime.GOMAXPROCS(0) + 3) {
		if _, err := z.Write(data); err != nil {
			return
		}
	}
	t.Error("goes on taking")
}

// slow lets what is ahead of it pile up.
type slow struct{}

func (slow) Write(p []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return len(p), nil
}

func TestGzipMemoryIsBounded(t *testing.T) {
	z, _ := newGzipWriter(slow{}, 1)
	data := random(gzipBlock, 1)
	for range 8 * (runtime.GOMAXPROCS(0) + 3) {
		z.Write(data)
	}
	if err := z.Close(); err != nil || z.made > runtime.GOMAXPROCS(0)+2 {
		t.Errorf("%d blocks, %v", z.made, err)
	}
}

// FuzzGzip makes content of instructions: each pair of bytes adds up to 64 KiB of
// noise, of text, of zeros or of what was there before.
func FuzzGzip(f *testing.F) {
	f.Add([]byte{0, 20, 1, 9, 0, 255, 0, 255, 3, 7, 2, 1, 0, 255, 0, 255, 1, 255}, uint8(6), uint16(999))
	f.Add([]byte{1, 255, 0, 1, 3, 255}, uint8(9), uint16(1))
	f.Fuzz(func(t *testing.T, script []byte, level uint8, piece uint16) {
		source := rand.NewChaCha8([32]byte{4})
		var data []byte
		for ; len(script) >= 2 && len(data) < 3*gzipBlock; script = script[2:] {
			part := make([]byte, int(script[1])*257+int(script[0]>>2))
			switch script[0] % 4 {
			case 0:
				source.Read(part)
			case 1:
				copy(part, logLines(len(part)))
			case 3:
				copy(part, data[max(0, len(data)-(int(script[0])+1)*300):])
			}
			data = append(data, part...)
		}
		data = append(data, script...)
		zipped := compressed(t, data, int(level%10), max(1, len(data)/3))
		wantMember(t, zipped, data)
		if !bytes.Equal(zipped, compressed(t, data, int(level%10), 1000+int(piece))) {
			t.Error("the size of the writes matters")
		}
	})
}

package artifact

import (
	"bytes"
	"context"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BenchmarkGzip compresses 256 MiB: MB/s are of the content, and ratio is what it
// became. Level 9 takes a quarter of a minute for text.
func BenchmarkGzip(b *testing.B) {
	const size, piece = 256 << 20, 32 << 10
	noise := random(size, 1)
	half := append([]byte{}, noise...)
	lines := logLines(size)
	for at := 0; at < size; at += 2 * piece {
		copy(half[at:at+piece], lines[at:])
	}
	for _, in := range []struct {
		name string
		data []byte
	}{{"random", noise}, {"half text", half}, {"text", lines}} {
		for _, level := range []int{1, 6, 9} {
			b.Run(fmt.Sprintf("%s/%d", in.name, level), func(b *testing.B) {
				b.SetBytes(size)
				var out counter
				for b.Loop() {
					out = counter{hash: nothing{}, w: io.Discard}
					z, err := newGzipWriter(&out, level)
					if err != nil {
						b.Fatal(err)
					}
					for at := 0; at < size; at += piece {
						z.Write(in.data[at : at+piece])
					}
					if err := z.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(out.n)/size, "ratio")
			})
		}
	}
}

// nothing is a hash that takes no time.
type nothing struct{ hash.Hash }

func (nothing) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkPack packs one file of 512 MiB, and 5,000 of 20 kB, of random bytes.
func BenchmarkPack(b *testing.B) {
	one, small := b.TempDir(), b.TempDir()
	if err := os.WriteFile(filepath.Join(one, "x"), random(512<<20, 1), 0o644); err != nil {
		b.Fatal(err)
	}
	smallFiles(b, small)
	for _, in := range []struct {
		name, dir string
		size      int64
	}{{"one", one, 512 << 20}, {"small", small, 100_000_000}} {
		for _, c := range []Compression{{Enabled: true, Level: 6}, {Enabled: true, Level: 9}, {}} {
			b.Run(fmt.Sprintf("%s/%t-%d", in.name, c.Enabled, c.Level), func(b *testing.B) {
				b.SetBytes(in.size)
				for b.Loop() {
					if _, err := PackLayer(context.Background(), io.Discard, in.dir, "a", c, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// smallFiles writes 5,000 files of 20 kB of random bytes.
func smallFiles(b *testing.B, dir string) {
	source, content := rand.NewChaCha8([32]byte{1}), make([]byte, 20_000)
	for i := range 5000 {
		source.Read(content)
		file := filepath.Join(dir, fmt.Sprintf("%02d/%05d", i%50, i))
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// smallLayer packs them.
func smallLayer(b *testing.B) (dir string, layer ocispec.Descriptor, data []byte) {
	b.Helper()
	dir = b.TempDir()
	smallFiles(b, dir)
	var buf bytes.Buffer
	layer, err := PackLayer(context.Background(), &buf, dir, "a", Compression{Enabled: true, Level: 6}, nil)
	if err != nil {
		b.Fatal(err)
	}
	layer.Annotations = map[string]string{AnnotationUnpack: "true", ocispec.AnnotationTitle: "a"}
	b.SetBytes(int64(buf.Len()))
	return dir, layer, buf.Bytes()
}

// put puts a layer through an Unpacker.
func put(b *testing.B, open opener, dir string, layer ocispec.Descriptor, data []byte) {
	b.Helper()
	u, err := open(dir, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	defer u.Close()
	if err := u.Layer(context.Background(), layer, "", bytes.NewReader(data)); err != nil {
		b.Fatal(err)
	}
	if err := u.Finish(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUnpackSmall unpacks small files, without the sync. Set TMPDIR to a tmpfs:
// ext4 is slow to make files where some were just removed.
func BenchmarkUnpackSmall(b *testing.B) {
	_, layer, data := smallLayer(b)
	for b.Loop() {
		s, err := Stage(filepath.Join(b.TempDir(), "out"))
		if err != nil {
			b.Fatal(err)
		}
		put(b, NewUnpacker, s.Dir, layer, data)
		s.Discard()
	}
}

// BenchmarkUnpackAgain unpacks small files where they are already: beside them, to
// compare the directories, and in place.
func BenchmarkUnpackAgain(b *testing.B) {
	b.Run("beside", func(b *testing.B) {
		dir, layer, data := smallLayer(b)
		for b.Loop() {
			s, err := Stage(dir)
			if err != nil {
				b.Fatal(err)
			}
			put(b, NewUnpacker, s.Dir, layer, data)
			if unchanged, err := s.Commit(false); err != nil || !unchanged {
				b.Fatal(unchanged, err)
			}
			s.Discard()
		}
	})
	b.Run("in place", func(b *testing.B) {
		dir, layer, data := smallLayer(b)
		b.ReportAllocs()
		for b.Loop() {
			put(b, NewComparer, dir, layer, data)
		}
	})
}

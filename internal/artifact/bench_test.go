package artifact

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// smallFiles packs 5,000 files of 20 kB each.
func smallFiles(b *testing.B) (dir string, layer ocispec.Descriptor, data []byte) {
	b.Helper()
	dir, random, content := b.TempDir(), rand.NewChaCha8([32]byte{1}), make([]byte, 20_000)
	for i := range 5000 {
		random.Read(content)
		file := filepath.Join(dir, fmt.Sprintf("%02d/%05d", i%50, i))
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
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
	_, layer, data := smallFiles(b)
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
		dir, layer, data := smallFiles(b)
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
		dir, layer, data := smallFiles(b)
		b.ReportAllocs()
		for b.Loop() {
			put(b, NewComparer, dir, layer, data)
		}
	})
}

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

// BenchmarkUnpackSmall unpacks 5,000 files of 20 kB each, without the sync. Set
// TMPDIR to a tmpfs: ext4 is slow to make files where some were just removed.
func BenchmarkUnpackSmall(b *testing.B) {
	dir, random, content := b.TempDir(), rand.NewChaCha8([32]byte{1}), make([]byte, 20_000)
	for i := range 5000 {
		random.Read(content)
		file := filepath.Join(dir, fmt.Sprintf("%02d/%05d", i%50, i))
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	var data bytes.Buffer
	layer, err := PackLayer(context.Background(), &data, dir, "a", Compression{Enabled: true, Level: 6}, nil)
	if err != nil {
		b.Fatal(err)
	}
	layer.Annotations = map[string]string{AnnotationUnpack: "true", ocispec.AnnotationTitle: "a"}
	b.SetBytes(int64(data.Len()))
	for b.Loop() {
		s, err := Stage(filepath.Join(b.TempDir(), "out"))
		if err != nil {
			b.Fatal(err)
		}
		u, err := NewUnpacker(s.Dir, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if err := u.Layer(context.Background(), layer, "", bytes.NewReader(data.Bytes())); err != nil {
			b.Fatal(err)
		}
		if err := u.Close(); err != nil {
			b.Fatal(err)
		}
		s.Discard()
	}
}

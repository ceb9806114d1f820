package artifact

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/pgzip"
)

// random returns bytes that do not compress.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// logLines returns text that does.
func logLines(n int) []byte {
	source := rand.New(rand.NewChaCha8([32]byte{2}))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "2026-01-02T15:04:%02d level=info msg=\"request done\" id=%x status=%d\n", source.IntN(60), source.Uint32(), 200+source.IntN(5))
	}
	return b[:n]
}

// archiveOf returns a tar archive of files.
func archiveOf(files ...[]byte) []byte {
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for i, data := range files {
		tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("a/%05d", i), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatPAX})
		tw.Write(data)
	}
	tw.Close()
	return out.Bytes()
}

// table returns records of some bytes, each one of so many.
func table(size, records, n int) []byte {
	source, of := rand.New(rand.NewChaCha8([32]byte{5})), random(size*records, 6)
	var b []byte
	for len(b) < n {
		at := source.IntN(records) * size
		b = append(b, of[at:at+size]...)
	}
	return b
}

// whole is what pgzip makes of everything, random or not.
func whole(t *testing.T, data []byte, level int) int {
	var out bytes.Buffer
	z, err := pgzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(data)
	z.Close()
	return out.Len()
}

// What compresses becomes about as small as where nothing is taken for random, or
// smaller, as what has no matches but other codes has.
func TestCompressibleIsCompressed(t *testing.T) {
	const n = 2 << 20
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var utf16Text, floats, sixteen []byte
	for _, r := range utf16.Encode([]rune(string(logLines(n/4)) + "日本語の文章もある。")) {
		utf16Text = binary.LittleEndian.AppendUint16(utf16Text, r)
	}
	source := rand.New(rand.NewChaCha8([32]byte{3}))
	for i := range n / 8 {
		floats = binary.LittleEndian.AppendUint64(floats, math.Float64bits(source.Float64()))
		sixteen = binary.LittleEndian.AppendUint16(sixteen, uint16(i*i)/16+uint16(source.IntN(900)))
	}
	var twice []byte
	for i := range n / 2 / probePiece {
		piece := random(probePiece, byte(i))
		twice = append(append(twice, piece...), piece...)
	}
	coded := map[string]float64{"base64": 0.77, "hex": 0.6, "64-bit floats": 0.96, "each piece twice": 0.51}
	for name, data := range map[string][]byte{
		"text": logLines(n), "zeros": make([]byte, n), "executable": executable[:min(len(executable), 4<<20)],
		"base64":           []byte(base64.StdEncoding.EncodeToString(random(n, 1))),
		"hex":              []byte(hex.EncodeToString(random(n, 1))),
		"UTF-16":           utf16Text,
		"64-bit floats":    floats,
		"16-bit samples":   sixteen,
		"repeated 300":     bytes.Repeat(random(300, 1), n/300),
		"repeated 1,500":   bytes.Repeat(random(1500, 1), n/1500),
		"repeated 20,000":  bytes.Repeat(random(20_000, 1), n/20_000),
		"repeated 32,000":  bytes.Repeat(random(32_000, 1), n/32_000),
		"32-byte records":  table(32, 300, n),
		"16-byte records":  table(16, 300, n),
		"each piece twice": twice, "half text": mixed(n),
		"the same file":    archiveOf(random(9000, 1), random(9000, 1), random(9000, 1), random(9000, 1)),
		"small text files": archiveOf(logLines(700), random(6000, 1), logLines(900), random(6000, 2), logLines(2000)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, level := range []int{1, 6} {
				got, want := len(compressed(t, data, level, len(data))), whole(t, data, level)
				t.Logf("level %d: %d bytes became %d, without a look at them %d", level, len(data), got, want)
				if float64(got) > 1.01*float64(want)+100 {
					t.Errorf("level %d: %d bytes became %d, and could be %d", level, len(data), got, want)
				}
				if most, ok := coded[name]; ok && float64(got) > most*float64(len(data)) {
					t.Errorf("level %d: %d bytes became %d, want %.2f of it at most", level, len(data), got, most)
				}
			}
		})
	}
}

// What does not compress is stored, between what does as well.
func TestRandomIsStored(t *testing.T) {
	var files [][]byte
	for i := range 60 {
		files = append(files, random(20_000, byte(i)))
	}
	data := random(3<<20, 1)
	var zipped bytes.Buffer
	z, _ := pgzip.NewWriterLevel(&zipped, 6)
	z.Write(logLines(10 << 20))
	z.Close()
	for name, c := range map[string]struct {
		data  []byte
		least float64 // how much of it is random
	}{
		"random": {data, 1}, "compressed": {zipped.Bytes(), 0.99},
		"small files": {archiveOf(files...), 0.94}, "between text": {append(append(logLines(10_000), data[:100_000]...), logLines(10_000)...), 0.82},
	} {
		t.Run(name, func(t *testing.T) {
			var p prober
			found := 0
			for start := 0; start < len(c.data); start += gzipBlock {
				window := min(start, gzipWindow)
				for _, r := range p.runs(c.data[start-window:min(start+gzipBlock, len(c.data))], window) {
					if r.random {
						found += r.end - r.start
					}
				}
			}
			if got := float64(found) / float64(len(c.data)); got < c.least {
				t.Errorf("%.3f of it are found to be random, want %.2f", got, c.least)
			}
			for _, level := range []int{1, 6, 9} {
				if got := len(compressed(t, c.data, level, 1<<20)); got > len(c.data)+len(c.data)/5000+64 {
					t.Errorf("level %d: %d bytes became %d", level, len(c.data), got)
				}
			}
		})
	}
}

// The runs are all of the data, one behind the other, and of two kinds in turn.
func TestRunsCover(t *testing.T) {
	source := rand.New(rand.NewChaCha8([32]byte{7}))
	var p prober
	for range 200 {
		var data []byte
		for range source.IntN(12) {
			part := random(source.IntN(20_000), byte(source.IntN(4)))
			if source.IntN(2) == 0 {
				part = logLines(len(part))
			}
			data = append(data, part...)
		}
		window := min(len(data)/3, gzipWindow)
		at := window
		for i, r := range p.runs(data, window) {
			if r.start != at || r.end <= r.start || i > 0 && p.found[i-1].random == r.random {
				t.Fatalf("runs of %d bytes after %d: %v", len(data), window, p.found)
			}
			at = r.end
		}
		if at != len(data) {
			t.Fatalf("the runs end at %d of %d", at, len(data))
		}
	}
}

// BenchmarkProbe is what storing costs beyond copying.
func BenchmarkProbe(b *testing.B) {
	data := random(gzipBlock, 1)
	var p prober
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		p.runs(data, 0)
	}
	if len(p.found) != 1 {
		b.Fatal(p.found)
	}
}

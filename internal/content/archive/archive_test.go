package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// tarOf writes headers, each with the content that it announces.
func tarOf(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.CopyN(tw, zeros{}, h.Size)
		}
	}
	tw.Close()
	return buf.Bytes()
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// raw writes one header block, which archive/tar would not write.
func raw(typ byte, name string, size int64, change func(block []byte)) []byte {
	block := make([]byte, 512)
	copy(block, name)
	copy(block[100:], "0000644\x00")
	copy(block[124:], fmt.Sprintf("%011o\x00", size))
	copy(block[136:], "00000000000\x00")
	block[156] = typ
	copy(block[257:], "ustar\x0000")
	if change != nil {
		change(block)
	}
	sum := int64(0)
	copy(block[148:], "        ")
	for _, b := range block {
		sum += int64(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return block
}

// pax writes extended records before what they belong to.
func pax(typ byte, records map[string]string, entry []byte) []byte {
	var text []byte
	for key, value := range records {
		line := fmt.Sprintf(" %s=%s\n", key, value)
		n := len(line) + len(fmt.Sprint(len(line)+2))
		text = fmt.Appendf(text, "%d%s", n, line)
	}
	size := len(text)
	text = append(text, make([]byte, (512-size%512)%512)...)
	return append(append(raw(typ, "PaxHeaders/x", int64(size), nil), text...), entry...)
}

// readAll reads all entries and what they hold.
func readAll(r io.Reader, b *Budget) (read int64, err error) {
	for entries := NewReader(r, b); ; {
		if _, err := entries.Next(); err == io.EOF {
			return read, nil
		} else if err != nil {
			return read, err
		}
		n, err := io.Copy(io.Discard, io.LimitReader(entries, 1<<20))
		if read += n; err != nil {
			return read, err
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	file := func(name string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1, Mode: 0o644}
	}
	end := make([]byte, 1024)
	sparse := map[string]string{"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "8589934592", "GNU.sparse.numblocks": "0", "GNU.sparse.map": "", "GNU.sparse.name": "x"}
	many := make([]*tar.Header, 20)
	for i := range many {
		many[i] = file(fmt.Sprint(i))
	}
	large := file("x")
	large.Size = 100 << 10
	for name, data := range map[string][]byte{
		"sparse":            append(pax('x', sparse, raw('0', "x", 0, nil)), end...),
		"old sparse":        append(raw('S', "x", 0, func(b []byte) { copy(b[257:], "ustar  \x00"); copy(b[483:], "77777777777\x00") }), end...),
		"global path":       append(pax('g', map[string]string{"path": "/etc/x"}, raw('0', "x", 0, nil)), end...),
		"device":            tarOf(t, &tar.Header{Name: "x", Typeflag: tar.TypeBlock}),
		"contiguous":        append(raw('7', "x", 0, nil), end...),
		"unknown":           append(raw('Z', "x", 0, nil), end...),
		"no name":           append(raw('0', "", 0, nil), end...),
		"absolute":          tarOf(t, file("/x")),
		"parent":            tarOf(t, file("a/../x")),
		"drive":             tarOf(t, file("c:x")),
		"backslash":         tarOf(t, file(`a\x`)),
		"long name":         tarOf(t, file(strings.Repeat("x", maxName+1))),
		"long target":       tarOf(t, &tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("x", maxName+1)}),
		"deep":              tarOf(t, file(strings.Repeat("a/", 8)+"x")),
		"link out":          tarOf(t, &tar.Header{Name: "a/x", Typeflag: tar.TypeSymlink, Linkname: "../../x"}),
		"link absolute":     tarOf(t, &tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "/x"}),
		"hard link out":     tarOf(t, &tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "../x"}),
		"too many":          tarOf(t, many...),
		"too large":         tarOf(t, large),
		"too large at once": tarOf(t, func() *tar.Header { h := file("x"); h.Size = 0; return h }(), large),
		"announced": append(raw('0', "x", 0, func(b []byte) {
			copy(b[257:], "ustar  \x00")
			copy(b[124:], "\x80\x00\x00\x00")
			binary.BigEndian.PutUint64(b[128:], 1<<62)
		}), end...),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(bytes.NewReader(data), Limits{Bytes: 64 << 10, Entries: 15, Depth: 8}.Budget())
			if _, ok := errors.AsType[*Fault](err); !ok {
				t.Errorf("got %v, want a fault", err)
			}
		})
	}
	t.Run("below zero", func(t *testing.T) {
		data := append(raw('0', "x", 0, func(b []byte) { copy(b[124:], bytes.Repeat([]byte{0xff}, 12)) }), end...)
		if _, err := readAll(bytes.NewReader(data), Limits{}.Budget()); err == nil || !IsFormat(err) {
			t.Errorf("got %v, want an error of the format", err)
		}
	})
	t.Run("names", func(t *testing.T) {
		b := Limits{}.Budget()
		b.names = 100
		if _, err := readAll(bytes.NewReader(tarOf(t, file(strings.Repeat("x", 60)), file(strings.Repeat("y", 60)))), b); err == nil {
			t.Error("names longer than allowed were taken")
		}
	})
}

func TestBudget(t *testing.T) {
	b := Limits{Bytes: 10}.Budget()
	for _, c := range []struct {
		size int64
		ok   bool
	}{{6, true}, {-1 << 40, false}, {5, false}, {4, true}, {1, false}, {0, true}} {
		if err := b.Take("x", c.size); (err == nil) != c.ok {
			t.Errorf("%d bytes: %v", c.size, err)
		}
	}
}

func TestReaderTakes(t *testing.T) {
	file := &tar.Header{Name: "./a/x", Typeflag: tar.TypeReg, Size: 10, Mode: 0o644}
	data := append(pax('g', map[string]string{"comment": "0123"}, nil), tarOf(t,
		&tar.Header{Name: "./a/", Typeflag: tar.TypeDir}, file,
		&tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "../a/x"},
		&tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "./a/x"})...)
	var got []string
	for r := NewReader(bytes.NewReader(data), Limits{}.Budget()); ; {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Path+" "+e.Target)
	}
	if want := "a |a/x |a/l ../a/x|h a/x"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReserved(t *testing.T) {
	for part, want := range map[string]bool{
		"": false, ".": false, "x": false, "con": true, "CON.txt": true, "console": false, "NUL ": true, "com1": true, "com¹.x": true, "com10": false, "comx": false,
		"lpt0": true, "a.": true, "a ": true, "a.b": false, "x:y": true, "a?": true, "a\x01": true, ".git": false, "aux .c": true,
	} {
		if got := reserved(part); got != want {
			t.Errorf("%q: got %t, want %t", part, got, want)
		}
	}
}

// What unpacks to too many times its size is refused, and what is only large is
// not.
func TestSuspectRatio(t *testing.T) {
	for name, c := range map[string]struct {
		packed int64
		bomb   bool
	}{
		"a bomb": {suspectAbove/suspectRatio - 1000, true}, "large": {suspectAbove/suspectRatio + 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			content := &Content{r: zeros{}, packed: &tally{}}
			content.packed.n.Store(c.packed)
			_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{io.LimitReader(content, suspectAbove+100_000)}, make([]byte, 1<<20))
			if _, ok := errors.AsType[*Fault](err); ok != c.bomb || err != nil && !ok {
				t.Errorf("got %v, want a fault: %t", err, c.bomb)
			}
		})
	}
}

func TestDecompress(t *testing.T) {
	gz := func(text string) []byte {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		io.WriteString(w, text)
		w.Close()
		return buf.Bytes()
	}
	var small bytes.Buffer
	zw, _ := zstd.NewWriter(&small)
	io.WriteString(zw, "ab")
	zw.Close()
	for name, c := range map[string]struct {
		data []byte
		want string
		form Form
	}{
		"plain":           {[]byte("ab"), "ab", Plain},
		"gzip":            {gz("ab"), "ab", Gzip},
		"two members":     {append(gz("a"), gz("b")...), "ab", Gzip},
		"zstd":            {small.Bytes(), "ab", Zstd},
		"two zstd frames": {append(bytes.Clone(small.Bytes()), small.Bytes()...), "abab", Zstd},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := Decompress(bytes.NewReader(c.data))
			if err != nil {
				t.Fatal(err)
			}
			defer content.Close()
			got, err := io.ReadAll(content)
			if string(got) != c.want || content.Form != c.form || err != nil {
				t.Errorf("got %q, %v, %v", got, content.Form, err)
			}
		})
	}
	// Each member of a stream counts.
	content, err := Decompress(bytes.NewReader(bytes.Repeat(gz(strings.Repeat("x", 1000)), 10)))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	content.Within(Limits{Bytes: 9500}.Budget())
	if _, err = io.Copy(io.Discard, content); err == nil || IsFormat(err) {
		t.Errorf("got %v, want a fault", err)
	}
}

// A frame that asks for more memory than allowed is refused, whatever it holds.
func TestZstdWindow(t *testing.T) {
	for log, ok := range map[byte]bool{27: true, 28: false, 31: false} {
		// No single segment, no checksum; the window; one last raw block of one byte
		// (RFC 8878, section 3.1.1).
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1 | 1<<3, 0, 0, 'x'}
		content, err := Decompress(bytes.NewReader(frame))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(content)
		content.Close()
		if ok != (err == nil && string(got) == "x") || !ok && !IsFormat(err) {
			t.Errorf("a window of 2^%d: got %q, %v", log, got, err)
		}
	}
}

// FuzzReader looks for archives on which reading panics, does not end, or gives
// more than is allowed.
func FuzzReader(f *testing.F) {
	end := make([]byte, 1024)
	f.Add(append(pax('x', map[string]string{"path": "a"}, raw('0', "x", 0, nil)), end...))
	f.Add(append(pax('x', map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999"}, raw('0', "x", 512, nil)), end...))
	f.Add(append(raw('L', "x", 5, nil), end...))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 20
		if read, _ := readAll(bytes.NewReader(data), Limits{Bytes: most}.Budget()); read > most || read > int64(len(data)) {
			t.Errorf("%d bytes give %d", len(data), read)
		}
	})
}

//go:build unix

package transfer

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// input is something to push: a directory of files and, of some, the same files
// as an image layout, each file a layer.
type input struct {
	name        string
	files, size int
	half        bool // every second piece is text, which compresses
	layout      bool
}

// dir is where the files are, layoutDir where the layout is.
func (in input) dir(base string) string       { return filepath.Join(base, "input", in.name) }
func (in input) layoutDir(base string) string { return filepath.Join(base, "input", in.name+"-layout") }

// bytes is the size of all files.
func (in input) bytes() int64 { return int64(in.files) * int64(in.size) }

// make writes the files, and reads them, so that they are in memory.
func (in input) make(base string) error {
	random := rand.New(rand.NewChaCha8([32]byte{1, byte(in.files), byte(in.files >> 8)}))
	dir := in.dir(base)
	layout, err := newLayout(in.layoutDir(base))
	if err != nil {
		return err
	}
	for i := range in.files {
		sub := dir
		if in.files > 1000 {
			sub = filepath.Join(dir, fmt.Sprintf("%02d", i%50))
		}
		name := filepath.Join(sub, fmt.Sprintf("%05d", i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		if err := writeFile(name, func(w io.Writer) error { return in.content(w, random) }); err != nil {
			return err
		}
		if in.layout {
			if err := layout.add(name, in.size); err != nil {
				return err
			}
		}
	}
	if !in.layout {
		return nil
	}
	return layout.close("1")
}

func writeFile(name string, fill func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(fill(w), w.Flush(), f.Close())
}

// content writes one file in small pieces: Linux counts the memory of the process
// that starts another as the peak of the other, until that has used more itself.
func (in input) content(w io.Writer, random *rand.Rand) error {
	const piece = 32 << 10
	buf := make([]byte, piece)
	for left, odd := in.size, false; left > 0; left, odd = left-piece, !odd {
		if in.half && odd {
			text(buf, random)
		} else {
			noise(buf, random)
		}
		if _, err := w.Write(buf[:min(piece, left)]); err != nil {
			return err
		}
	}
	return nil
}

func noise(buf []byte, random *rand.Rand) {
	for i := 0; i+8 <= len(buf); i += 8 {
		v := random.Uint64()
		for j := range 8 {
			buf[i+j] = byte(v >> (8 * j))
		}
	}
}

// text is lines as of a log.
func text(buf []byte, random *rand.Rand) {
	line := []byte{}
	for i := 0; i < len(buf); i += copy(buf[i:], line) {
		line = fmt.Appendf(line[:0], "2026-01-02T15:04:%02d level=info msg=\"request done\" id=%x status=%d\n", random.IntN(60), random.Uint32(), 200+random.IntN(5))
	}
}

// layoutWriter writes an image layout.
type layoutWriter struct {
	dir    string
	layers []descriptor
	diffs  []string
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

func newLayout(dir string) (*layoutWriter, error) {
	return &layoutWriter{dir: dir}, os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755)
}

// add adds a file as a layer of a gzipped archive that is stored, not compressed:
// some clients compress what is not an archive.
func (l *layoutWriter) add(name string, size int) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	temp := filepath.Join(l.dir, "temp")
	sum, diff := sha256.New(), sha256.New()
	err = writeFile(temp, func(w io.Writer) error {
		return archive(io.MultiWriter(w, sum), diff, filepath.Base(name), from, size)
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(temp)
	if err != nil {
		return err
	}
	encoded := hex.EncodeToString(sum.Sum(nil))
	l.layers = append(l.layers, descriptor{MediaType: layerType, Digest: "sha256:" + encoded, Size: info.Size()})
	l.diffs = append(l.diffs, "sha256:"+hex.EncodeToString(diff.Sum(nil)))
	return os.Rename(temp, l.blob(encoded))
}

func archive(w io.Writer, diff hash.Hash, name string, from io.Reader, size int) error {
	gz, err := gzip.NewWriterLevel(w, gzip.NoCompression)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(io.MultiWriter(gz, diff))
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(size)}); err != nil {
		return err
	}
	_, err = io.Copy(tw, from)
	return errors.Join(err, tw.Close(), gz.Close())
}

func (l *layoutWriter) blob(encoded string) string {
	return filepath.Join(l.dir, "blobs", "sha256", encoded)
}

// close writes config, manifest and index.
func (l *layoutWriter) close(tag string) error {
	config, err := l.put(configType, configOf(l.diffs))
	if err != nil {
		return err
	}
	manifest, err := l.put(manifestType, manifestOf(config, l.layers))
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{manifest},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(l.dir, "index.json"), index, 0o644),
		os.WriteFile(filepath.Join(l.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
}

func configOf(diffs []string) any {
	return map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	}
}

func manifestOf(config descriptor, layers []descriptor) any {
	return map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers}
}

func (l *layoutWriter) put(mediaType string, v any) (descriptor, error) {
	data, d, err := encode(mediaType, v)
	if err != nil {
		return d, err
	}
	return d, os.WriteFile(l.blob(d.Digest[len("sha256:"):]), data, 0o644)
}

func encode(mediaType string, v any) ([]byte, descriptor, error) {
	data, err := json.Marshal(v)
	sum := sha256.Sum256(data)
	return data, descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(data))}, err
}

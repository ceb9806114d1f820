package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// tarBlock is the size that headers and content of a tar are multiples of.
const tarBlock = 512

// tarFile is a tar under construction, beside where it will be.
type tarFile struct {
	path string
	file *os.File
	turn chan struct{} // held by who adds an entry: one at a time
	end  int64         // of the last entry; only for who has the turn
}

func newTarFile(path string) (*tarFile, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, diag.Errorf(diag.TargetExists, "%s exists and is not a file", path).WithHint("choose another path")
	}
	dir := filepath.Dir(path)
	list, _ := os.ReadDir(dir) // only to tidy up
	for _, e := range list {
		if abandoned(e) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	file, err := os.OpenFile(filepath.Join(dir, tempName()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, unwritable(path, err)
	}
	return &tarFile{path: path, file: file, turn: make(chan struct{}, 1)}, nil
}

// take waits until nobody else adds an entry.
func (t *tarFile) take(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *tarFile) give() { <-t.turn }

// add adds an entry, whose content fill writes before it gives its header: by
// then it has been verified. The header has to have the given size. After a
// failure the tar is as before. The caller has the turn.
func (t *tarFile) add(headerSize int64, fill func(io.Writer) (header []byte, err error)) (extent, error) {
	start := t.end + headerSize
	w := io.NewOffsetWriter(t.file, start)
	header, err := fill(w)
	if err != nil {
		return extent{}, t.cut(err)
	}
	size, err := w.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = t.file.WriteAt(header, t.end)
	}
	end := (start + size + tarBlock - 1) / tarBlock * tarBlock
	if err == nil {
		err = t.file.Truncate(end) // which pads with zeros
	}
	if err != nil {
		return extent{}, t.cut(unwritable(t.path, err))
	}
	t.end = end
	return extent{io.NewSectionReader(t.file, start, size), size, nopCloser{}}, nil
}

// cut removes what follows the last entry, and returns why.
func (t *tarFile) cut(why error) error {
	if err := t.file.Truncate(t.end); err != nil {
		return errors.Join(why, unwritable(t.path, err))
	}
	return why
}

// addData adds an entry that is held in memory.
func (t *tarFile) addData(name string, data []byte) (extent, error) {
	header, err := tarHeader(name, int64(len(data)), tar.FormatUnknown)
	if err != nil {
		return extent{}, err
	}
	return t.add(int64(len(header)), func(w io.Writer) ([]byte, error) {
		return header, writeAll(t.path, data)(w)
	})
}

// tarHeader returns the header of an entry, which is the same whoever writes it
// when.
func tarHeader(name string, size int64, format tar.Format) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, Format: format})
	if err != nil {
		return nil, diag.Errorf(diag.Failed, "cannot encode the header of %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// finish ends the tar and puts it in place. It is not synced: it can be made again.
func (t *tarFile) finish() error {
	err := t.file.Truncate(t.end + 2*tarBlock)
	if err = errors.Join(err, t.file.Close()); err == nil {
		err = os.Rename(t.file.Name(), t.path)
	}
	if err != nil {
		return unwritable(t.path, err)
	}
	return nil
}

func (t *tarFile) discard() {
	t.file.Close()
	os.Remove(t.file.Name()) // which finish has moved away
}

// tarOutput is an OCI layout in a tar. Blobs are in it in the order in which
// they came; oci-layout is the first entry and index.json the last.
type tarOutput struct {
	*tarFile
	mu    sync.Mutex
	whole map[digest.Digest]int64 // sizes
}

func newTarOutput(path string) (*tarOutput, error) {
	file, err := newTarFile(path)
	if err != nil {
		return nil, err
	}
	o := &tarOutput{tarFile: file, whole: map[digest.Digest]int64{}}
	if _, err := o.addData(ocispec.ImageLayoutFile, layoutVersion()); err != nil {
		o.discard()
		return nil, err
	}
	return o, nil
}

func (o *tarOutput) has(_ context.Context, d ocispec.Descriptor) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size, ok := o.whole[d.Digest]
	return ok && size == d.Size, nil
}

func (o *tarOutput) blob(ctx context.Context, d ocispec.Descriptor, open func(offset int64) (io.ReadCloser, error)) error {
	return o.put(ctx, d, func(w io.Writer) error { return copyVerified(ctx, w, o.path, d, open) })
}

func (o *tarOutput) manifest(ctx context.Context, d ocispec.Descriptor, _ *oci.Manifest, data []byte) error {
	return o.put(ctx, d, writeAll(o.path, data))
}

// put adds a blob, unless somebody has meanwhile.
func (o *tarOutput) put(ctx context.Context, d ocispec.Descriptor, fill func(io.Writer) error) error {
	if err := o.take(ctx); err != nil {
		return err
	}
	defer o.give()
	if ok, err := o.has(ctx, d); ok || err != nil {
		return err
	}
	header, err := tarHeader(blobName(d.Digest), d.Size, tar.FormatUnknown)
	if err != nil {
		return err
	}
	_, err = o.add(int64(len(header)), func(w io.Writer) ([]byte, error) { return header, fill(w) })
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.whole[d.Digest] = d.Size
	return nil
}

func (o *tarOutput) finish(l listing) error {
	index := &ocispec.Index{}
	merge(index, l.tags, l.untagged)
	data, err := encodeIndex(o.path, index)
	if err != nil {
		return err
	}
	if _, err := o.addData(ocispec.ImageIndexFile, data); err != nil {
		return err
	}
	return o.tarFile.finish()
}

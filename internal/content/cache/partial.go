package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/regular"
)

// recordEvery is how many bytes may be written before the record tells of them:
// what a killed process has to fetch again.
const recordEvery = 8 << 20

// Partial is a blob that is being fetched. Any number of goroutines write parts of
// it in any order, and any number read it from the beginning meanwhile.
type Partial struct {
	cache   *Cache
	desc    ocispec.Descriptor
	file    *os.File
	resumed int64 // bytes that were there at the beginning

	mu         sync.Mutex
	taken      ranges        // written, or being written
	written    ranges        // from then on they do not change
	unrecorded int64         // bytes written since the record
	wake       chan struct{} // closed when something changes; nil while nobody waits
	ended      bool          // nothing more comes
	err        error         // why, unless all is there and verified
	broken     bool          // what is there is of no use

	recording sync.Mutex // a later record is not replaced by an earlier one
}

// record is what is kept of a partial beside its bytes.
type record struct {
	Digest  digest.Digest `json:"digest"`
	Size    int64         `json:"size"`
	Written ranges        `json:"written"`
}

func recordName(d digest.Digest) string { return partialName(d) + ".json" }

// openPartial takes up what is there of a blob, or begins. It is for the holder of
// the lock.
func (c *Cache) openPartial(d ocispec.Descriptor) (*Partial, error) {
	p := &Partial{cache: c, desc: d}
	if c.foreign(partialName(d.Digest)) {
		if err := c.remove(partialName(d.Digest)); err != nil {
			return nil, err
		}
	}
	if r, ok := c.readRecord(d.Digest); ok && r.Size == d.Size {
		f, err := c.root.OpenFile(partialName(d.Digest), os.O_RDWR, 0)
		if err == nil {
			if info, err := f.Stat(); err == nil && info.Size() == d.Size {
				p.file, p.resumed = f, r.Written.size()
				p.written, p.taken = r.Written, slices.Clone(r.Written)
				return p, nil
			}
			f.Close()
		}
	}
	// The record first: it must not vouch for what is in the new file.
	if err := c.remove(recordName(d.Digest)); err != nil {
		return nil, err
	}
	f, err := c.root.OpenFile(partialName(d.Digest), os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	p.file = f
	if err := f.Truncate(d.Size); err != nil { // sparse: it takes no space yet
		p.discard()
		return nil, err
	}
	return p, nil
}

// readRecord returns the record of a partial if there is one that makes sense.
func (c *Cache) readRecord(d digest.Digest) (record, bool) {
	var r record
	data, err := regular.ReadIn(c.root, recordName(d), maxRecord)
	if err != nil || json.Unmarshal(data, &r) != nil || r.Digest != d || !r.Written.valid(r.Size) {
		return record{}, false
	}
	return r, true
}

// Size returns how many bytes the blob has.
func (p *Partial) Size() int64 { return p.desc.Size }

// Missing returns what has not been written, in order.
func (p *Partial) Missing() []Range {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written.missing(Range{0, p.desc.Size})
}

// WriteAt implements io.WriterAt. What has been written, or is being written by
// somebody else, stays as it is. It fails with diag.StorageFailed, after which
// nothing is kept of the partial, and with what else ended the fetch.
func (p *Partial) WriteAt(b []byte, off int64) (int, error) {
	all := Range{off, off + int64(len(b))}
	if off < 0 || all.End > p.desc.Size || all.End < off {
		return 0, fmt.Errorf("%d bytes at %d of %s, which has %d", len(b), off, p.desc.Digest, p.desc.Size)
	}
	todo, err := p.take(all)
	if err != nil {
		return 0, err
	}
	for _, r := range todo {
		if _, err := p.file.WriteAt(b[r.Start-off:r.End-off], r.Start); err != nil {
			return 0, p.breakOff(err)
		}
	}
	if p.add(todo) < recordEvery {
		return len(b), nil
	}
	if err := p.record(); err != nil {
		return 0, p.breakOff(err)
	}
	return len(b), nil
}

// take returns what is to be written of a range.
func (p *Partial) take(all Range) ([]Range, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	todo := p.taken.missing(all)
	p.taken = p.taken.add(all)
	return todo, nil
}

// add tells of bytes that were written, and returns how many the record lacks.
func (p *Partial) add(done []Range) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	front := p.written.front()
	for _, r := range done {
		p.written = p.written.add(r)
		p.unrecorded += r.Size()
	}
	if p.written.front() > front {
		p.wakeAll()
	}
	return p.unrecorded
}

func (p *Partial) wakeAll() {
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
}

// end says that nothing more comes, the first time. Without an error all is there
// and verified.
func (p *Partial) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended, p.err = true, err
		p.wakeAll()
	}
}

// outcome returns what the fetch ended with, and whether what is there is of no
// use.
func (p *Partial) outcome() (ended error, broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err, p.broken
}

// breakOff ends the fetch because of the disk, and returns what ended it.
func (p *Partial) breakOff(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	if !p.ended {
		p.ended, p.err = true, p.cache.fault(err)
		p.wakeAll()
	}
	return p.err
}

// record keeps which bytes are written. The data is not synced for it: after a
// power cut the digest tells, and the blob is fetched again.
func (p *Partial) record() error {
	p.recording.Lock()
	defer p.recording.Unlock()
	p.mu.Lock()
	if p.unrecorded == 0 {
		p.mu.Unlock()
		return nil
	}
	r := record{Digest: p.desc.Digest, Size: p.desc.Size, Written: slices.Clone(p.written)}
	p.unrecorded = 0
	p.mu.Unlock()
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.cache.replace(recordName(p.desc.Digest), data)
}

// ready waits for bytes beyond pos and returns up to where they are there, or why
// there will be none: io.EOF at the end of a verified blob.
func (p *Partial) ready(ctx context.Context, pos int64) (int64, error) {
	for {
		p.mu.Lock()
		front, wake := p.written.front(), p.wake
		switch {
		case p.err != nil:
			defer p.mu.Unlock()
			return 0, p.err
		case front > pos:
			p.mu.Unlock()
			return front, nil
		case p.ended:
			p.mu.Unlock()
			return 0, io.EOF
		case wake == nil:
			wake = make(chan struct{})
			p.wake = wake
		}
		p.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// verify hashes the blob as its beginning grows, from the file and not from what
// was to be written. It fails with diag.DigestMismatch and with what ended the
// fetch.
func (p *Partial) verify(ctx context.Context) error {
	verifier, buf := p.desc.Digest.Verifier(), make([]byte, 256<<10)
	for pos := int64(0); pos < p.desc.Size; {
		front, err := p.ready(ctx, pos)
		if err != nil {
			return err
		}
		for pos < front {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := p.file.ReadAt(buf[:min(int64(len(buf)), front-pos)], pos)
			if err != nil {
				return p.breakOff(err)
			}
			_, _ = verifier.Write(buf[:n]) // never fails
			pos += int64(n)
		}
	}
	if verifier.Verified() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	return mismatch(p.desc.Digest)
}

// Reader returns a reader of the blob from its beginning, which waits for what has
// not been written yet. What it gives is verified only when it ends with io.EOF; it
// fails with diag.DigestMismatch where that would have come, with what ended the
// fetch, and with the error of ctx. It outlives the fetch and must be closed.
func (p *Partial) Reader(ctx context.Context) (io.ReadCloser, error) {
	f, _, err := p.cache.open(partialName(p.desc.Digest))
	if err != nil {
		return nil, p.cache.fault(err)
	}
	return &follower{ctx: ctx, partial: p, file: f}, nil
}

// follower reads behind the front of a partial.
type follower struct {
	ctx     context.Context // of the one reader that it is
	partial *Partial
	file    *os.File
	pos     int64
}

// Read implements io.Reader.
func (f *follower) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	front, err := f.partial.ready(f.ctx, f.pos)
	if err != nil {
		return 0, err
	}
	n, err := f.file.ReadAt(b[:min(int64(len(b)), front-f.pos)], f.pos)
	f.pos += int64(n)
	if n > 0 {
		err = nil
	}
	if err == io.EOF { // only ready says where the end is
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer.
func (f *follower) Close() error { return f.file.Close() }

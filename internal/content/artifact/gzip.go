package artifact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

const (
	// gzipBlock is the size of the blocks that are compressed in parallel, in
	// bytes. It is part of what decides a digest, as are the compressor, its
	// version and level, and what a prober takes for random.
	gzipBlock = 1 << 20
	// gzipWindow is how far back a match may be: RFC 1951, 2.
	gzipWindow = 32 << 10
	// maxStored is what a stored block holds at most: RFC 1951, 3.2.4.
	maxStored = 1<<16 - 1
)

// gzipWriter writes one gzip member, whose blocks are compressed in parallel and
// stored where they do not compress. What it writes depends on the level and the
// content alone: not on the cores, nor on how the content is cut into writes. It
// must be closed, after a failure too: that ends its goroutines.
type gzipWriter struct {
	w      io.Writer
	level  int
	part   *gzipPart      // being filled; nil before the first
	free   chan *gzipPart // to be filled again
	queue  chan *gzipPart // filled, in the order of the content
	made   int            // parts there are
	ended  chan struct{}  // closed when nothing more is written
	closed bool
	crc    uint32
	size   uint32 // modulo 2^32, as the format has it

	// Of the goroutine that writes; err may be read when failed is true or ended
	// is closed.
	failed atomic.Bool
	err    error
}

// newGzipWriter compresses to w at a level from 0, which stores, to 9.
func newGzipWriter(w io.Writer, level int) (*gzipWriter, error) {
	if level < flate.NoCompression || level > flate.BestCompression {
		return nil, fmt.Errorf("there is no compression level %d", level)
	}
	// One is filled and one is written while each core compresses one.
	parts := runtime.GOMAXPROCS(0) + 2
	z := &gzipWriter{w: w, level: level, free: make(chan *gzipPart, parts), queue: make(chan *gzipPart, parts), ended: make(chan struct{})}
	go z.writeParts()
	return z, nil
}

// Write implements io.Writer. What is reported may have failed earlier.
func (z *gzipWriter) Write(p []byte) (n int, err error) {
	if z.closed {
		return 0, errors.New("gzip: write after close")
	}
	for n < len(p) {
		if z.failed.Load() {
			return n, z.err
		}
		if z.part == nil {
			z.part = z.next()
		}
		filled := z.part.fill(p[n:])
		z.crc = crc32.Update(z.crc, crc32.IEEETable, p[n:n+filled])
		z.size += uint32(filled)
		n += filled
		if z.part.filled == gzipBlock {
			last := z.part
			z.compress(last)
			// A match may refer to what is before it.
			z.part = z.next()
			z.part.follow(last)
		}
	}
	return n, nil
}

// next returns a part to fill: a used one where no more may be made.
func (z *gzipWriter) next() *gzipPart {
	select {
	case part := <-z.free:
		return part
	default:
	}
	if z.made == cap(z.free) {
		return <-z.free
	}
	z.made++
	return newGzipPart()
}

func (z *gzipWriter) compress(part *gzipPart) {
	z.queue <- part
	go part.compress(z.level)
}

// writeParts writes what was compressed. After a failure it goes on to take
// parts, as others wait for them.
func (z *gzipWriter) writeParts() {
	defer close(z.ended)
	// Without flags, time and extra flags, and of no known system: RFC 1952, 2.3.
	_, err := z.w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff})
	z.fail(err)
	for part := range z.queue {
		if <-part.done; z.err == nil {
			z.fail(part.err)
		}
		if z.err == nil {
			_, err = z.w.Write(part.out)
			z.fail(err)
		}
		z.free <- part
	}
}

func (z *gzipWriter) fail(err error) {
	if err != nil {
		z.err = err
		z.failed.Store(true)
	}
}

// Close writes what is left. It does not close the writer below.
func (z *gzipWriter) Close() error {
	if z.closed {
		return z.err
	}
	z.closed = true
	if z.part != nil && z.part.filled > 0 {
		z.compress(z.part)
	}
	close(z.queue)
	<-z.ended
	if z.err == nil {
		// The last block is empty and has fixed codes: RFC 1951, 3.2.6.
		end := binary.LittleEndian.AppendUint32([]byte{3, 0}, z.crc)
		_, z.err = z.w.Write(binary.LittleEndian.AppendUint32(end, z.size))
	}
	return z.err
}

// gzipPart is one block of the content and what it takes to compress it.
type gzipPart struct {
	buf    []byte // room for the window, its end in use, and for the content
	window int    // bytes of the window in use
	filled int    // bytes of content
	probe  prober
	flate  *flate.Writer // made when something is to be compressed
	codes  *flate.Writer // the same without matches
	out    appender
	err    error
	done   chan struct{} // receives when out and err are set
}

func newGzipPart() *gzipPart {
	// Room for the headers of stored blocks saves a copy of all.
	out := make([]byte, 0, gzipBlock+gzipBlock/64)
	return &gzipPart{buf: make([]byte, gzipWindow+gzipBlock), out: out, done: make(chan struct{}, 1)}
}

// follow makes the part an empty one behind another, which is full and, where it
// was fast, the same.
func (g *gzipPart) follow(last *gzipPart) {
	g.window = copy(g.buf[:gzipWindow], last.buf[gzipBlock:])
	g.filled = 0
}

func (g *gzipPart) fill(p []byte) int {
	n := copy(g.buf[gzipWindow+g.filled:], p)
	g.filled += n
	return n
}

// compress sets out, which ends at the end of a byte.
func (g *gzipPart) compress(level int) {
	g.out, g.err = g.out[:0], nil
	data := g.buf[gzipWindow-g.window : gzipWindow+g.filled]
	if level == flate.NoCompression {
		g.store(data[g.window:])
	} else {
		for _, r := range g.probe.runs(data, g.window) {
			if r.random {
				g.store(data[r.start:r.end])
			} else if g.err = g.deflate(data, r, level); g.err != nil {
				break
			}
		}
	}
	g.done <- struct{}{}
}

// store writes stored blocks: RFC 1951, 3.2.4.
func (g *gzipPart) store(p []byte) {
	for len(p) > 0 {
		n := min(len(p), maxStored)
		g.out = append(g.out, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		g.out = append(g.out, p[:n]...)
		p = p[n:]
	}
}

// deflate compresses one run of the data. The dictionary is what is before it, as
// much as the run but 8 KiB at least: to read that takes time too, for a small
// file's header in an archive more than the header does.
func (g *gzipPart) deflate(data []byte, r run, level int) (err error) {
	if g.flate == nil {
		if g.flate, err = flate.NewWriter(nil, level); err != nil {
			return err
		}
	}
	content, before := data[r.start:r.end], len(g.out)
	dictionary := min(r.start, gzipWindow, max(len(content), 8<<10))
	g.flate.ResetDict(&g.out, data[r.start-dictionary:r.start])
	if err = flush(g.flate, content); err != nil || len(g.out)-before < len(content)*15/16 {
		return err
	}
	// Up to level 6 what has no matches is stored. That some bytes are more
	// frequent, as in base64, is known of all runs.
	if g.codes == nil {
		if g.codes, err = flate.NewWriter(nil, flate.HuffmanOnly); err != nil {
			return err
		}
	}
	matched := len(g.out)
	g.codes.Reset(&g.out)
	if err = flush(g.codes, content); err != nil {
		return err
	}
	if len(g.out)-matched < matched-before {
		g.out = append(g.out[:before], g.out[matched:]...)
	} else {
		g.out = g.out[:matched]
	}
	return nil
}

func flush(w *flate.Writer, content []byte) error {
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Flush()
}

// appender appends what is written to it.
type appender []byte

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

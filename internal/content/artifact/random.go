package artifact

import (
	"bytes"
	"encoding/binary"
)

const (
	// A probePiece is random or not as a whole; what is not is cut down to cells
	// where it meets what is. An archive's headers fill such cells.
	probePiece = 4 << 10
	probeCell  = 512
	// probeSample bytes of each cell are counted: to count all takes as long as a
	// SHA-256 of them.
	probeSample = 64
)

// prober finds what cannot be compressed: where all bytes are about equally
// frequent and none of it was there before. A compressor is slow where random
// bytes and others mix, as in an archive of compressed files: it makes codes for
// both together, which also are larger and slow to read.
type prober struct {
	seen   [1 << 10]int32 // 1 + where what an anchor begins was last
	counts [256]uint16    // of each byte
	found  []run
}

// run is a part of the data that is random, or is to be compressed.
type run struct {
	start, end int
	random     bool
	loose      int // where the cells begin that may be cut off its end
}

// runs returns those of the data after the window. They depend on both alone,
// and are good until the next call.
func (p *prober) runs(data []byte, window int) []run {
	clear(p.seen[:])
	p.repeats(data, 0, window)
	p.found = p.found[:0]
	for start := window; start < len(data); start += probePiece {
		r := run{start: start, end: min(start+probePiece, len(data))}
		repeats := p.repeats(data, r.start, r.end)
		r.random = !repeats && p.even(data[r.start:r.end], probeCell)
		if r.loose = r.start; repeats {
			r.loose = r.end
		}
		p.add(data, r)
	}
	return p.found
}

// add adds a run behind the last, or makes them one. Where one is random, it gets
// those cells of the other that are, unless they may repeat something.
func (p *prober) add(data []byte, r run) {
	if len(p.found) == 0 {
		p.found = append(p.found, r)
		return
	}
	last := &p.found[len(p.found)-1]
	if last.random == r.random {
		last.end, last.loose = r.end, r.loose
		return
	}
	if r.random {
		for last.end-last.loose > probeCell && p.even(data[last.end-probeCell:last.end], probeSample) {
			last.end -= probeCell
		}
		r.start = last.end
	} else if r.loose == r.start {
		for r.end-r.start > probeCell && p.even(data[r.start:r.start+probeCell], probeSample) {
			r.start += probeCell
		}
		last.end, r.loose = r.start, r.start
	}
	p.found = append(p.found, r)
}

// even reports whether all bytes are about equally frequent, by a sample at each
// step. It goes by how many of the sample's pairs are equal: one of 256 where they
// are. With a quarter more than that, codes of variable length take 7.7 bits a
// byte at best. Of samples of 512 random bytes, one in two million has so many.
func (p *prober) even(b []byte, step int) bool {
	clear(p.counts[:])
	var n, pairs int
	for ; len(b) >= probeSample; b = b[min(step, len(b)):] {
		for _, c := range b[:probeSample] {
			pairs += int(p.counts[c])
			p.counts[c]++
		}
		n += probeSample
	}
	return n > 0 && pairs < n*(n-1)/2/256*5/4
}

// repeats reports whether something between start and end is in the window
// before it too. It looks at the 8 bytes that begin with certain ones, as those
// are where they were in what is repeated: one of 128 random bytes is such a one.
func (p *prober) repeats(data []byte, start, end int) bool {
	found := false
	for _, anchor := range [...]byte{0x4e, 0xb5} {
		for at := start; ; at++ {
			next := bytes.IndexByte(data[at:end], anchor)
			if at += next; next < 0 || at+8 > len(data) {
				break
			}
			value := binary.LittleEndian.Uint64(data[at:])
			seen := &p.seen[value*0x9e3779b97f4a7c15>>54]
			if last := int(*seen) - 1; last >= 0 && at-last <= gzipWindow && binary.LittleEndian.Uint64(data[last:]) == value {
				found = true
			}
			*seen = int32(at) + 1
		}
	}
	return found
}

package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/opencontainers/go-digest"
)

// sum is a digest in less memory than its text: all of one of SHA-256, the first
// half of one of SHA-512.
type sum [sha256.Size]byte

func sumOf(d digest.Digest) (s sum) {
	_, _ = hex.Decode(s[:], []byte(d.Encoded()[:2*len(s)]))
	return s
}

// key is the beginning of a canonical digest, by which the blobs that stay are
// remembered: enough to tell a registry's blobs apart in a fraction of the memory.
// Anybody with some hours can make two digests of one key. What is known by keys
// alone may therefore only ever keep something.
type key uint64

func (s sum) key() key { return key(binary.BigEndian.Uint64(s[:])) }

// keySet is a set of keys in 11 to 22 bytes each: open addressing with linear
// probing, at most three quarters full.
type keySet struct {
	slots []key
	n     int
	zero  bool // the key 0, which marks a free slot
}

func (s *keySet) add(k key) {
	if k == 0 {
		s.zero = true
		return
	}
	if 4*(s.n+1) > 3*len(s.slots) {
		old := s.slots
		s.slots, s.n = make([]key, max(64, 2*len(old))), 0
		for _, k := range old {
			if k != 0 {
				s.add(k)
			}
		}
	}
	i := s.find(k)
	if s.slots[i] == 0 {
		s.slots[i] = k
		s.n++
	}
}

func (s *keySet) has(k key) bool {
	if k == 0 {
		return s.zero
	}
	return len(s.slots) > 0 && s.slots[s.find(k)] == k
}

// find returns where a key is, or would be: a digest is spread evenly as it is.
func (s *keySet) find(k key) int {
	mask := len(s.slots) - 1
	i := int(k) & mask
	for s.slots[i] != 0 && s.slots[i] != k {
		i = (i + 1) & mask
	}
	return i
}

package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// uploadIDs makes the ids of uploads, and knows its own again: nothing has to be
// remembered of an upload that was only asked for. An id is
//
//	8 bytes  when it was made, in half nanoseconds since this process began;
//	         the lowest bit says that the blob will be named by SHA-512
//	8 bytes  of a MAC of these and the repository
//
// in hexadecimal. Nobody can guess another's, or make one up.
type uploadIDs struct {
	key   [sha256.Size]byte
	began time.Time

	mu   sync.Mutex
	last uint64 // that was made
	// Those that an upload was begun with: each is good for one. What is older
	// than the ones that are remembered was, for all that is known.
	begun  map[uint64]struct{}
	order  []uint64 // a ring of begun
	next   int      // in order
	before uint64
}

const (
	// startWithin is how long a client may take from the start of an upload to
	// its first byte.
	startWithin = 10 * time.Minute
	// maxBegun bounds the ids that are remembered, some 50 bytes each.
	maxBegun = 1 << 15
)

func newUploadIDs() *uploadIDs {
	ids := &uploadIDs{began: time.Now(), begun: map[uint64]struct{}{}}
	_, _ = rand.Read(ids.key[:]) // never fails
	return ids
}

// isUploadID reports whether s has the form of uploadIDs, or that of the UUIDs of
// distribution.
func isUploadID(s string) bool {
	return len(s) >= 32 && len(s) <= 36 && strings.Trim(s, "0123456789abcdef-") == ""
}

// make returns a new id for an upload to a repository.
func (ids *uploadIDs) make(repo string, a digest.Algorithm) string {
	ids.mu.Lock()
	ids.last = max(ids.last+2, uint64(time.Since(ids.began))<<1) &^ 1
	n := ids.last
	ids.mu.Unlock()
	if a == digest.SHA512 {
		n |= 1
	}
	return hex.EncodeToString(ids.sign(repo, n))
}

func (ids *uploadIDs) sign(repo string, n uint64) []byte {
	id := binary.BigEndian.AppendUint64(nil, n)
	mac := hmac.New(sha256.New, ids.key[:])
	mac.Write(id)
	mac.Write([]byte(repo))
	return append(id, mac.Sum(nil)[:8]...)
}

// number returns that of an id which this process made.
func (ids *uploadIDs) number(repo, id string) (n uint64, ok bool) {
	data, err := hex.DecodeString(id)
	if err != nil || len(data) != 16 {
		return 0, false
	}
	n = binary.BigEndian.Uint64(data)
	return n, hmac.Equal(data, ids.sign(repo, n))
}

// fresh reports whether an upload can be begun with an id, and by which algorithm
// its blob will be named.
func (ids *uploadIDs) fresh(repo, id string) (a digest.Algorithm, ok bool) {
	n, ok := ids.number(repo, id)
	if !ok || time.Since(ids.began)-time.Duration(n>>1) > startWithin {
		return "", false
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if _, begun := ids.begun[n]; begun || n <= ids.before {
		return "", false
	}
	if n&1 != 0 {
		return digest.SHA512, true
	}
	return digest.SHA256, true
}

// begin uses an id up, and reports whether it was fresh.
func (ids *uploadIDs) begin(repo, id string) bool {
	if _, ok := ids.fresh(repo, id); !ok {
		return false
	}
	n, _ := ids.number(repo, id)
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if _, begun := ids.begun[n]; begun {
		return false
	}
	if len(ids.order) < maxBegun {
		ids.order = append(ids.order, n)
	} else {
		old := ids.order[ids.next]
		delete(ids.begun, old)
		ids.before = max(ids.before, old)
		ids.order[ids.next] = n
		ids.next = (ids.next + 1) % maxBegun
	}
	ids.begun[n] = struct{}{}
	return true
}

package store

import (
	"hash/maphash"
	"sync"
)

// stripes is a bounded set of locks for unbounded keys: two keys may share one.
// Whoever holds a lock of a set takes no second one of it.
type stripes struct {
	once  sync.Once
	seed  maphash.Seed
	locks [1024]sync.Mutex
}

// lock returns the function that unlocks.
func (s *stripes) lock(key string) (unlock func()) {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	l := &s.locks[maphash.String(s.seed, key)%uint64(len(s.locks))]
	l.Lock()
	return l.Unlock
}

// lockAll takes all locks of a set, which waits for those who hold one.
func (s *stripes) lockAll() (unlock func()) {
	for i := range s.locks {
		s.locks[i].Lock()
	}
	return func() {
		for i := range s.locks {
			s.locks[i].Unlock()
		}
	}
}

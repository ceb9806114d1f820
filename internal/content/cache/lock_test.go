package cache

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A lock whose file is removed on release is still held by one at a time.
func TestLock(t *testing.T) {
	c, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d := digest.FromString("x")
	var holders, taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for taken.Load() < 2000 {
				l, err := c.tryLock(d)
				if err != nil {
					t.Error(err)
					return
				}
				if l == nil {
					continue
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d holders", n)
				}
				taken.Add(1)
				runtime.Gosched()
				holders.Add(-1)
				l.release()
			}
		})
	}
	all.Wait()
}

package store

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// sized is a cache with a bound in bytes, where those entries go first that were
// used least recently.
type sized[V any] struct {
	most int

	mu    sync.Mutex
	size  int
	cache *simplelru.LRU[string, sizedValue[V]]
}

type sizedValue[V any] struct {
	value V
	size  int
}

func newSized[V any](most int) *sized[V] {
	c := &sized[V]{most: most}
	// It never has as many: each takes its key at least.
	cache, err := simplelru.NewLRU(most, func(_ string, v sizedValue[V]) { c.size -= v.size })
	if err != nil {
		panic(err) // most is not positive
	}
	c.cache = cache
	return c
}

func (c *sized[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.cache.Get(key)
	return v.value, ok
}

// add remembers a value of some bytes.
func (c *sized[V]) add(key string, value V, size int) {
	const frame = 200 // of an entry, beside key and value
	size += frame + len(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache.Remove(key)
	c.cache.Add(key, sizedValue[V]{value, size})
	c.size += size
	for c.size > c.most {
		c.cache.RemoveOldest()
	}
}

func (c *sized[V]) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache.Remove(key)
}

func (c *sized[V]) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache.Purge()
}

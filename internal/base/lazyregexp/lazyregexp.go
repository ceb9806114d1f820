// Package lazyregexp compiles regular expressions when they are first used. Those in
// package variables would all be compiled at each start of the program, which uses few
// of them.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns what compiles a pattern once, and panics if it cannot be. It may be
// called concurrently.
func New(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

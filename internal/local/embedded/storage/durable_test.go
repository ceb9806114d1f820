package storage

import (
	"fmt"
	"path/filepath"
	"testing"
)

// What is on record of directories whose files nobody finishes is bounded.
func TestFreshBounded(t *testing.T) {
	root, f := t.TempDir(), fresh{}
	for i := range maxFresh + 300 {
		if err := f.mkdirAll(filepath.Join(root, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.dirs); n != maxFresh {
		t.Errorf("%d are on record, want %d", n, maxFresh)
	}
}

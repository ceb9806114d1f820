package transfer

import (
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// TestManyWays: each index names the one below it twice, so that very many ways
// lead to the lowest. It is not looked at on each.
func TestManyWays(t *testing.T) {
	const levels = 14
	src := newStore()
	lowest := src.image(nil, src.blob("layer"))
	root := lowest
	for range levels {
		root = src.index(root, root)
	}
	s, err := connect(targetOf(t, testtool.Registry(t.Context())), "app")
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		clear(src.gave)
		pushed, err := s.push(t.Context(), src, root, publication{tags: []string{"1"}})
		if err != nil || pushed.Unchanged != again {
			t.Fatalf("%+v, %v", pushed, err)
		}
		// To look ahead, to see whether all is there, to copy, for what refers to it.
		if n := src.gave[lowest.Digest]; n > 4 {
			t.Errorf("the lowest manifest was read %d times (again: %t)", n, again)
		}
	}

	for range maxLevels {
		root = src.index(root)
	}
	deep := publisher{repositorySink: repositorySink{session: s}, graph: newGraph(src, newStore(), Uploading, nil), root: root, data: src.content[root.Digest]}
	wantFault(t, deep.survey(t.Context(), func(bool, error) error { return nil }), diag.BadArtifact)
}

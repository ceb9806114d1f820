package cache

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Sets of ranges agree with sets of single bytes.
func TestRanges(t *testing.T) {
	const size = 40
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var s ranges
		var have [size]bool
		for range random.IntN(8) {
			start := random.Int64N(size)
			r := Range{start, start + random.Int64N(size-start+1)}
			s = s.add(r)
			for i := r.Start; i < r.End; i++ {
				have[i] = true
			}
		}
		var want ranges
		var gaps []Range
		n := int64(0)
		front := int64(slices.Index(have[:], false))
		if front < 0 {
			front = size
		}
		for i := int64(0); i < size; i++ {
			list := (*[]Range)(&want)
			if !have[i] {
				list = &gaps
			} else {
				n++
			}
			if k := len(*list) - 1; k >= 0 && (*list)[k].End == i {
				(*list)[k].End++
			} else {
				*list = append(*list, Range{i, i + 1})
			}
		}
		if !slices.Equal(s, want) || !slices.Equal(s.missing(Range{0, size}), gaps) || s.size() != n || s.front() != front || !s.valid(size) {
			t.Fatalf("%v: want %v without %v, front %d", s, want, gaps, front)
		}
		// Of a part, it lacks what it lacks of all that is in the part.
		part := Range{5, 5 + random.Int64N(30)}
		var inside ranges
		for _, g := range gaps {
			inside = inside.add(Range{max(g.Start, part.Start), min(g.End, part.End)})
		}
		if got := s.missing(part); !slices.Equal(got, inside) {
			t.Fatalf("%v lacks %v of %v, want %v", s, got, part, inside)
		}
	}
}

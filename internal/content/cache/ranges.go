package cache

import "slices"

// Range is the bytes of a blob from Start up to, and without, End.
type Range struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// Size returns how many bytes the range has.
func (r Range) Size() int64 { return r.End - r.Start }

// ranges is a set of bytes: sorted, none empty, none touching the next.
type ranges []Range

// add returns the set with the bytes of n as well.
func (s ranges) add(n Range) ranges {
	if n.Start >= n.End {
		return s
	}
	i := 0
	for i < len(s) && s[i].End < n.Start {
		i++
	}
	j := i
	for j < len(s) && s[j].Start <= n.End {
		n.Start, n.End = min(n.Start, s[j].Start), max(n.End, s[j].End)
		j++
	}
	return slices.Replace(s, i, j, n)
}

// missing returns what the set lacks of a range, in order.
func (s ranges) missing(within Range) (gaps []Range) {
	at := within.Start
	for _, r := range s {
		if r.Start >= within.End {
			break
		}
		if r.Start > at {
			gaps = append(gaps, Range{at, r.Start})
		}
		at = max(at, r.End)
	}
	if at < within.End {
		gaps = append(gaps, Range{at, within.End})
	}
	return gaps
}

// front returns up to where there is no gap.
func (s ranges) front() int64 {
	if len(s) == 0 || s[0].Start > 0 {
		return 0
	}
	return s[0].End
}

// size returns how many bytes are in the set.
func (s ranges) size() (n int64) {
	for _, r := range s {
		n += r.Size()
	}
	return n
}

// valid reports whether the set is one, of a blob of that size.
func (s ranges) valid(size int64) bool {
	at := int64(-1)
	for _, r := range s {
		if r.Start <= at || r.End <= r.Start || r.End > size {
			return false
		}
		at = r.End
	}
	return true
}

package diag

// maxNear is the longest name that is looked for, in bytes: beyond that, what
// is near says little and takes long to find.
const maxNear = 100

// Nearest returns the candidate that name is most likely a slip of the pen of,
// or "" when none is near. Of equally near ones it is the first in alphabetical
// order.
func Nearest(name string, candidates []string) string {
	if len(name) > maxNear {
		return ""
	}
	x := []rune(name)
	best, limit := "", max(1, (len(name)+1)/3)
	found := false
	for _, c := range candidates {
		if len(c) > 4*maxNear {
			continue
		}
		if d := editDistance(x, []rune(c), limit); d < limit || d == limit && (!found || c < best) {
			best, limit, found = c, d, true
		}
	}
	return best
}

// editDistance counts the insertions, deletions, changes and swaps of
// neighbours that lead from x to y, up to limit+1.
func editDistance(x, y []rune, limit int) int {
	if len(x)-len(y) > limit || len(y)-len(x) > limit {
		return limit + 1
	}
	rows := make([]int, 3*(len(y)+1))
	before, prev, row := rows[:len(y)+1], rows[len(y)+1:2*(len(y)+1)], rows[2*(len(y)+1):]
	for j := range prev {
		prev[j] = j
	}
	least := 0 // of the row before
	for i := range x {
		row[0] = i + 1
		next := row[0]
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
			next = min(next, row[j+1])
		}
		if next > limit && least > limit { // a swap reaches back two rows
			return limit + 1
		}
		least = next
		before, prev, row = prev, row, before
	}
	return prev[len(y)]
}

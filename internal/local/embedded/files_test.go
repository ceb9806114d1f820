package embedded

import "testing"

// What the parts of a registry may have open together is no more than there is, and
// enough to serve many at once.
func TestDivide(t *testing.T) {
	const own = 32 // the least that the rest of the process needs
	for _, n := range []int{128, 200, 256, 1000, 1024, 4096, 1 << 16, 1 << 20} {
		f := divide(n)
		if all := f.connections + f.reads + f.writes; all > n-own {
			t.Errorf("of %d: %+v, which are %d", n, f, all)
		}
		if f.connections < n/8 || f.reads < n/8 || f.writes < min(1024, n/8) {
			t.Errorf("of %d: %+v", n, f)
		}
	}
	if f := divide(1024); f.connections < 300 || f.writes < 200 {
		t.Errorf("of 1024: %+v", f)
	}
	for _, n := range []int{0, 16, 64} {
		if f := divide(n); f.connections < 16 || f.reads < 16 || f.writes < 16 {
			t.Errorf("of %d: %+v", n, f)
		}
	}
}

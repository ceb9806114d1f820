package record

import "testing"

func TestCost(t *testing.T) {
	for _, c := range []struct {
		now, then []float64
		lower     bool
		want      string
	}{
		{[]float64{2, 4, 9}, []float64{1, 4, 10}, true, "1.00"},
		{[]float64{2, 2, 2}, []float64{1, 1, 1}, false, "0.50"}, // twice the rate
		{[]float64{0, 3}, []float64{1, 2}, true, "1.50"},        // below the clock's step
		{[]float64{0}, []float64{1}, true, ""},
		{nil, []float64{1}, true, ""},
	} {
		if got := Cost(c.now, c.then, c.lower); got != c.want {
			t.Errorf("Cost(%v, %v, %v) = %q, want %q", c.now, c.then, c.lower, got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	values := []float64{4, 1, 3, 2}
	if got := Median(values); got != 2.5 || values[0] != 4 {
		t.Errorf("got %v of %v", got, values)
	}
}

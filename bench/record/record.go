// Package record keeps what a benchmark measured, and compares two builds.
package record

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// Write writes options and results to a file as JSON, with the time and the machine
// they are of. It does nothing when file is "".
func Write(file string, options, results any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(struct {
		Time    time.Time `json:"time"`
		System  string    `json:"system"`
		Cores   int       `json:"cores"`
		Options any       `json:"options"`
		Results any       `json:"results"`
	}{time.Now().UTC(), runtime.GOOS + "/" + runtime.GOARCH, runtime.NumCPU(), options, results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// Median leaves its argument as it is; of nothing it is 0.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Cost is the median of now/then over pairs that were measured in turns, as text;
// where a higher value is better, of then/now. So 1.03 is three hundredths dearer.
// Pairs with a value of 0 were too short for their clock and do not count; with
// none left it is "".
func Cost(now, then []float64, lower bool) string {
	var ratios []float64
	for i := range min(len(now), len(then)) {
		a, b := now[i], then[i]
		if !lower {
			a, b = b, a
		}
		if a > 0 && b > 0 {
			ratios = append(ratios, a/b)
		}
	}
	if len(ratios) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", Median(ratios))
}

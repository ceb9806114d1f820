//go:build unix

package registry

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/berth-oci/berth/bench/record"
)

// metric is what one row of the report measures.
type metric struct {
	name, unit string
	lower      bool // is better
}

// result is a metric's samples of one contender, as it is in the JSON.
type result struct {
	Row       string    `json:"row"`
	Unit      string    `json:"unit"`
	Lower     bool      `json:"lower_is_better"`
	Contender string    `json:"contender"`
	Median    float64   `json:"median"`
	Samples   []float64 `json:"samples"`
	// Processor time of the server for one operation, in ms: the median.
	Processor        float64   `json:"processor_ms"`
	ProcessorSamples []float64 `json:"processor_ms_samples"`
}

// results are in the order of their first samples.
type results []*result

func (rs *results) add(m metric, contender string, value, processor float64) {
	r := rs.find(m.name, contender)
	if r == nil {
		r = &result{Row: m.name, Unit: m.unit, Lower: m.lower, Contender: contender}
		*rs = append(*rs, r)
	}
	r.Samples = append(r.Samples, value)
	r.Median = record.Median(r.Samples)
	r.ProcessorSamples = append(r.ProcessorSamples, processor)
	r.Processor = record.Median(r.ProcessorSamples)
}

func (rs results) find(row, contender string) *result {
	for _, r := range rs {
		if r.Row == row && r.Contender == contender {
			return r
		}
	}
	return nil
}

// rows returns the names of the rows in order.
func (rs results) rows() (names []string) {
	for _, r := range rs {
		if !slices.Contains(names, r.Row) {
			names = append(names, r.Row)
		}
	}
	return names
}

// String is the median and half the range from lowest to highest sample.
func (r *result) String() string {
	if len(r.Samples) < 2 || r.Median == 0 {
		return number(r.Median)
	}
	spread := (slices.Max(r.Samples) - slices.Min(r.Samples)) / 2 / r.Median
	return fmt.Sprintf("%s ±%.0f%%", number(r.Median), spread*100)
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// report prints the tables and writes the JSON.
func (s *session) report(w io.Writer) error {
	fmt.Fprint(w, "| row | unit |")
	for _, c := range s.contenders {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprint(w, " berth to best durable |")
	columns := len(s.contenders) + 1
	if s.Baseline != "" {
		fmt.Fprint(w, " cost to before |")
		columns++
	}
	fmt.Fprintf(w, "\n|---|---|%s\n", strings.Repeat("---|", columns))
	for _, row := range s.results.rows() {
		s.line(w, row)
	}
	fmt.Fprint(w, "\nProcessor time of the server for one operation, ms:\n\n| row |")
	for _, c := range s.contenders {
		fmt.Fprintf(w, " %s |", c.name)
	}
	columns = len(s.contenders)
	if s.Baseline != "" {
		fmt.Fprint(w, " cost to before |")
		columns++
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---|", columns))
	for _, r := range s.rows() {
		fmt.Fprintf(w, "| %s |", r.name)
		for _, c := range s.contenders {
			if x := s.results.find(r.name, c.name); x != nil && !(c.bare && r.ops > 0) {
				fmt.Fprintf(w, " %.3f |", x.Processor)
			} else {
				fmt.Fprint(w, " |")
			}
		}
		if s.Baseline != "" {
			fmt.Fprintf(w, " %s |", s.results.cost(r.name, func(x *result) []float64 { return x.ProcessorSamples }, true))
		}
		fmt.Fprintln(w)
	}
	return record.Write(s.JSON, s.Options, s.results)
}

// line prints one row with its ratio: above 1 berth is better, whichever way
// the row counts.
func (s *session) line(w io.Writer, row string) {
	var unit, ratio string
	cells := ""
	best := 0.0 // among durable peers
	for _, c := range s.contenders {
		r := s.results.find(row, c.name)
		if r == nil {
			cells += " |"
			continue
		}
		unit = r.Unit
		cells += " " + r.String() + " |"
		if c.durable && c.name != berth && c.name != before && (best == 0 || r.Lower == (r.Median < best)) {
			best = r.Median
		}
	}
	if r := s.results.find(row, berth); r != nil && best > 0 && r.Median > 0 {
		v := r.Median / best
		if r.Lower {
			v = 1 / v
		}
		ratio = fmt.Sprintf("%.2f", v)
	}
	fmt.Fprintf(w, "| %s | %s |%s %s |", row, unit, cells, ratio)
	if s.Baseline != "" {
		lower := s.results.find(row, berth) != nil && s.results.find(row, berth).Lower
		fmt.Fprintf(w, " %s |", s.results.cost(row, func(r *result) []float64 { return r.Samples }, lower))
	}
	fmt.Fprintln(w)
}

// cost is what a row costs berth in units of what it costs the build before: the
// median of the rounds, in each of which the two take turns. Below 1 it has become
// cheaper. It is "" where one of them was not measured.
func (rs results) cost(row string, of func(*result) []float64, lower bool) string {
	now, then := rs.find(row, berth), rs.find(row, before)
	if now == nil || then == nil {
		return ""
	}
	return record.Cost(of(now), of(then), lower)
}

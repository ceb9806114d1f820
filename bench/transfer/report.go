//go:build unix

package transfer

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/berth-oci/berth/bench/record"
)

// result is the samples of one client in one row, as it is in the JSON.
type result struct {
	On      string    `json:"on"`
	Row     string    `json:"row"`
	Client  string    `json:"client"`
	Seconds float64   `json:"seconds"` // median
	Samples []float64 `json:"samples"`
	CPU     float64   `json:"cpu_seconds"`
	RSS     int64     `json:"peak_rss_bytes"` // the highest
	Up      int64     `json:"sent_bytes"`     // over the link
	Down    int64     `json:"received_bytes"`

	cpus []float64
}

// results are in the order of their first samples.
type results []*result

func (rs *results) add(on, row, client string, s sample) {
	r := rs.find(on, row, client)
	if r == nil {
		r = &result{On: on, Row: row, Client: client}
		*rs = append(*rs, r)
	}
	r.Samples, r.cpus = append(r.Samples, s.wall.Seconds()), append(r.cpus, s.cpu.Seconds())
	r.Seconds, r.CPU = record.Median(r.Samples), record.Median(r.cpus)
	r.RSS, r.Up, r.Down = max(r.RSS, s.rss), s.up, s.down
}

func (rs results) find(on, row, client string) *result {
	for _, r := range rs {
		if r.On == on && r.Row == row && r.Client == client {
			return r
		}
	}
	return nil
}

// names returns the values of a field in order.
func (rs results) names(of func(*result) string) (names []string) {
	for _, r := range rs {
		if name := of(r); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// best returns the fastest of the others.
func (rs results) best(on, row string) *result {
	var best *result
	for _, name := range clients() {
		if commands(name) == berth {
			continue
		}
		if r := rs.find(on, row, name); r != nil && (best == nil || r.Seconds < best.Seconds) {
			best = r
		}
	}
	return best
}

// report prints a table for each setting and writes the JSON.
func (s *session) report(w io.Writer) error {
	for _, on := range s.results.names(func(r *result) string { return r.On }) {
		s.table(w, on)
	}
	return record.Write(s.JSON, s.Options, s.results)
}

func (s *session) table(w io.Writer, on string) {
	names := s.found()
	fmt.Fprintf(w, "\n%s, seconds:\n\n| row | %s | berth/best | berth CPU | RSS berth | RSS best |", on, strings.Join(names, " | "))
	columns := len(names) + 5
	if on == "link" {
		fmt.Fprint(w, " MB berth | MB best |")
		columns += 2
	}
	if s.Baseline != "" {
		fmt.Fprint(w, " cost to before | its CPU | RSS before |")
		columns += 3
	}
	fmt.Fprintf(w, "\n|%s\n", strings.Repeat("---|", columns))
	for _, row := range s.results.names(func(r *result) string { return r.Row }) {
		if ours := s.results.find(on, row, berth); ours != nil {
			s.line(w, on, row, ours)
		}
	}
}

func (s *session) line(w io.Writer, on, row string, ours *result) {
	fmt.Fprintf(w, "| %s |", row)
	for _, name := range s.found() {
		if r := s.results.find(on, row, name); r != nil {
			fmt.Fprintf(w, " %.3f |", r.Seconds)
		} else {
			fmt.Fprint(w, " |")
		}
	}
	ratio, best := "", s.results.best(on, row)
	if best != nil {
		ratio = fmt.Sprintf("%.2f", ours.Seconds/best.Seconds)
	} else {
		best = &result{}
	}
	fmt.Fprintf(w, " %s | %.2f | %d MiB | %d MiB |", ratio, ours.CPU, ours.RSS>>20, best.RSS>>20)
	if on == "link" {
		fmt.Fprintf(w, " %.1f | %.1f |", float64(ours.Up+ours.Down)/1e6, float64(best.Up+best.Down)/1e6)
	}
	if then := s.results.find(on, row, before); then != nil {
		fmt.Fprintf(w, " %s | %s | %d MiB |", record.Cost(ours.Samples, then.Samples, true), record.Cost(ours.cpus, then.cpus, true), then.RSS>>20)
	}
	fmt.Fprintln(w)
}

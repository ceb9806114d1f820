package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The end of a log is read, and nothing from before the start.
func TestLastWords(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	before := strings.Repeat("before\n", 5)
	for name, test := range map[string]struct{ written, want string }{
		"nothing": {"", "  (it wrote nothing)"},
		"little":  {"one\ntwo\n", "  one\n  two"},
		"lines":   {strings.Repeat("x\n", 50), strings.TrimSuffix(strings.Repeat("  x\n", 10), "\n")},
		"much":    {strings.Repeat("y", 1<<20), "  " + strings.Repeat("y", 8<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(log, []byte(before+test.written), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := (&child{offset: int64(len(before))}).lastWords(log); got != test.want {
				t.Errorf("got %.100q, want %.100q", got, test.want)
			}
		})
	}
}

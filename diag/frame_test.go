package diag_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
)

// lines is a source, counted from 1.
type lines []string

func (l lines) Line(n int) string { return l[n-1] }

// TestManyFaultsInALine: what is secret in a line is looked for once, however many
// faults it has, and a frame shows no more of it than what is near its mark.
func TestManyFaultsInALine(t *testing.T) {
	const faults = 400
	var text strings.Builder
	var list diag.List
	for i := range faults {
		fmt.Fprintf(&text, `{"password":"secret-%03d","key%03d":1}`, i, i)
		at := strings.LastIndex(text.String(), `"key`) + 1
		list = append(list, diag.Errorf(diag.UnknownAttr, "unknown").At(span("a.json", 1+i%2, at, 1+i%2, at+len(`"key000"`))))
	}
	looked := 0
	source := diag.Guarded{Source: lines{text.String(), text.String()}, Secrets: func() []string { looked++; return nil }}
	var out strings.Builder
	diag.Style{}.WriteText(&out, list, map[string]diag.Source{"a.json": source})
	if looked != 2 {
		t.Errorf("secrets were looked for %d times in 2 lines", looked)
	}
	shown := strings.Split(out.String(), "\n")
	seen := 0
	for i, line := range shown {
		if strings.Contains(line, "secret-") || len(line) > 200 {
			t.Fatalf("a frame shows %q", line)
		}
		if from := strings.IndexByte(line, '^'); from >= 0 {
			if marked := shown[i-1][from : strings.LastIndexByte(line, '^')+1]; marked != fmt.Sprintf(`"key%03d"`, seen) {
				t.Errorf("%s is marked", marked)
			}
			seen++
		}
	}
	if seen != faults {
		t.Errorf("%d of %d faults are shown", seen, faults)
	}
}

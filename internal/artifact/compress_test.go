package artifact

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
)

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What unpacks to too many times its size is refused, and what is only large is
// not.
func TestInflated(t *testing.T) {
	for name, c := range map[string]struct {
		packed int64
		want   diag.Code
	}{
		"a bomb": {suspectAbove/suspectRatio - 1000, diag.UnsafeArchive}, "large": {suspectAbove/suspectRatio + 1000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			packed := &tally{r: strings.NewReader("")}
			packed.n.Store(c.packed)
			_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{io.LimitReader(&inflated{r: zeros{}, packed: packed}, suspectAbove+100_000)}, make([]byte, 1<<20))
			if d, ok := errors.AsType[*diag.Diagnostic](err); c.want == "" && err != nil || c.want != "" && (!ok || d.Code != c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

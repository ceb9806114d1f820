package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-oci/berth/diag"
)

func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "file")
	for _, content := range []string{"old", "new"} {
		if err := Write(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	err = Write(filepath.Join(name, "below"), nil, 0o600)
	if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.StorageFailed || d.Hint == "" {
		t.Errorf("below a file: %v", err)
	}
}

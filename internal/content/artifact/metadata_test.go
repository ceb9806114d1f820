package artifact

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// A metadata file that has no end, or too much, is told and not read.
func TestMetadataIsBounded(t *testing.T) {
	for name, put := range map[string]func(file string) error{
		"device":    func(file string) error { return os.Symlink("/dev/zero", file) },
		"directory": func(file string) error { return os.Mkdir(file, 0o755) },
		"large":     func(file string) error { return os.WriteFile(file, make([]byte, maxMetadata+1), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "extension.yaml")
			if err := put(file); err != nil {
				testtool.Skip(t, err.Error()) // links need a right on Windows
			}
			_, err := ReadMetadata(&Type{File: "extension.yaml"}, filepath.Dir(file), Metadata{})
			if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.BadMetadata || d.Hint == "" {
				t.Errorf("got %v, want bad-metadata with a hint", err)
			}
		})
	}
}

package transfer

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// A pull to a full disk leaves nothing there, and blames the disk.
func TestPullToFullDisk(t *testing.T) {
	target := targetOf(t, testtool.Registry(t.Context()))
	if _, err := push(t, target, tree(t)); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		testtool.Skip(t, "cannot mount a small file system: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	_, err := pull(t, target, "extension/aws:1.0.0", filepath.Join(root, "out"))
	wantCode(t, err, diag.StorageFailed)
	if left, _ := os.ReadDir(root); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

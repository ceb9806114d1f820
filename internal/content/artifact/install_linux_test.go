package artifact

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// onThread runs f on a thread of its own, which ends with it and all that f makes of
// the thread.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// A directory of this user is filled where that above it is not this user's.
func TestStageBelowOthers(t *testing.T) {
	above := t.TempDir()
	target := filepath.Join(above, "out")
	user := os.Getuid()
	if user == 0 { // who may write everywhere
		user = 65534
	}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(target, ".berth-out-17", "new"), 0o755), // left by a killed one
		os.Chown(target, user, -1), os.Chown(filepath.Join(target, ".berth-out-17"), user, -1),
		os.Chown(filepath.Join(target, ".berth-out-17", "new"), user, -1),
		os.Chmod(filepath.Dir(above), 0o755), os.Chmod(above, 0o555),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(above, 0o755) })
	onThread(func() {
		if os.Getuid() == 0 {
			_ = syscall.Setfsuid(user)
		}
		if err := install(t, target, "file"); err != nil {
			t.Error(err)
		}
		wantNames(t, target, "file")
		if err := install(t, target, "other"); err == nil {
			t.Error("what is there is replaced")
		}
		if err := install(t, filepath.Join(above, "none"), "file"); err == nil {
			t.Error("made where this user may not")
		}
	})
	wantNames(t, target, "file")
	wantNames(t, above, "out")
}

// A mount point is filled.
func TestStageForMountPoint(t *testing.T) {
	above := t.TempDir()
	target := filepath.Join(above, "out")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	skip := ""
	onThread(func() {
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("none", target, "tmpfs", 0, "")
		}
		if err != nil {
			skip = fmt.Sprint("nothing can be mounted: ", err)
			return
		}
		if err := install(t, target, "file"); err != nil {
			t.Error(err)
		}
		wantNames(t, target, "file")
		if err := install(t, target, "file"); err != nil {
			t.Errorf("the same again: %v", err)
		}
		if err := install(t, target, "other"); err == nil {
			t.Error("what is there is replaced")
		}
		wantNames(t, target, "file")
		wantNames(t, above, "out")
	})
	if skip != "" {
		testtool.Skip(t, skip)
	}
}

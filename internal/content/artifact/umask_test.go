//go:build unix

package artifact

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Whatever comes first, a directory's entry or what is in it, the umask is obeyed.
func TestUnpackObeysUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o027))
	var data bytes.Buffer
	tw := tar.NewWriter(&data)
	for _, h := range []tar.Header{
		{Name: "a/late/d/", Typeflag: tar.TypeDir, Mode: 0o777},
		{Name: "a/late/x", Typeflag: tar.TypeReg, Mode: 0o777},
		{Name: "a/late/", Typeflag: tar.TypeDir, Mode: 0o777},
		{Name: "a/closed/x", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "a/closed/", Typeflag: tar.TypeDir, Mode: 0o700},
	} {
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	tw.Close()
	dir := t.TempDir()
	if err := unpackInto(t, dir, data.Bytes(), Limits{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"late": 0o750, "late/d": 0o750, "late/x": 0o750, "closed": 0o700, "closed/x": 0o640} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("there are %v", left)
	}
}

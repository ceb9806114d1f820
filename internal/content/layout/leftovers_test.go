package layout

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/base/testtool"
)

func TestNothingIsLeft(t *testing.T) {
	s := store{}
	d := s.image("amd64")
	for _, format := range []Format{OCIDir, OCITar, DockerTar} {
		dir := t.TempDir()
		path := filepath.Join(dir, "x")
		w, err := Create(path, format)
		if err != nil {
			t.Fatal(err)
		}
		if format != OCIDir {
			if err := s.copyTo(t, w, d); err != nil {
				t.Fatal(err)
			}
		}
		w.Discard()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("format %d leaves %v", format, left)
		}
	}
}

func TestAbandonedIsRemoved(t *testing.T) {
	dir := t.TempDir()
	old, young, other := filepath.Join(dir, tempName()), filepath.Join(dir, tempName()), filepath.Join(dir, "other.part")
	for _, name := range []string{old, young, other} {
		os.WriteFile(name, nil, 0o600)
	}
	past := time.Now().Add(-25 * time.Hour)
	os.Chtimes(old, past, past)
	os.Chtimes(other, past, past)
	w, err := Create(filepath.Join(dir, "x.tar"), OCITar)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for name, want := range map[string]bool{old: false, young: true, other: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKilledWriter kills processes that write to a directory, wherever they are.
func TestKilledWriter(t *testing.T) {
	s := store{}
	if dir := os.Getenv("BERTH_TEST_LAYOUT"); dir != "" {
		for i := 0; ; i++ {
			d := s.image(fmt.Sprint(os.Getpid(), "-", i))
			s.write(t, dir, OCIDir, d, "moving", s.signature(d, "x"), "")
		}
	}
	dir := filepath.Join(t.TempDir(), "layout")
	for i := range 12 {
		var tail bytes.Buffer
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "BERTH_TEST_LAYOUT="+dir), &tail, &tail
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for { // until it has written anything
			if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(i*7) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		if tail.Len() > 0 {
			t.Fatal(tail.String())
		}
		l := open(t, dir)
		for _, root := range l.Roots() {
			wantArtifact(t, l, nil, root)
		}
		if _, err := l.Resolve(t.Context(), "moving"); err != nil {
			t.Error(err)
		}
		l.Close()
	}
	d := s.image("last")
	s.write(t, dir, OCIDir, d, "moving")
	wantResolve(t, open(t, dir), "moving", d)
}

// What a killed process left in a layout goes with the next one that writes to it,
// unless somebody is at work there.
func TestLeftInLayoutIsRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		testtool.Skip(t, "directories cannot be locked")
	}
	dir := filepath.Join(t.TempDir(), "layout")
	s := store{}
	d := s.put("text/plain", []byte("x"))
	first, err := Create(dir, OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Discard()
	if err := first.PutBlob(t.Context(), d, s.open(d)); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, tempName())
	os.WriteFile(part, nil, 0o600)
	for _, busy := range []bool{true, false} {
		if !busy {
			first.Discard()
		}
		w, err := Create(dir, OCIDir)
		if err != nil {
			t.Fatal(err)
		}
		w.Discard()
		if _, err := os.Stat(part); (err == nil) != busy {
			t.Errorf("somebody is at work: %v; it is there: %v", busy, err)
		}
	}
}

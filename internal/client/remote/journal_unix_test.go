//go:build unix

package remote

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// What is no file in the journal is never waited for.
func TestJournalOfPipes(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"a note":            func(note string) error { return errors.Join(os.Remove(note), syscall.Mkfifo(note, 0o600)) },
		"what becomes one":  func(note string) error { return syscall.Mkfifo(note+".new", 0o600) },
		"a note's own link": func(note string) error { return errors.Join(os.Remove(note), os.Symlink("/dev/zero", note)) },
	} {
		t.Run(name, func(t *testing.T) {
			f, address, dir := interrupted(t)
			if err := put(notes(t, dir)[0]); err != nil {
				t.Fatal(err)
			}
			finish(t, f, address, dir)
			if list := notes(t, dir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

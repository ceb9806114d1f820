package engine

import (
	"os"
	"os/exec"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// A process that does not have the directory open is not the one that holds its
// lock, and is not stopped whatever the state says.
func TestDownForged(t *testing.T) {
	dir := t.TempDir()
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		testtool.Skip(t, err.Error())
	}
	ended := make(chan error, 1)
	go func() { ended <- bystander.Wait() }()
	t.Cleanup(func() { _ = bystander.Process.Kill(); <-ended })
	s := newState(Unit{Dir: dir})
	s.PID = bystander.Process.Pid
	s.Birth, _ = processBirth(s.PID)
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, stopped, err := Down(t.Context(), dir); stopped || codeOf(err) != diag.Failed {
		t.Errorf("down: %v, %v", stopped, err)
	}
	if _, err := processBirth(s.PID); err != nil {
		t.Errorf("it was stopped: %v", err)
	}

	open, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, c := range []struct {
		pid  int
		want bool
	}{{os.Getpid(), true}, {s.PID, false}, {1 << 30, true}} {
		if got := hasOpen(c.pid, dir, dir+"/none"); got != c.want {
			t.Errorf("hasOpen of %d is %v", c.pid, got)
		}
	}
}

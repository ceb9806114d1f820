package engine

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
)

func codeOf(err error) diag.Code {
	if d, ok := asDiagnostic(err); ok {
		return d.Code
	}
	return ""
}

// A start ends the work of a command, and waits for the command to let go.
func TestHold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	work, release, err := Hold(t.Context(), Unit{Dir: dir}, "berth gc")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Inspect(t.Context(), dir); err != nil || s.Phase != Busy || !strings.Contains(s.Fault.Error(), "berth gc, pid ") {
		t.Errorf("it holds: %+v, %v", s, err)
	}
	if _, _, err := Hold(t.Context(), Unit{Dir: dir}, "berth scrub"); codeOf(err) != diag.Busy {
		t.Errorf("a second command: %v", err)
	}
	if _, running, err := owner(t.Context(), dir); running || err != nil {
		t.Errorf("a registry runs: %v, %v", running, err)
	}
	if work.Err() != nil {
		t.Errorf("it was stopped by one that only looked: %v", context.Cause(work))
	}

	// One that does not stop keeps the start out.
	if _, err := acquire(t.Context(), Unit{Dir: dir}, 0); codeOf(err) != diag.Busy {
		t.Errorf("a start that does not wait: %v", err)
	}
	if s, err := Inspect(t.Context(), dir); err != nil || s.Phase != Busy || !strings.Contains(s.Fault.Error(), "berth gc, pid ") {
		t.Errorf("it was asked to stop: %+v, %v", s, err)
	}
	if _, running, err := owner(t.Context(), dir); running || err != nil {
		t.Errorf("it was asked to stop, and a registry runs: %v, %v", running, err)
	}
	go func() {
		<-work.Done()
		release()
	}()
	l, err := acquire(t.Context(), Unit{Dir: dir}, taskPatience)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	if cause := context.Cause(work); codeOf(cause) != diag.Busy {
		t.Errorf("it ended with %v", cause)
	}
}

// A start that must fail ends nobody's work.
func TestPortBeforeTask(t *testing.T) {
	dir := t.TempDir()
	work, release, err := Hold(t.Context(), Unit{Dir: dir}, "berth scrub")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u := Unit{Dir: dir, Listen: l.Addr().String(), LogFile: filepath.Join(dir, "log"), Config: filepath.Join(dir, "config")}
	if _, _, err := Up(t.Context(), u, Launch{}, time.Minute); codeOf(err) != diag.PortInUse {
		t.Errorf("up: %v", err)
	}
	if err := Serve(t.Context(), u, nil, nil, nil); codeOf(err) != diag.PortInUse {
		t.Errorf("serve: %v", err)
	}
	if work.Err() != nil {
		t.Errorf("the command was stopped: %v", context.Cause(work))
	}
}

// A command that ends gives way to the next one, and one that was killed to all.
func TestHoldEnds(t *testing.T) {
	dir := t.TempDir()
	killed := task{identity{PID: os.Getpid(), Birth: self().Birth + 1}, "berth gc"}
	if err := killed.write(dir); err != nil {
		t.Fatal(err)
	}
	work, release, err := Hold(t.Context(), Unit{Dir: dir}, "berth gc")
	if err != nil {
		t.Fatal(err)
	}
	release()
	if work.Err() == nil {
		t.Error("its context lives on")
	}
	if s, err := Inspect(t.Context(), dir); err != nil || s.Phase != Stopped {
		t.Errorf("it ended: %+v, %v", s, err)
	}
	if err := killed.write(dir); err != nil {
		t.Fatal(err)
	}
	l, err := acquire(t.Context(), Unit{Dir: dir}, 0)
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	for _, name := range []string{taskFile, stoppingFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("left of the killed one: %s (%v)", name, err)
		}
	}
}

func TestStateAlive(t *testing.T) {
	dir := t.TempDir()
	if err := newState(Unit{Dir: dir}).write(dir); err != nil {
		t.Fatal(err)
	}
	s := readState(dir)
	if !s.alive() {
		t.Error("this process is not alive")
	}
	s.Birth++
	if s.alive() {
		t.Error("another process with this pid is taken for this one")
	}
	if (State{}).alive() {
		t.Error("no process is alive")
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := readState(dir); s.PID != 0 {
		t.Errorf("half a state gives %+v", s)
	}
}

// A lock that another process holds by now does not keep one alive that is gone.
func TestAwaitEnd(t *testing.T) {
	dir := t.TempDir()
	l, err := acquire(t.Context(), Unit{Dir: dir}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	s := newState(Unit{Dir: dir})
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	if ended, err := awaitEnd(t.Context(), dir, s, 0); ended || err != nil {
		t.Errorf("this process: %v, %v", ended, err)
	}
	gone := s
	gone.Birth++
	if ended, err := awaitEnd(t.Context(), dir, gone, 0); !ended || err != nil {
		t.Errorf("one that is gone: %v, %v", ended, err)
	}
}

func TestPortFault(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = portFree(t.Context(), func() error { return tryListen(t.Context(), l.Addr().String()) }, l.Addr().String(), 0)
	if codeOf(err) != diag.PortInUse || !strings.Contains(err.Error(), "engine.test (pid ") {
		t.Errorf("got %v", err)
	}
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:5000": "127.0.0.1:5000", "0.0.0.0:5000": "127.0.0.1:5000", ":5000": "127.0.0.1:5000",
		"[::]:5000": "[::1]:5000", "example.com:443": "example.com:443",
	} {
		if got := reachable(address); got != want {
			t.Errorf("reachable(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestSeekLines(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	name := filepath.Join(t.TempDir(), "log")
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{
		{"", 5, ""}, {"a\nb\nc\n", 0, ""}, {"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 2, "b\nc"}, {"a\nb\n", 9, "a\nb\n"},
		{"a\nb\n", -1, "a\nb\n"}, {"a\n" + long + "\nc\n", 2, long + "\nc\n"}, {"\n\n\n", 2, "\n\n"},
	} {
		if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := Logs(t.Context(), &out, name, tt.n, false); err != nil || out.String() != tt.want {
			t.Errorf("the last %d lines of %.20q are %.20q, %v", tt.n, tt.text, out.String(), err)
		}
	}
}

// A followed log goes on after it was truncated and after it was rotated.
func TestLogsFollow(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * followInterval)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := Logs(ctx, w, name, -1, true); err != nil {
			t.Error(err)
		}
		w.Close()
	})
	wait.Go(func() {
		defer cancel()
		write("a first line\n")
		write("short\n") // truncated
		if err := os.Rename(name, name+".1"); err != nil {
			t.Error(err)
		}
		write("after rotation\n")
	})
	out, err := io.ReadAll(r)
	wait.Wait()
	if want := "a first line\nshort\nafter rotation\n"; err != nil || string(out) != want {
		t.Errorf("got %q, want %q, %v", out, want, err)
	}
}

func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := FollowLog(name, f)
	if l == nil {
		t.Fatal("its own file is not the log")
	}
	defer func() { l.file.Close() }()
	if FollowLog(name+".other", f) != nil {
		t.Error("another file is taken for the log")
	}
	write := func(text string) {
		t.Helper()
		if _, err := io.WriteString(l, text); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n") // nobody looked yet
	l.checked = time.Time{}
	write("three\n")
	if err := os.Rename(name, name+".2"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	write("four\n")
	for file, want := range map[string]string{name + ".1": "one\ntwo\n", name + ".2": "three\n", name: "four\n"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(file), got, err, want)
		}
	}
}

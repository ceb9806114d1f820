package storage_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

// childVar makes the test program do something in a process of its own, that can
// be killed or traced: its value is the name of one of children. rootVar is the
// root it does that in.
const (
	childVar = "BERTH_TEST_CHILD"
	rootVar  = "BERTH_TEST_ROOT"
)

var children = map[string]func(d *storage.Filesystem) error{
	"write for ever": writeForEver,
	"one of each":    oneOfEach,
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVar)]; child != nil {
		d, err := storage.NewFilesystem(os.Getenv(rootVar))
		if err == nil {
			err = child(d)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func childCommand(child, root, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), childVar+"="+child, rootVar+"="+root)
	cmd.Stderr = os.Stderr
	return cmd
}

// version is one of the contents that replace each other, of different lengths, so
// that a mixture of two shows.
func version(i int) string { return strings.Repeat(fmt.Sprintf("%08d", i), 1000+i%500) }

// writeForEver replaces contents and moves uploads, and prints what is done.
func writeForEver(d *storage.Filesystem) error {
	ctx := context.Background()
	upload, err := d.Writer(ctx, "/upload/unfinished", false)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := d.PutContent(ctx, "/replaced", []byte(version(i))); err != nil {
			return err
		}
		fmt.Printf("replaced %d\n", i)
		from := fmt.Sprintf("/upload/%d", i)
		w, err := d.Writer(ctx, from, false)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, version(i)); err != nil {
			return err
		}
		if err := errors.Join(w.Commit(ctx), w.Close(), d.Move(ctx, from, fmt.Sprintf("/moved/%d/data", i))); err != nil {
			return err
		}
		fmt.Printf("moved %d\n", i)
		if _, err := io.WriteString(upload, "12345678"); err != nil {
			return err
		}
		fmt.Printf("uploaded %d\n", 8*(i+1))
	}
}

// Killed anywhere, a process leaves all that it said was done, and nothing by half.
func TestKilled(t *testing.T) {
	for round := range 5 {
		root := t.TempDir()
		cmd := childCommand("write for ever", root, os.Args[0])
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := map[string]int{}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if len(done) == 0 {
				time.AfterFunc(time.Duration(10+10*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
			var what string
			var n int
			if _, err := fmt.Sscan(lines.Text(), &what, &n); err == nil {
				done[what] = n
			}
		}
		_ = cmd.Wait()

		d := newFilesystem(t, root)
		if got := get(t, d, "/replaced"); got != version(done["replaced"]) && got != version(done["replaced"]+1) {
			t.Errorf("after %d is %d bytes of %.8s", done["replaced"], len(got), got)
		}
		for i := range done["replaced"] { // all but the last are moved
			if got := get(t, d, fmt.Sprintf("/moved/%d/data", i)); got != version(i) {
				t.Errorf("%d moved is %d bytes", i, len(got))
			}
		}
		w := writer(t, d, "/upload/unfinished", true)
		if w.Size() < int64(done["uploaded"]) {
			t.Errorf("%d bytes of the upload, want %d", w.Size(), done["uploaded"])
		}
		finish(t, w)
	}
}

// A full disk is an error that can be told from others, and costs nothing that
// was there.
func TestDiskFull(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount a small file system: %v", err))
	}
	defer func() { _ = syscall.Unmount(root, 0) }()
	d := newFilesystem(t, root)
	put(t, d, "/content", "old")
	if err := d.PutContent(t.Context(), "/content", random(2<<20)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("put: %v", err)
	}
	if got := get(t, d, "/content"); got != "old" {
		t.Errorf("the content is now %d bytes", len(got))
	}
	if left, _ := filepath.Glob(filepath.Join(root, ".berth-tmp", "*")); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
	w := writer(t, d, "/upload", false)
	_, err := w.Write(random(2 << 20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v", err)
	}
	if info, err := d.Stat(t.Context(), "/upload"); err != nil || info.Size() != w.Size() {
		t.Errorf("size is %d: %+v, %v", w.Size(), info, err)
	}
	if err := errors.Join(w.Cancel(t.Context()), w.Close()); err != nil {
		t.Error(err)
	}
	put(t, d, "/content", "new")
}

func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	put(t, newFilesystem(t, root), "/content", "old")
	if err := syscall.Mount(root, root, "", syscall.MS_BIND, ""); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount: %v", err))
	}
	defer func() { _ = syscall.Unmount(root, 0) }()
	d := newFilesystem(t, root)
	if err := syscall.Mount("", root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		testtool.Skip(t, fmt.Sprintf("cannot mount read-only: %v", err))
	}
	_, writer := d.Writer(t.Context(), "/content", false)
	for method, err := range map[string]error{
		"PutContent": d.PutContent(t.Context(), "/content", nil), "Writer": writer,
		"Move": d.Move(t.Context(), "/content", "/moved"), "Delete": d.Delete(t.Context(), "/content"),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if get(t, d, "/content") != "old" {
		t.Error("the content changed")
	}
}

// oneOfEach does what must be on the disk when it returns, with a mark before
// each in the trace of the system calls.
func oneOfEach(d *storage.Filesystem) error {
	ctx := context.Background()
	mark := func(step string) { _, _ = os.Stat("/mark/" + step) }
	mark("put")
	if err := d.PutContent(ctx, "/a/b/put", []byte("x")); err != nil {
		return err
	}
	mark("put-again")
	if err := d.PutContent(ctx, "/a/b/put", []byte("y")); err != nil {
		return err
	}
	mark("write")
	w, err := d.Writer(ctx, "/uploads/1/data", false)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "x"); err != nil {
		return err
	}
	mark("close")
	if err := w.Close(); err != nil {
		return err
	}
	if w, err = d.Writer(ctx, "/uploads/1/data", true); err != nil {
		return err
	}
	mark("commit")
	if err := errors.Join(w.Commit(ctx), w.Close()); err != nil {
		return err
	}
	mark("move")
	if err := d.Move(ctx, "/uploads/1/data", "/a/c/d/data"); err != nil {
		return err
	}
	mark("move-there")
	if err := d.Move(ctx, "/a/c/d/data", "/uploads/1/data"); err != nil {
		return err
	}
	mark("delete")
	if err := d.Delete(ctx, "/a"); err != nil {
		return err
	}
	mark("end")
	return nil
}

// What must be on the disk is synced, in an order in which no power cut shows a
// name without its content, and nothing else is.
func TestSyncs(t *testing.T) {
	strace := testtool.Path(t, "strace")
	root, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	if err := childCommand("one of each", root, strace, "-f", "-y", "-o", trace,
		"-e", "trace=fsync,fdatasync,rename,renameat,renameat2,newfstatat,mkdirat", os.Args[0]).Run(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"put":        {"sync work", "mkdir a", "mkdir a/b", "rename a/b/put", "sync a/b", "sync a", "sync ."},
		"put-again":  {"sync work", "rename a/b/put", "sync a/b"},
		"write":      {"mkdir uploads", "mkdir uploads/1"},
		"close":      nil,
		"commit":     {"sync uploads/1/data"},
		"move":       {"mkdir a/c", "mkdir a/c/d", "rename a/c/d/data", "sync a/c/d", "sync a/c", "sync a"},
		"move-there": {"rename uploads/1/data", "sync uploads/1", "sync uploads", "sync ."},
		"delete":     {"rename work", "sync ."},
		"end":        nil,
	}
	got := syncs(root, string(content))
	for step, calls := range want {
		if !slices.Equal(got[step], calls) {
			t.Errorf("%s: %q, want %q", step, got[step], calls)
		}
	}
}

// syncs returns the calls of interest below root, by the mark before them.
func syncs(root, trace string) map[string][]string {
	call := regexp.MustCompile(`(fsync|fdatasync)\(\d+<([^>]*)>|(rename)\w*\(.*"([^"]*)"[^"]*$|(mkdir)at\([^"]*"([^"]*)"|/mark/([^"]*)"`)
	steps, step := map[string][]string{}, ""
	for line := range strings.Lines(trace) {
		m := call.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if m[7] != "" {
			step = m[7]
			continue
		}
		verb, name := m[3]+m[5], m[2]+m[4]+m[6]
		if verb == "" {
			verb = "sync"
		}
		name, err := filepath.Rel(root, name)
		if err != nil || step == "" {
			continue
		}
		if strings.HasPrefix(name, ".berth-tmp/") {
			name = "work"
		}
		steps[step] = append(steps[step], verb+" "+name)
	}
	return steps
}

var _ storagedriver.StorageDriver = (*storage.Filesystem)(nil)

// What is no directory is not listed, and a pipe is not waited for.
func TestListOfPipe(t *testing.T) {
	root := t.TempDir()
	d, err := storage.NewFilesystem(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.List(t.Context(), "/pipe"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("got %v", err)
	}
}

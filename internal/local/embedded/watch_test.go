package embedded_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// watchVar makes the registry of serveVar tell what it uses, whenever a line comes.
const watchVar = "BERTH_TEST_WATCH"

// usage is what a registry uses: its heap in bytes, live and at most since the last
// look, and the most files that it had open.
type usage struct{ live, peak, files int64 }

// watch answers each line with the usage.
func watch(in io.Reader, out io.Writer) {
	var mu sync.Mutex
	var most usage
	sample := func() int64 {
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(heap)
		files, _ := os.ReadDir("/proc/self/fd")
		mu.Lock()
		defer mu.Unlock()
		live := int64(heap[0].Value.Uint64())
		most.peak, most.files = max(most.peak, live), max(most.files, int64(len(files)))
		return live
	}
	go func() {
		for {
			sample()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		sample()
		runtime.GC()
		live := sample()
		mu.Lock()
		fmt.Fprintln(out, live, most.peak, most.files)
		most = usage{}
		mu.Unlock()
	}
}

// watched is a registry in a process of its own that tells what it uses.
type watched struct {
	t   *testing.T
	url string // of the API
	dir string
	in  io.Writer
	out *bufio.Reader
}

// startWatched starts one that may have so many files open.
func startWatched(t *testing.T, files int) *watched {
	t.Helper()
	if runtime.GOOS != "linux" {
		testtool.Skip(t, "open files are counted in /proc")
	}
	w := &watched{t: t, dir: t.TempDir()}
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0"`, files), os.Args[0])
	cmd.Env = append(os.Environ(), serveVar+"="+w.dir, watchVar+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	w.in, w.out = in, bufio.NewReader(out)
	addr, err := w.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the registry does not start: %v", err)
	}
	w.url = "http://" + strings.TrimSpace(addr) + "/v2/"
	return w
}

// look returns what the registry used since the last look.
func (w *watched) look() (u usage) {
	w.t.Helper()
	if _, err := fmt.Fprintln(w.in); err != nil {
		w.t.Fatal(err)
	}
	line, err := w.out.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, &u.live, &u.peak, &u.files)
	}
	if err != nil {
		w.t.Fatalf("%q: %v", line, err)
	}
	w.t.Log(u.live>>10, "KiB live,", u.peak>>10, "KiB at most,", u.files, "files")
	return u
}

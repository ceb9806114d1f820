package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/local/embedded"
	"github.com/berth-oci/berth/internal/local/engine"
)

// serveVar makes the test program a registry, so that it can be killed: its
// value is the data directory.
const serveVar = "BERTH_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVar); dir != "" {
		if os.Getenv(watchVar) != "" {
			go watch(os.Stdin, os.Stdout)
		}
		if err := serveForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveForever(dir string) error {
	u := unit(dir)
	return engine.Serve(context.Background(), u, embedded.Runner{Log: io.Discard}, slog.New(slog.DiscardHandler), func(s engine.State) { fmt.Println(s.Address) })
}

// unit is a registry on a free port.
func unit(dir string) engine.Unit {
	return engine.Unit{
		Dir: dir, Config: filepath.Join(dir, "config.yml"), Listen: "127.0.0.1:0",
		Content: fmt.Appendf(nil, "version: 0.1\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: 127.0.0.1:0}\n", dir),
		Timeouts: engine.Timeouts{
			Read: time.Minute, Write: time.Minute, Idle: time.Minute, Drain: 5 * time.Second},
		Prepare: func() error { return nil },
	}
}

// start runs a registry in a process of its own.
func start(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVar+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the registry does not start: %v", err)
	}
	return "http://" + strings.TrimSpace(addr) + "/v2/demo", kill
}

// push uploads a blob: in one piece, or in two with a PATCH before the PUT.
func push(repo string, content []byte, chunked bool) error {
	resp, err := http.Post(repo+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	location, rest := resp.Header.Get("Location"), content
	if chunked {
		req, err := http.NewRequest(http.MethodPatch, location, bytes.NewReader(content[:len(content)/2]))
		if err != nil {
			return err
		}
		if resp, err = http.DefaultClient.Do(req); err != nil {
			return err
		}
		resp.Body.Close()
		location, rest = resp.Header.Get("Location"), content[len(content)/2:]
	}
	req, err := http.NewRequest(http.MethodPut, location+"&digest="+digest.FromBytes(content).String(), bytes.NewReader(rest))
	if err != nil {
		return err
	}
	if resp, err = http.DefaultClient.Do(req); err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("push: %s", resp.Status)
	}
	return nil
}

// verify returns whether the registry has the blob, and fails the test when it
// serves other bytes.
func verify(t *testing.T, repo string, sum digest.Digest) bool {
	t.Helper()
	resp, err := http.Get(repo + "/blobs/" + sum.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return false
	}
	body, err := io.ReadAll(resp.Body)
	if got := digest.FromBytes(body); resp.StatusCode != http.StatusOK || err != nil || got != sum {
		t.Errorf("%s is served as %s: %s, %v", sum, got, resp.Status, err)
	}
	return true
}

// Killed in the middle of pushes, the registry starts again, has all that it
// acknowledged, serves nothing that is not what its digest says, and takes the
// same pushes again.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	for round := range 4 {
		blobs := make([][]byte, 12)
		for i := range blobs {
			blobs[i] = make([]byte, 1<<20+i)
			_, _ = random.Read(blobs[i])
		}
		repo, kill := start(t, dir)
		var acked sync.Map
		var pushes sync.WaitGroup
		for i, blob := range blobs {
			pushes.Go(func() {
				if push(repo, blob, i%2 == 0) == nil {
					acked.Store(i, true)
				}
			})
		}
		time.Sleep(time.Duration(5+15*round) * time.Millisecond)
		kill()
		pushes.Wait()

		repo, kill = start(t, dir)
		for i, blob := range blobs {
			sum := digest.FromBytes(blob)
			if _, ok := acked.Load(i); !verify(t, repo, sum) && ok {
				t.Errorf("%s was acknowledged and is gone", sum)
			}
			if err := push(repo, blob, false); err != nil {
				t.Error(err)
			}
			if !verify(t, repo, sum) {
				t.Errorf("%s is gone", sum)
			}
		}
		kill()
	}
}

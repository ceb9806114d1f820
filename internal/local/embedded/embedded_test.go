package embedded_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/local/embedded"
)

// safeBuffer is a log that the registry writes while the test reads.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestRunner(t *testing.T) {
	u, log := unit(t.TempDir()), new(safeBuffer)
	inst, err := embedded.Runner{Log: log}.Start(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	repo := "http://" + inst.Addr() + "/v2/demo"
	content := []byte("content")
	if err := push(repo, content, false); err != nil {
		t.Fatal(err)
	}
	sum := digest.FromBytes(content)
	if !verify(t, repo, sum) {
		t.Error("the blob is not there")
	}
	req, _ := http.NewRequest(http.MethodDelete, repo+"/blobs/"+sum.String(), nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("delete: %s", resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := inst.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := inst.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "method=DELETE path=/v2/demo/blobs/"+sum.String()+" status=202") {
		t.Errorf("no access log:\n%s", log)
	}
}

// Stop cuts what still runs when its context is done.
func TestStopBounded(t *testing.T) {
	inst, err := embedded.Runner{Log: io.Discard}.Start(t.Context(), unit(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	repo := "http://" + inst.Addr() + "/v2/demo"
	resp, err := http.Post(repo+"/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	body, stalled := io.Pipe()
	defer stalled.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, _ := http.NewRequest(http.MethodPatch, resp.Header.Get("Location"), body)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	if _, err := stalled.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := inst.Stop(ctx); err != nil {
		t.Error(err)
	}
	stalled.Close()
	<-done
}

// Distribution panics on a config that it cannot use.
func TestBadConfig(t *testing.T) {
	for name, content := range map[string]string{
		"not YAML":       "a: b: c",
		"old version":    "version: 0.2",
		"no storage":     "version: 0.1",
		"unknown driver": "version: 0.1\nstorage: {floppy: {}}",
		"two drivers":    "version: 0.1\nstorage: {filesystem: {}, inmemory: {}}",
		"bad auth":       "version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp}}\nauth: {htpasswd: {}}",
		"no certificate": "version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp}}\nhttp: {tls: {certificate: /nowhere/cert.pem, key: /nowhere/key.pem}}",
	} {
		t.Run(name, func(t *testing.T) {
			u := unit(t.TempDir())
			u.Content = []byte(content)
			inst, err := embedded.Runner{Log: io.Discard}.Start(t.Context(), u)
			if err == nil {
				_ = inst.Stop(t.Context())
				t.Fatal("no error")
			}
		})
	}
}

// The environment of a real registry must not change what the file says.
func TestEnvironmentIgnored(t *testing.T) {
	t.Setenv("REGISTRY_HTTP_ADDR", "192.0.2.1:1")
	config, err := embedded.Parse(unit(t.TempDir()).Content)
	if err != nil {
		t.Fatal(err)
	}
	if config.HTTP.Addr != "127.0.0.1:0" {
		t.Errorf("addr is %s", config.HTTP.Addr)
	}
}

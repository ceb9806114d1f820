package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestFailures takes the storage away from under a running registry, and
// damages it.
func TestFailures(t *testing.T) {
	t.Run("disk full", diskFull)
	t.Run("s3 down", storageDown)
	t.Run("bit flipped", bitFlipped)
	t.Run("referrers index", referrersIndex)
}

// mountSmall mounts a file system of a few MiB, which only root can do.
func mountSmall(t *testing.T) (dir string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		skip(t, "needs Linux and root, to mount a small file system")
	}
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "berth-test", dir).CombinedOutput(); err != nil {
		skip(t, fmt.Sprintf("cannot mount a small file system: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill writes a file until the file system is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}

// unavailable fails the test unless err is a server's error with an error body
// of the spec, which tells nobody where the storage is.
func unavailable(t *testing.T, what string, err error, where string) {
	t.Helper()
	r := new(refusal)
	if !errors.As(err, &r) || r.status < 500 || len(r.codes()) == 0 || strings.Contains(string(r.body), where) {
		t.Errorf("%s: %v; want a 5xx with an error code, and nothing of %s", what, err, where)
		return
	}
	t.Logf("%s: %v", what, r)
}

func pulls(t *testing.T, s *server, what string, i image) {
	t.Helper()
	if got, err := newPuller(s.client, "failures").pull(context.Background(), "v1"); err != nil || got != i.root().digest {
		t.Errorf("pull %s: %s, %v", what, got, err)
	}
}

// diskFull refuses pushes, serves pulls, and goes on when there is space again.
func diskFull(t *testing.T) {
	dir := mountSmall(t)
	s := newServer(t, setup{storage: &filesystem{root: filepath.Join(dir, "root")}})
	i := newImage([]blob{randomBlob(1 << 20)}, nil)
	if err := s.client.push(t.Context(), "failures", "v1", i); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	big := newImage([]blob{randomBlob(2 << 20)}, nil)
	for _, chunk := range []int{0, 1 << 20} {
		unavailable(t, "push a blob", s.client.pushBlob(t.Context(), "failures", big.blobs[1].digest, big.blobs[1].data, chunk), dir)
	}
	unavailable(t, "push a tag", s.client.putManifest(t.Context(), "failures", "v2", i.root().mediaType, i.root().data), dir)
	pulls(t, s, "with a full disk", i)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.client.push(t.Context(), "failures", "v2", big); err != nil {
		t.Errorf("push with space again: %v", err)
	}
	pulls(t, s, "with space again", i)
}

// health asks for /livez and /readyz.
func health(t *testing.T, s *server, path string) int {
	t.Helper()
	a, err := s.client.get(path)
	if err != nil {
		t.Fatal(err)
	}
	return a.status
}

// storageDown refuses quickly, says that it is not ready, and recovers by itself.
func storageDown(t *testing.T) {
	needsBerth(t)
	place := newS3(t)
	s := newServer(t, setup{storage: place})
	i := newImage([]blob{randomBlob(100_000)}, nil)
	if err := s.client.push(t.Context(), "failures", "v1", i); err != nil {
		t.Fatal(err)
	}
	if status := health(t, s, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d", status)
	}
	place.stop()
	started := time.Now()
	b := randomBlob(100_000)
	unavailable(t, "push a blob", s.client.pushBlob(t.Context(), "failures", b.digest, b.data, 0), place.address())
	unavailable(t, "push a tag", s.client.putManifest(t.Context(), "failures", "v2", i.root().mediaType, i.root().data), place.address())
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("two pushes are refused after %s", took)
	}
	eventually(t, "/readyz answers 503", func() bool { return health(t, s, "/readyz") == http.StatusServiceUnavailable })
	if status := health(t, s, "/livez"); status != http.StatusOK {
		t.Errorf("/livez answers %d", status)
	}
	place.start()
	eventually(t, "/readyz answers 200", func() bool { return health(t, s, "/readyz") == http.StatusOK })
	if err := s.client.push(t.Context(), "failures", "v2", newImage([]blob{b}, nil)); err != nil {
		t.Errorf("push when the storage is back: %v", err)
	}
	pulls(t, s, "when the storage is back", i)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 200 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%s: not after 20s", what)
}

// bitFlipped damages a layer and a manifest. Scrubbing finds both, they are not
// served any more, and another registry that has them can repair them.
func bitFlipped(t *testing.T) {
	needsBerth(t)
	root := &filesystem{root: t.TempDir()}
	s, twin := newServer(t, setup{storage: root}), newServer(t, setup{})
	damaged, sound := newImage([]blob{randomBlob(50_000)}, nil), newImage([]blob{randomBlob(50_000)}, nil)
	for tag, i := range map[string]image{"broken": damaged, "v1": sound} {
		for _, srv := range []*server{s, twin} {
			if err := srv.client.push(t.Context(), "failures", tag, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, code := s.berth("scrub"); code != 0 {
		t.Fatalf("berth scrub before any damage: exit code %d: %s", code, out)
	}
	for name, b := range map[string]blob{"layer": damaged.blobs[1], "manifest": damaged.root().blob} {
		t.Run(name, func(t *testing.T) {
			k := *s
			k.t = t
			flip(t, root.blobFile(b.digest), len(b.data)/2)
			out, code := k.berth("scrub", "--format", "json")
			if code != 9 || !strings.Contains(out, b.digest.String()) || !strings.Contains(out, "broken") {
				t.Errorf("berth scrub: exit code %d: %s; want 9, the digest and the tag", code, out)
			}
			_, err := newPuller(k.client, "failures").pull(t.Context(), "broken")
			if r := new(refusal); !errors.As(err, &r) || r.status != http.StatusNotFound {
				t.Errorf("pull of what is damaged: %v; want 404", err)
			}
			pulls(t, &k, "of another image", sound)
			out, code = k.berth("scrub", "--repair", twin.url)
			t.Logf("berth scrub --repair: exit code %d: %s", code, out)
			if got, err := newPuller(k.client, "failures").pull(t.Context(), "broken"); err != nil || got != damaged.root().digest {
				t.Errorf("pull after the repair: %s, %v", got, err)
			}
			if out, code := k.berth("scrub"); code != 0 {
				t.Errorf("berth scrub after the repair: exit code %d: %s", code, out)
			}
		})
	}
}

func flip(t *testing.T, name string, offset int) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[offset] ^= 1
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// referrersIndex loses its index of referrers, and answers as before.
func referrersIndex(t *testing.T) {
	needsBerth(t)
	root := &filesystem{root: t.TempDir()}
	s := newServer(t, setup{storage: root})
	subject := newImage([]blob{randomBlob(10)}, nil)
	if err := s.client.push(t.Context(), "failures", "v1", subject); err != nil {
		t.Fatal(err)
	}
	d := subject.root().descriptor()
	for range 5 {
		if err := s.client.push(t.Context(), "failures", "", newImage([]blob{randomBlob(10)}, &d)); err != nil {
			t.Fatal(err)
		}
	}
	list := func() string {
		t.Helper()
		listed, err := s.client.referrers(t.Context(), "failures", d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		set := map[string]any{} // the order of the list is free; that of a map in JSON is not
		for _, r := range listed {
			set[r.Digest.String()] = r
		}
		data, err := json.Marshal(set)
		if err != nil || len(set) != 5 {
			t.Fatalf("%d referrers: %s, %v", len(set), data, err)
		}
		return string(data)
	}
	want := list()
	index := filepath.Join(root.root, "docker/registry/v2/repositories/failures/_referrers")
	damages := map[string]func(){
		"deleted":     func() { must(t, os.RemoveAll(index)) },
		"overwritten": func() { overwrite(t, index) },
	}
	for name, damage := range damages {
		s.stop()
		damage()
		s.start()
		if got := list(); got != want {
			t.Errorf("index %s while stopped: %s; want %s", name, got, want)
		}
		damage()
		s.kill()
		s.start()
		if got := list(); got != want {
			t.Errorf("index %s while running: %s; want %s", name, got, want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// overwrite puts garbage into every file below a directory.
func overwrite(t *testing.T, dir string) {
	t.Helper()
	files := 0
	must(t, filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		return os.WriteFile(name, []byte("garbage\x00"), 0o644)
	}))
	if files == 0 {
		t.Errorf("%s has no files", dir)
	}
}

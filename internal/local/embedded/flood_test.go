package embedded_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// ask sends a request and fails unless the answer has a status.
func (w *watched) ask(method, target, body string, want int) (http.Header, []byte, error) {
	if !strings.HasPrefix(target, "http") {
		target = w.url + target
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s: %s, want %d: %.200s", method, target, resp.Status, want, data)
	}
	return resp.Header, data, err
}

// each does something so often, a few at a time.
func each(t *testing.T, times int, do func(i int) error) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for i := range times {
		group.Go(func() error { return do(i) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

const mib = 1 << 20

// What is only asked for is not remembered: neither uploads that nothing comes of,
// nor names that are not there.
func TestFloodOfNames(t *testing.T) {
	w := startWatched(t, 256)
	d := digest.FromString("unknown").String()
	flood := func(round int) func(i int) error {
		return func(i int) error {
			repo := fmt.Sprintf("r%d/%d/%s", round, i, strings.Repeat("x", 200))
			// A long query must not be kept with the name either.
			query := "?x=" + strings.Repeat("y", 4000)
			for target, want := range map[string]int{
				"POST " + repo + "/blobs/uploads/" + query:                 202,
				"GET " + repo + "/tags/list" + query:                       404,
				"HEAD " + repo + "/manifests/latest" + query:               404,
				"HEAD " + repo + "/blobs/" + d + query:                     404,
				"GET " + repo + "/referrers/" + d + query:                  200,
				"POST a/blobs/uploads/?mount=" + d + "&from=" + repo:       202,
				"DELETE " + repo + "/manifests/" + d + query:               404,
				"PATCH " + repo + "/blobs/uploads/" + d[7:7+32] + query:    404,
				"GET " + repo + "/blobs/uploads/" + d[7:7+32] + "?" + repo: 404,
			} {
				method, path, _ := strings.Cut(target, " ")
				if _, _, err := w.ask(method, path, "", want); err != nil {
					return err
				}
			}
			return nil
		}
	}
	each(t, 50, flood(0))
	before := w.look()
	const many = 500
	each(t, many, flood(1))
	after := w.look()
	if grown := after.live - before.live; grown > mib/2 {
		t.Errorf("%d bytes are kept of each", grown/many)
	}
}

// Uploads under way take no files while nobody sends, and as many as there are
// can be finished.
func TestFloodOfUploads(t *testing.T) {
	const files, many = 128, 400
	w := startWatched(t, files)
	locations := make([]string, many)
	each(t, many, func(i int) error {
		header, _, err := w.ask("POST", fmt.Sprintf("r%d/blobs/uploads/", i), "", 202)
		if err != nil {
			return err
		}
		header, _, err = w.ask("PATCH", header.Get("Location"), "x", 202)
		locations[i] = header.Get("Location")
		return err
	})
	if used := w.look(); used.files > 100 {
		t.Errorf("%d files are open", used.files)
	}
	each(t, many, func(i int) error {
		rest := fmt.Sprint(i)
		_, _, err := w.ask("PUT", locations[i]+"&digest="+digest.FromString("x"+rest).String(), rest, 201)
		return err
	})
}

// Clients that send slowly take little memory, and leave files for others.
func TestFloodOfSlowUploads(t *testing.T) {
	const many = 150
	w := startWatched(t, 2048)
	before := w.look()
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		header, _, err := w.ask("POST", fmt.Sprintf("r%d/blobs/uploads/", i), "", 202)
		if err != nil {
			t.Fatal(err)
		}
		location, err := url.Parse(header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// One byte of many: the request goes on.
		if _, err := fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\nx", location.RequestURI(), u.Host); err != nil {
			t.Fatal(err)
		}
	}
	// Until the registry has all of them under way.
	for used := w.look(); ; used = w.look() {
		if used.files >= 2*many {
			if grown := used.live - before.live; grown > many*100<<10 {
				t.Errorf("%d bytes for each", grown/many)
			}
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("they do not come to be under way")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := push(w.url+"demo", []byte("content"), true); err != nil {
		t.Error(err)
	}
}

// Connections that nobody uses make way for others, and leave files for what those
// ask for.
func TestFloodOfConnections(t *testing.T) {
	const files, many = 128, 300
	w := startWatched(t, files)
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	for range many {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or it would wait for ever
		if _, err := fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\n\r\n", u.Host); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	each(t, 20, func(i int) error { return push(w.url+"demo", fmt.Append(nil, i), i%2 == 0) })
	if used := w.look(); used.files > files*3/4 {
		t.Errorf("%d files are open", used.files)
	}
}

// Many large manifests that refer to one subject take memory and disk for
// themselves and not for each other, to push and to list.
func TestFloodOfReferrers(t *testing.T) {
	w := startWatched(t, 256)
	config := "config"
	if err := push(w.url+"demo", []byte(config), false); err != nil {
		t.Fatal(err)
	}
	manifest := func(more string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/x","digest":%q,"size":%d},"layers":[]%s}`,
			digest.FromString(config), len(config), more)
	}
	subject := manifest("")
	if _, _, err := w.ask("PUT", "demo/manifests/subject", subject, 201); err != nil {
		t.Fatal(err)
	}
	const many = 8
	each(t, many, func(i int) error {
		more := fmt.Sprintf(`,"subject":{"mediaType":"x","digest":%q,"size":%d},"annotations":{"n":"%d","x":%q}`,
			digest.FromString(subject), len(subject), i, strings.Repeat("x", 3<<20))
		content := manifest(more)
		_, _, err := w.ask("PUT", "demo/manifests/"+digest.FromString(content).String(), content, 201)
		return err
	})
	if used := w.look(); used.peak > 150*mib || used.live > 20*mib {
		t.Errorf("to push: %d MiB at most, %d stay", used.peak/mib, used.live/mib)
	}
	if size := sizeOf(t, filepath.Join(w.dir, "docker/registry/v2/repositories/demo/_referrers")); size > many<<10 {
		t.Errorf("the index has %d bytes", size)
	}
	each(t, 2, func(int) error {
		found := map[digest.Digest]bool{}
		for next := "demo/referrers/" + digest.FromString(subject).String(); next != ""; {
			header, data, err := w.ask("GET", next, "", 200)
			if err != nil {
				return err
			}
			var index struct {
				Manifests []struct{ Digest digest.Digest }
			}
			if err := json.NewDecoder(bytes.NewReader(data)).Decode(&index); err != nil {
				return err
			}
			for _, m := range index.Manifests {
				found[m.Digest] = true
			}
			next, _, _ = strings.Cut(strings.TrimPrefix(header.Get("Link"), "</v2/"), ">")
		}
		if len(found) != many {
			return fmt.Errorf("%d referrers, want %d", len(found), many)
		}
		return nil
	})
	if used := w.look(); used.peak > 150*mib || used.live > 20*mib {
		t.Errorf("to list: %d MiB at most, %d stay", used.peak/mib, used.live/mib)
	}
}

func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// dial returns a client of a keeper that is there.
func dial(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Over the socket a command gets exactly what it gets from a store that it opens
// itself.
func TestCollectOverSocket(t *testing.T) {
	ignore := cmpopts.IgnoreFields(store.Report{}, "Duration")
	sorted := cmpopts.SortSlices(func(a, b store.Verdict) bool { return a.Kind+a.Digest.String() < b.Kind+b.Digest.String() })
	k := start(t, shortDir(t), settings.Settings{GC: settings.GC{Delay: time.Hour}}, "", nil)
	k.blob(t, "young")
	now := time.Duration(0)
	for name, delay := range map[string]*time.Duration{"own": nil, "none": &now} {
		var reports [2]store.Report
		var told [2][]store.Verdict
		for i, s := range []Store{dial(t, k.dir), Offline{Store: k.Store, Settings: k.set}} {
			var err error
			reports[i], err = s.Collect(t.Context(), true, delay, func(v store.Verdict) { told[i] = append(told[i], v) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(reports[0], reports[1], ignore) + cmp.Diff(told[0], told[1], sorted); diff != "" {
			t.Errorf("delay %s (-socket +offline):\n%s", name, diff)
		}
		if freed := reports[0].Freed.Blobs > 0; freed != (delay != nil) || !reports[0].DryRun || len(told[0]) == 0 {
			t.Errorf("delay %s: %+v, %v", name, reports[0], told[0])
		}
	}
	report, err := dial(t, k.dir).Collect(t.Context(), false, &now, nil)
	if err != nil || report.Freed.Bytes != int64(len("young")) || report.DryRun {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestScrubOverSocket(t *testing.T) {
	k := start(t, shortDir(t), settings.Settings{}, "", nil)
	whole, damaged := k.blob(t, "whole"), k.blob(t, "damaged")
	if err := os.WriteFile(k.file(damaged), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := dial(t, k.dir)
	s, err := c.Scrub(t.Context())
	want := []store.Damage{{Digest: damaged, Size: oci.MaxManifest, Places: []store.Place{{Repository: "a"}}}}
	if diff := cmp.Diff(want, s.Damaged); err != nil || diff != "" || s.Blobs != 2 {
		t.Errorf("%+v, %v (-want +got):\n%s", s, err, diff)
	}
	for content, ok := range map[string]bool{"other": false, "damaged": true} {
		if err := c.Restore(t.Context(), damaged, strings.NewReader(content)); (err == nil) != ok {
			t.Errorf("restore with %q: %v", content, err)
		}
	}
	if err := c.Restore(t.Context(), "sha256:zz", nil); err == nil {
		t.Error("it restored what has no digest")
	}
	for d, want := range map[digest.Digest]string{whole: "whole", damaged: "damaged"} {
		if got, err := os.ReadFile(k.file(d)); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

// An answer ends with a line that says so, or the registry stopped before.
func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		lines []line
		want  string // what the error has; "" for none
	}{
		"done":     {[]line{{Scrubbed: &store.Scrubbed{Blobs: 7}}, {Done: true}}, ""},
		"an error": {[]line{{Scrubbed: &store.Scrubbed{}}, {Fault: faultOf(errors.New("disk"))}}, "disk"},
		"cut off":  {[]line{{Scrubbed: &store.Scrubbed{Blobs: 7}}}, "stopped before"},
		"nothing":  {nil, "stopped before"},
	} {
		t.Run(name, func(t *testing.T) {
			var body bytes.Buffer
			for _, l := range test.lines {
				_ = json.NewEncoder(&body).Encode(l)
			}
			dir := shortDir(t)
			serveOnce(t, dir, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+body.String())
			s, err := dial(t, dir).Scrub(t.Context())
			if test.want == "" {
				if err != nil || s.Blobs != 7 {
					t.Errorf("%+v, %v", s, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// serveOnce answers one request on a keeper's socket.
func serveOnce(t *testing.T, dir, answer string) {
	t.Helper()
	l, err := listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	answerOnce(t, l, answer)
}

func answerOnce(t *testing.T, l net.Listener, answer string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte(answer))
		_ = conn.Close()
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

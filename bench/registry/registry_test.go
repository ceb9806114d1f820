//go:build unix

package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-oci/berth/bench/record"
)

func TestLineRatio(t *testing.T) {
	fast := metric{"fast", "op/s", false}
	short := metric{"short", "ms", true}
	s := &session{contenders: []contender{
		{name: berth, durable: true}, {name: "registry", durable: true}, {name: "zot commit", durable: true}, {name: "zot"},
	}}
	for contender, value := range map[string]float64{berth: 200, "registry": 50, "zot commit": 100, "zot": 1000} {
		s.results.add(fast, contender, value, 0)
		s.results.add(short, contender, value, 0)
	}
	for row, want := range map[string]string{
		"fast":  "| fast | op/s | 200 | 50.0 | 100 | 1000 | 2.00 |\n",
		"short": "| short | ms | 200 | 50.0 | 100 | 1000 | 0.25 |\n",
	} {
		var b strings.Builder
		if s.line(&b, row); b.String() != want {
			t.Errorf("got %q, want %q", b.String(), want)
		}
	}
}

func TestSpread(t *testing.T) {
	r := result{Samples: []float64{90, 130, 100}}
	if r.Median = record.Median(r.Samples); r.String() != "100 ±20%" {
		t.Errorf("got %s", &r)
	}
}

// The floor answers what a client asks of a registry when it pulls.
func TestBarePull(t *testing.T) {
	dir := t.TempDir()
	set, err := makeBlobs(filepath.Join(dir, "blobs"), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := set.four[0]
	server := httptest.NewServer(bareHandler(dir))
	defer server.Close()
	c := &client{ctx: t.Context(), http: server.Client(), url: server.URL, buf: make([]byte, 4096), files: dir, verify: true}
	for _, do := range []func(blob) error{c.push, c.pull, c.head} {
		if err := do(b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListFollowsPages(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("last") == "" {
			w.Header().Set("Link", "<"+r.URL.Path+`?n=2&last=b>; rel="next"`)
			fmt.Fprint(w, `{"name":"bench/tags","tags":["tag-0","tag-1"]}`)
			return
		}
		fmt.Fprint(w, `{"name":"bench/tags","tags":["tag-2"]}`)
	}))
	defer server.Close()
	c := &client{ctx: t.Context(), http: server.Client(), url: server.URL}
	if err := c.list("?n=2", 3); err != nil {
		t.Error(err)
	}
	if err := c.list("?n=2", 4); err == nil {
		t.Error("a missing tag was not noticed")
	}
}

func TestRunStopsAtOperations(t *testing.T) {
	seen := make(chan int, 10)
	r := row{ops: 5, do: func(_ *client, i int) error { seen <- i; return nil }}
	clients := []*client{{http: http.DefaultClient}, {http: http.DefaultClient}}
	if n, _, err := r.run(t.Context(), clients, time.Nanosecond); n != 5 || err != nil || len(seen) != 5 {
		t.Errorf("%d operations, %d seen, error %v", n, len(seen), err)
	}
	r.do = func(*client, int) error { return http.ErrAbortHandler }
	if _, _, err := r.run(t.Context(), clients, 0); err != http.ErrAbortHandler {
		t.Errorf("got %v", err)
	}
}

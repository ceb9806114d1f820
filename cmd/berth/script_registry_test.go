package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// registry is a script command, see script_test.go.
func registry(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	var handler http.Handler = testtool.Registry(ctx)
	if len(args) > 1 {
		handler = &faulty{next: testtool.RegistryIn(ctx, ts.MkAbs(args[1]+".storage")), done: ctx.Done(), log: ts.MkAbs(args[1] + ".log"), faults: ts.MkAbs(args[1] + ".faults"), seen: map[string]int{}}
	}
	server := httptest.NewServer(handler)
	ts.Defer(func() { cancel(); server.Close() })
	ts.Setenv(args[0], server.URL[strings.LastIndexByte(server.URL, ':')+1:])
	files, err := filepath.Glob(ts.MkAbs("*.yaml"))
	ts.Check(err)
	expand(ts, false, files)
}

// faulty is a registry that notes what it is asked in a file, and fails as another
// file says: METHOD PATTERN STATUS [AFTER] a line, AFTER being how many such
// requests are served before. hang instead of a status never answers.
type faulty struct {
	next        http.Handler
	done        <-chan struct{}
	log, faults string

	mu   sync.Mutex
	seen map[string]int // by line of faults
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := f.fault(r)
	f.note(r, fault)
	switch {
	case fault == "hang":
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-f.done:
		case <-r.Context().Done():
		}
	case fault != "":
		status, _ := strconv.Atoi(fault)
		w.WriteHeader(status)
	default:
		f.next.ServeHTTP(w, r)
	}
}

func (f *faulty) fault(r *http.Request) string {
	data, err := os.ReadFile(f.faults)
	if err != nil {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != r.Method && words[0] != "*" || !regexp.MustCompile(words[1]).MatchString(r.URL.Path) {
			continue
		}
		f.seen[line]++
		if after, _ := strconv.Atoi(strings.Join(words[3:], "")); f.seen[line] > after {
			return words[2]
		}
	}
	return ""
}

func (f *faulty) note(r *http.Request, fault string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := os.OpenFile(f.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return
	}
	defer out.Close()
	fmt.Fprintln(out, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Range")+" "+fault))
}

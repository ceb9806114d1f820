package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/base/testtool/liar"
	"github.com/berth-oci/berth/internal/local/embedded/api"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// TestLiar runs every command that speaks to a registry against every lie that one
// can tell. A command may succeed, with exactly what is right, or fail; it may not
// take something else for it, run for ever, take memory without bound or show its
// credentials to others. Which fail, and how, is in testdata/liar.golden, for people
// to judge; BERTH_TEST_UPDATE writes it anew. That is more than a thousand programs:
// each lie meets a seventh of the commands, and each command a seventh of the lies,
// unless BERTH_TEST_ALL_LIES is set, as CI does once.
func TestLiar(t *testing.T) {
	seed, golden, got := newSeed(t), readFailures(t), failures{}
	part, update := 7, os.Getenv("BERTH_TEST_UPDATE") != ""
	if update || os.Getenv("BERTH_TEST_ALL_LIES") == "1" {
		part = 1
	}
	var mu sync.Mutex
	t.Run("against", func(t *testing.T) {
		for i, lie := range append([]liar.Lie{honesty}, liar.Lies()...) {
			t.Run(string(lie), func(t *testing.T) {
				t.Parallel()
				failed := map[string]int{}
				for j, c := range liarCommands {
					if (i+j)%part != 0 {
						continue
					}
					code := newVictim(t, seed, lie).run(t, c)
					if code != 0 {
						failed[c.name] = code
					}
					if want := golden[lie][c.name]; code != want && !update {
						t.Errorf("%s ends with %d, want %d", c.name, code, want)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				got[lie] = failed
			})
		}
	})
	if update {
		maps.Copy(golden, got)
		golden.write(t)
	}
}

// honesty is no lie: nothing may fail.
const honesty liar.Lie = "nothing but the truth"

// failures are the exit codes of the commands that a lie stops.
type failures map[liar.Lie]map[string]int

const goldenFailures = "testdata/liar.golden"

// readFailures reads lines of a lie, and of an exit code and commands below it.
func readFailures(t *testing.T) failures {
	t.Helper()
	data, err := os.ReadFile(goldenFailures)
	if err != nil && os.Getenv("BERTH_TEST_UPDATE") == "" {
		t.Fatal(err)
	}
	all := failures{}
	var lie liar.Lie
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		code, commands, isCode := strings.Cut(strings.TrimSpace(line), ": ")
		if !strings.HasPrefix(line, "\t") || !isCode {
			lie = liar.Lie(line)
			all[lie] = map[string]int{}
			continue
		}
		for name := range strings.SplitSeq(commands, ", ") {
			all[lie][name], err = strconv.Atoi(code)
			must{t}.Check(err)
		}
	}
	return all
}

func (f failures) write(t *testing.T) {
	t.Helper()
	var text strings.Builder
	for _, lie := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintln(&text, lie)
		for _, code := range slices.Compact(slices.Sorted(maps.Values(f[lie]))) {
			var names []string
			for _, c := range liarCommands {
				if f[lie][c.name] == code {
					names = append(names, c.name)
				}
			}
			fmt.Fprintf(&text, "\t%d: %s\n", code, strings.Join(names, ", "))
		}
	}
	must{t}.Check(os.WriteFile(goldenFailures, []byte(text.String()), 0o666))
}

// Bounds of one command.
const (
	liarPatience = 2 * time.Minute
	liarMemory   = raceCost * 512 << 20 // bytes, with some of the test's own that the system counts
)

// seed is what the registry has that lies are told of.
type seed struct {
	dir    string            // the storage
	layout string            // of app and what refers to it
	digest map[string]string // of what the tests name
}

// newSeed pushes what is right, once.
func newSeed(t *testing.T) *seed {
	t.Helper()
	s := &seed{dir: t.TempDir(), layout: filepath.Join(t.TempDir(), "app"), digest: map[string]string{}}
	layout := imageLayout{ts: must{t}, dir: s.layout}
	app := layout.tagged("v1", "the right one")
	sbom := layout.refer(app, "application/spdx+json")
	sig := layout.refer(sbom.Digest, "application/vnd.example.signature")
	twin := filepath.Join(t.TempDir(), "twin")
	s.digest["app"], s.digest["sbom"], s.digest["sig"] = app.String(), sbom.Digest.String(), sig.Digest.String()
	s.digest["twin"] = imageLayout{ts: must{t}, dir: twin}.tagged("v1", "the wrong one").String()
	multi := imageLayout{ts: must{t}, dir: filepath.Join(t.TempDir(), "multi")}
	index := multi.index("for ", "linux/amd64", "linux/arm64")
	s.digest["multi"] = multi.named("v1", index).String()
	v := &victim{seed: s, home: t.TempDir()}
	v.serve(t, &liar.Registry{Honest: honest(t, s.dir)})
	extension(t, filepath.Join(v.home, "tool"), "right")
	extension(t, filepath.Join(v.home, "twin"), "wrong")
	for _, args := range []string{
		"push image " + s.layout + " --source-tag v1 --name app --tag v1", "tag image/app:v1 v2",
		"push image " + twin + " --name app --tag other", "push image " + multi.dir + " --tag v1", "push image " + twin + " --name multi --tag other",
		"push extension tool --name tool --tag v1", "push extension twin --name tool --tag other",
	} {
		if code, out := v.berth(t, args); code != 0 {
			t.Fatalf("berth %s: %d\n%s", args, code, out)
		}
	}
	_, out := v.berth(t, "inspect extension/tool:v1 --format raw")
	s.digest["tool"] = digest.FromString(out).String()
	return s
}

// must is a checker.
type must struct{ t *testing.T }

func (m must) Check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// tagged adds an image under a tag.
func (l imageLayout) tagged(tag, text string) digest.Digest {
	return l.named(tag, l.image(text, "linux/amd64"))
}

// named gives what is there a tag.
func (l imageLayout) named(tag string, d ocispec.Descriptor) digest.Digest {
	d.Platform, d.Annotations = nil, map[string]string{ocispec.AnnotationRefName: tag}
	l.add(d)
	return d.Digest
}

// extension makes a directory that can be pushed.
func extension(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"extension.yaml": "name: tool\nkind: provider\nversion: 1.0.0\n", "content": strings.Repeat(text+"\n", 1000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// honest is berth's own registry on a directory.
func honest(t *testing.T, dir string) http.Handler {
	t.Helper()
	driver, err := storage.Open(t.Context(), configuration.Storage{"filesystem": {"rootdirectory": dir}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := store.New(driver, store.Options{Log: log, Delay: time.Hour})
	t.Cleanup(func() { _ = s.Close() })
	return api.New(s, api.Options{Log: log, Relative: true})
}

// victim is one user of a registry that lies.
type victim struct {
	*seed
	home   string
	data   string // where the registry keeps what it has
	server *liar.Registry
	host   string
	leaked atomic.Bool // credentials were shown to another host
}

func newVictim(t *testing.T, s *seed, lie liar.Lie) *victim {
	t.Helper()
	v := &victim{seed: s, home: t.TempDir(), data: t.TempDir()}
	if err := os.CopyFS(v.data, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	right := honest(t, v.data)
	elsewhere := testtool.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			v.leaked.Store(true)
		}
		right.ServeHTTP(w, r)
	}))
	v.serve(t, &liar.Registry{Honest: right, Lie: lie, Twin: "other", Elsewhere: elsewhere.URL, User: "user", Password: "password"})
	extension(t, filepath.Join(v.home, "tool"), "right")
	return v
}

func (v *victim) serve(t *testing.T, r *liar.Registry) {
	t.Helper()
	v.server, v.host = r, strings.TrimPrefix(testtool.Serve(t, r).URL, "http://")
	for name, content := range map[string]string{
		"docker/config.json": `{"auths":{"` + v.host + `":{"auth":"dXNlcjpwYXNzd29yZA=="}}}`,
		"registry.yaml": "deployment: local\ntype: distribution\nendpoint: 127.0.0.1\nport: " + v.host[strings.LastIndexByte(v.host, ':')+1:] +
			"\nlocal: {data_dir: \"" + v.home + "/data\", config_path: \"" + v.home + "/native.yml\"}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(v.home, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(v.home, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// berth runs the program, with HOST for the registry in its arguments, and returns
// how it ended and what is on standard output.
func (v *victim) berth(t *testing.T, args string) (code int, stdout string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), liarPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "berth", strings.Fields(strings.ReplaceAll(args, "HOST", v.host))...)
	cmd.Dir = v.home
	cmd.Env = append(os.Environ(), "HOME="+v.home, "XDG_STATE_HOME="+v.home+"/state", "DOCKER_CONFIG="+v.home+"/docker",
		"BERTH_CACHE_DIR="+v.home+"/cache", "BERTH_CONFIG="+v.home+"/registry.yaml")
	cmd.Stdin = strings.NewReader("password")
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	began := time.Now()
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("berth %s runs for ever", args)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	code = cmd.ProcessState.ExitCode()
	peak := peakOf(cmd.ProcessState)
	t.Logf("berth %s: %d after %v with %d MiB\n%s%s", args, code, time.Since(began).Round(time.Millisecond), peak>>20, out.String(), told.String())
	if peak > liarMemory {
		t.Errorf("berth %s took %d MiB", args, peak>>20)
	}
	if code != 0 && (!strings.Contains(told.String(), "error[") || !strings.Contains(told.String(), "hint: ")) {
		t.Errorf("berth %s says neither what is wrong nor what to do: %s", args, told.String())
	}
	return code, out.String()
}

// run runs a command, and looks at what it left.
func (v *victim) run(t *testing.T, c liarCommand) (code int) {
	t.Helper()
	if c.before != nil {
		c.before(t, v)
	}
	code, stdout := v.berth(t, os.Expand(c.args, func(name string) string {
		if name == "layout" {
			return v.layout
		}
		return v.digest[name]
	}))
	if v.leaked.Load() {
		t.Errorf("%s: the credentials were shown to another host", c.name)
	}
	if err := c.right(v, code, stdout); err != nil {
		t.Errorf("%s, which ended with %d: %v", c.name, code, err)
	}
	return code
}

package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var updateFlag = flag.Bool("update", false, "write INTEROP.md as TestInterop finds things")

// registries are what artifacts go through.
var registries = []struct {
	name string
	new  func(t *testing.T) *kit
}{
	{"berth serve", func(t *testing.T) *kit { return newKit(t, false) }},
	{"distribution", newDistribution},
	{"zot", func(t *testing.T) *kit {
		return newForeign(t, "zot", func(port int, dir string) any {
			return map[string]any{
				"storage": map[string]any{"rootDirectory": dir}, "log": map[string]any{"level": "error"},
				"http": map[string]any{"address": "127.0.0.1", "port": fmt.Sprint(port)},
			}
		})
	}},
}

// newDistribution starts CNCF distribution, which lists no referrers.
func newDistribution(t *testing.T) *kit {
	return newForeign(t, "registry", func(port int, dir string) any {
		return map[string]any{
			"version": "0.1", "http": map[string]any{"addr": fmt.Sprintf("127.0.0.1:%d", port)}, "log": map[string]any{"level": "error"},
			"storage": map[string]any{"filesystem": map[string]any{"rootdirectory": dir}, "delete": map[string]any{"enabled": true}},
		}
	})
}

// newForeign starts a registry that is not berth's.
func newForeign(t *testing.T, name string, config func(port int, dir string) any) *kit {
	t.Helper()
	run, dir := program(t, name), t.TempDir()
	s := &server{t: t, dir: dir, port: freePort(t)}
	s.url = fmt.Sprintf("http://127.0.0.1:%d", s.port)
	s.client = newClient(s.url, setup{})
	s.config = writeJSON(t, filepath.Join(dir, "config.json"), config(s.port, filepath.Join(dir, "root")))
	var err error
	if s.proc, err = launch(s.log(), run, "serve", s.config); err == nil {
		err = s.proc.waitFor(name, func() bool {
			a, err := s.client.get("/v2/")
			return err == nil && a.status == http.StatusOK
		})
	}
	if err != nil {
		showLog(t, s.log())
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return kitOf(t, s, setup{})
}

// carried is an artifact that is handed from program to program.
type carried struct {
	kind   string
	name   string
	path   string   // what berth pushes
	args   []string // what it is told besides
	tree   tree     // of a directory
	repo   string
	digest digest.Digest
	layout string // of it, tagged v1
}

// carry makes one artifact of each kind.
func carry(t *testing.T, u *berthUser) []*carried {
	t.Helper()
	directory := func(name string, files map[string]string) string {
		dir := filepath.Join(t.TempDir(), name)
		for file, text := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, dir, file, text)
		}
		return dir
	}
	single := realImage(t, "amd64")
	list := []*carried{
		{kind: "extension", name: "aws", repo: "provisioning-extensions/aws",
			path: directory("aws", map[string]string{"extension.yaml": "name: aws\nversion: 1.0.0\nkind: provider\n", "bin/run": "#!/bin/sh\n"})},
		{kind: "kcl", name: "mod", repo: "provisioning-kcl/mod",
			path: directory("mod", map[string]string{"kcl.mod": "[package]\nname = \"mod\"\nversion = \"1.0.0\"\n", "main.k": "a = 1\n"})},
		{kind: "data", name: "tree", repo: "data/tree", args: []string{"--version", "1.0.0"},
			path: directory("tree", map[string]string{"a": "a", "b/c": strings.Repeat("c", 100_000)})},
		{kind: "image", name: "single", repo: "provisioning-platform/single", path: writeLayout(t, single, "v1"), args: []string{"--name", "single"}},
		{kind: "image", name: "several", repo: "provisioning-platform/several",
			path: writeLayout(t, newIndex(single, realImage(t, "arm64")), "v1"), args: []string{"--name", "several"}},
	}
	for _, c := range list {
		args := append([]string{"push", c.kind, c.path, "--tag", "v1"}, c.args...)
		if c.kind == "kcl" {
			args = []string{"push", c.kind, c.path} // whose tag is the version
		}
		u.must(args...)
		if c.kind == "kcl" {
			u.must("tag", "kcl/mod:1.0.0", "v1")
		}
		if c.kind != "image" {
			c.tree = readTree(t, c.path)
		}
		c.layout = filepath.Join(t.TempDir(), "layout")
		u.must("copy", c.kind+"/"+c.name+":v1", "oci:"+c.layout+":v1")
	}
	return list
}

// row is a line of the table: what is done, and how it went by program.
type row struct {
	what  string
	cells []string
}

// What a cell can be.
const (
	works = "yes"
	fails = "FAILS"
)

// TestInterop hands artifacts of every kind between berth and other programs,
// through several registries, and compares how it went with INTEROP.md.
func TestInterop(t *testing.T) {
	needsBerth(t)
	for _, name := range []string{"oras", "crane", "regctl", "skopeo", "registry"} {
		program(t, name)
	}
	var kits []*kit
	var names []string
	for _, r := range registries {
		if _, err := exec.LookPath("zot"); r.name == "zot" && err != nil && !*updateFlag {
			t.Log("zot is not installed: not through it")
			continue
		}
		kits, names = append(kits, r.new(t)), append(names, r.name)
	}
	sections := make([]string, len(kits), len(kits)+1)
	t.Run("through", func(t *testing.T) {
		for n, k := range kits {
			t.Run(names[n], func(t *testing.T) {
				t.Parallel()
				sections[n] = through(t, k.at(t), names[n])
			})
		}
	})
	last := between(t, kits, names)
	if len(kits) == len(registries) {
		sections = append(sections, last)
	}
	found := interopHead + strings.Join(sections, "")
	if *updateFlag {
		writeFile(t, ".", "INTEROP.md", found)
		return
	}
	data, err := os.ReadFile("INTEROP.md")
	same := err == nil && string(data) == found
	if len(kits) < len(registries) {
		same = err == nil
		for line := range strings.Lines(found) {
			same = same && strings.Contains(string(data), line)
		}
	}
	if !same {
		t.Errorf("INTEROP.md is not what was found (%v); after a look at the difference: go test . -run TestInterop -update\n%s", err, found)
	}
}

// between copies what refers to an image from each registry to each other one:
// some list referrers themselves, for others clients do.
func between(t *testing.T, kits []*kit, names []string) string {
	const sbom = "application/vnd.berth.sbom"
	var out strings.Builder
	fmt.Fprintf(&out, "\n## From one to another\n\nAttached by oras, copied by berth, listed by oras:\n\n| from, to | %s |\n|---%s|\n",
		strings.Join(names, " | "), strings.Repeat("|---", len(names)))
	u := newUser(t, kits[0].port, nil)
	layout := writeLayout(t, realImage(t, "amd64"), "v1")
	file := writeFile(t, t.TempDir(), "sbom.json", `{"sbom": true}`)
	for n, from := range kits {
		source := from.host + "/between/source:v1"
		u.must("copy", "oci:"+layout+":v1", source)
		from.at(t).oras("attach", "--disable-path-validation", "--artifact-type", sbom, source, file+":application/json")
		fmt.Fprintf(&out, "| %s |", names[n])
		for m, to := range kits {
			if n == m {
				out.WriteString("  |")
				continue
			}
			target := fmt.Sprintf("%s/between/from%d:v1", to.host, n)
			fmt.Fprintf(&out, " %s |", cell(t, to, "from "+names[n]+" to "+names[m], func(k *kit) error {
				if o := u.run("copy", source, target); o.code != 0 {
					return fmt.Errorf("berth copy: %d: %s", o.code, o.stderr)
				}
				return lists(k, func(k *kit, at string) string {
					return fmt.Sprint(strings.Count(k.oras("discover", "--format", "json", at), sbom))
				}, target)
			}))
		}
		out.WriteString("\n")
	}
	return out.String()
}

const interopHead = `# Interoperability

What ` + "`berth push`" + ` writes and others read, and the other way round; ` + "`go test . -run TestInterop -update`" + ` writes this
file, and the test fails where it is not true. Digests are compared, and of directories all files.
`

// through fills the section of one registry.
func through(t *testing.T, k *kit, registry string) string {
	// As it is by default: oras unpacks no layers that are not compressed.
	u := newUser(t, k.port, map[string]any{"push_policy": map[string]any{}})
	artifacts := carry(t, u)
	var rows []row
	for _, c := range artifacts {
		what := c.kind
		if c.name == "several" {
			what = "image index"
		}
		reads, pushes := row{what: what + ", pushed by berth"}, row{what: what + ", pulled by berth"}
		var err error
		if c.digest, err = newPuller(k.client, c.repo).pull(t.Context(), "v1"); err != nil {
			t.Fatal(err)
		}
		for _, m := range movers {
			reads.cells = append(reads.cells, cell(t, k, m.name+" reads "+what, func(k *kit) error { return reading(k, m, c) }))
			pushes.cells = append(pushes.cells, cell(t, k, m.name+" pushes "+what, func(k *kit) error { return pushing(k, u, m, c) }))
		}
		rows = append(rows, reads, pushes)
	}
	rows = append(rows, referring(t, k, u)...)
	var out strings.Builder
	fmt.Fprintf(&out, "\n## Through %s\n\n|", registry)
	for _, m := range movers {
		fmt.Fprintf(&out, " | %s", m.name)
	}
	fmt.Fprintf(&out, " |\n|---%s|\n", strings.Repeat("|---", len(movers)))
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %s |\n", r.what, strings.Join(r.cells, " | "))
	}
	return out.String()
}

// cell tries something in a subtest.
func cell(t *testing.T, k *kit, what string, try func(k *kit) error) (outcome string) {
	outcome = fails
	t.Run(what, func(t *testing.T) {
		if err := try(k.at(t)); err != nil {
			t.Error(err)
			return
		}
		outcome = works
	})
	return outcome
}

// reading lets another program fetch what berth has pushed.
func reading(k *kit, m mover, c *carried) error {
	from := k.host + "/" + c.repo + ":v1"
	dir := k.t.TempDir()
	if err := attempt(k, func(k *kit) { m.pull(k, from, dir) }); err != nil {
		return err
	}
	if err := hasGraph(dir, c.digest); err != nil || m.name != "oras" || c.kind == "image" {
		return err
	}
	out := k.t.TempDir()
	if err := attempt(k, func(k *kit) { k.oras("pull", "-o", out, from) }); err != nil || c.kind == "kcl" {
		return err // oras leaves a package as the archive that it is
	}
	return equalTrees(k.t, filepath.Join(out, c.name), c.tree)
}

// pushing lets another program push, and berth pull.
func pushing(k *kit, u *berthUser, m mover, c *carried) error {
	name := c.name + "-" + m.name
	repo := strings.TrimSuffix(c.repo, c.name) + name
	to := k.host + "/" + repo + ":v1"
	push := m.push
	if m.name == "crane" && c.name == "several" {
		push = func(k *kit, dir, _, to string) { k.crane("push", "--index", dir, to) }
	}
	if err := attempt(k, func(k *kit) { push(k, c.layout, "v1", to) }); err != nil {
		return err
	}
	_, data, err := k.client.manifest(k.t.(*testing.T).Context(), repo, "v1")
	if err != nil {
		return err
	}
	// crane pushes the index of the layout itself, around the one in it.
	root := digest.FromBytes(data)
	if root != c.digest && !bytes.Contains(data, []byte(c.digest)) {
		return fmt.Errorf("%s pushed %s, not %s", m.name, root, c.digest)
	}
	out := filepath.Join(k.t.TempDir(), "out")
	args := []string{"pull", c.kind + "/" + name + ":v1", "-o", out}
	if c.kind == "image" {
		args = append(args, "--as", "oci")
	}
	if o := u.run(args...); o.code != 0 {
		return fmt.Errorf("berth pull: %d: %s", o.code, o.stderr)
	}
	if c.kind == "image" {
		return hasGraph(out, root)
	}
	return equalTrees(k.t, out, c.tree)
}

// attempt runs what ends its test when it fails, and returns that as an error.
func attempt(k *kit, f func(k *kit)) (err error) {
	r := &recorder{TB: k.t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, c := *k.server, *k
		s.t, c.server = r, &s
		f(&c)
	}()
	<-done
	if r.failed != "" {
		return errors.New(r.failed)
	}
	return nil
}

// recorder keeps what a test would fail with.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// hasGraph fails unless a layout lists a root and has all that is below it.
func hasGraph(dir string, root digest.Digest) error {
	var index v1.Index
	data, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err != nil || !slices.ContainsFunc(index.Manifests, func(d v1.Descriptor) bool { return d.Digest == root }) {
		return fmt.Errorf("%s lists %v, not %s: %w", dir, index.Manifests, root, err)
	}
	return hasBelow(dir, root)
}

func hasBelow(dir string, d digest.Digest) error {
	data, err := os.ReadFile(filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded()))
	if err != nil {
		return err
	}
	if d.Algorithm().FromBytes(data) != d {
		return fmt.Errorf("%s has other content", d)
	}
	var m struct {
		SchemaVersion int
		Config        *v1.Descriptor
		Layers        []v1.Descriptor
		Manifests     []v1.Descriptor
	}
	if json.Unmarshal(data, &m) != nil || m.SchemaVersion == 0 {
		return nil // a blob
	}
	below := append(m.Layers, m.Manifests...)
	if m.Config != nil {
		below = append(below, *m.Config)
	}
	for _, b := range below {
		if err := hasBelow(dir, b.Digest); err != nil {
			return err
		}
	}
	return nil
}

func equalTrees(t testing.TB, dir string, want tree) error {
	got := readTree(t, dir)
	for name := range want {
		if got[name] != want[name] {
			return fmt.Errorf("%s of %s is not as it was", name, dir)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s holds %d things, not %d", dir, len(got), len(want))
	}
	return nil
}

// referring attaches with other programs, copies with berth and asks the others.
func referring(t *testing.T, k *kit, u *berthUser) []row {
	const sbom = "application/vnd.berth.sbom"
	file := writeFile(t, t.TempDir(), "sbom.json", `{"sbom": true}`)
	attach := map[string]func(k *kit, to string){
		"oras": func(k *kit, to string) {
			k.oras("attach", "--disable-path-validation", "--artifact-type", sbom, to, file+":application/json")
		},
		"regctl": func(k *kit, to string) {
			k.regctl("artifact", "put", "--artifact-type", sbom, "--subject", to, "-f", file, "--file-media-type", "application/json")
		},
	}
	list := map[string]func(k *kit, at string) string{
		"oras": func(k *kit, at string) string {
			return fmt.Sprint(strings.Count(k.oras("discover", "--format", "json", at), sbom))
		},
		"regctl": func(k *kit, at string) string {
			return strings.TrimSpace(k.regctl("artifact", "list", "--format", "{{len .Descriptors}}", at))
		},
	}
	copyOver := map[string]func(k *kit, from, to string){
		"oras": func(k *kit, from, to string) {
			k.run("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", from, to)
		},
		"regctl": func(k *kit, from, to string) { k.regctl("image", "copy", "--referrers", from, to) },
	}
	rows := []row{{what: "attached by it, copied by berth, listed by it"}, {what: "attached by it, by way of a layout of berth, listed by it"},
		{what: "attached and copied by it, listed by berth"}}
	for _, m := range movers {
		name := m.name
		if attach[name] == nil {
			for n := range rows {
				rows[n].cells = append(rows[n].cells, "")
			}
			continue
		}
		from := "image/several-" + name
		u.must("copy", "image/several:v1", from+":v1")
		at := func(suffix string) string {
			return k.host + "/provisioning-platform/several-" + name + suffix + ":v1"
		}
		tries := []func(k *kit) error{
			func(k *kit) error {
				if err := attempt(k, func(k *kit) { attach[name](k, at("")) }); err != nil {
					return err
				}
				u.must("copy", from+":v1", from+"-copied:v1")
				return lists(k, list[name], at("-copied"))
			},
			func(k *kit) error {
				layout := "oci:" + filepath.Join(k.t.TempDir(), "layout") + ":v1"
				u.must("copy", from+":v1", layout)
				u.must("copy", layout, from+"-laid:v1")
				return lists(k, list[name], at("-laid"))
			},
			func(k *kit) error {
				if err := attempt(k, func(k *kit) { copyOver[name](k, at(""), at("-by")) }); err != nil {
					return err
				}
				if o := u.run("inspect", from+"-by:v1", "--format", "json"); o.code != 0 || strings.Count(o.stdout, sbom) != 1 {
					return fmt.Errorf("berth inspect: %d: %s%s", o.code, o.stdout, o.stderr)
				}
				return nil
			},
		}
		for n, try := range tries {
			rows[n].cells = append(rows[n].cells, cell(t, k, name+": "+rows[n].what, try))
		}
	}
	return rows
}

func lists(k *kit, list func(k *kit, at string) string, at string) (err error) {
	var got string
	if err := attempt(k, func(k *kit) { got = list(k, at) }); err != nil {
		return err
	}
	if got != "1" {
		return fmt.Errorf("%s has %s referrers, not 1", at, got)
	}
	return nil
}

package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
)

// spoiling is a way in which what is between berth and a registry goes wrong, and
// how a command must end when it keeps going wrong. Once, everything must end well.
type spoiling struct {
	name   string
	fault  fault
	small  bool           // it is about requests, not about bytes: a small artifact will do
	always map[string]int // exit code by way; ways that are not in it are not tried
	once   bool           // each time is not tried
}

// Exit codes that berth promises.
const (
	exitOK          = 0
	exitFailed      = 1
	exitNotFound    = 5
	exitIntegrity   = 9
	exitUnavailable = 10
)

// each is one exit code for several ways.
func each(code int, ways ...string) map[string]int {
	codes := map[string]int{}
	for _, w := range ways {
		codes[w] = code
	}
	return codes
}

var (
	inwards  = []string{"pull", "image", "copy"}
	outwards = []string{"push", "copy"}
)

const mib = 1 << 20

// spoilings are all there are. storage is where blobs are besides, letter the place
// of a letter in the manifest of the small parcel.
func spoilings(storage string, letter int64) []spoiling {
	list := []spoiling{
		// Answers.
		{name: "blobs cut at once", fault: fault{gets("blobs"), cutAnswer(0)}, always: each(exitUnavailable, inwards...)},
		{name: "blobs cut after 4 MiB", fault: fault{gets("blobs"), cutAnswer(4 * mib)}, always: each(exitOK, inwards...)},
		{name: "blobs of which the last byte is left out", fault: fault{gets("blobs"), shorten(1)}, always: each(exitIntegrity, inwards...)},
		{name: "blobs with a wrong bit", fault: fault{gets("blobs"), flipAnswer(100)}, always: each(exitIntegrity, inwards...)},
		{name: "blobs with a wrong bit far behind", fault: fault{gets("blobs"), flipAnswer(10 * mib)}, always: each(exitIntegrity, inwards...)},
		{name: "blobs of which no parts are served", fault: fault{gets("blobs"), unranged}, always: each(exitOK, inwards...)},
		{name: "blobs of which other parts are served", fault: fault{gets("blobs"), shifted}, always: each(exitFailed, inwards...)},
		{name: "blobs that do not come", fault: fault{gets("blobs"), stalls}, always: each(exitUnavailable, inwards...)},
		{name: "blobs that are lost", fault: fault{gets("blobs"), answers(http.StatusNotFound)}, small: true, always: each(exitIntegrity, inwards...)},
		{name: "blobs elsewhere", fault: fault{gets("blobs"), redirects(storage)}, always: each(exitOK, inwards...)},
		{name: "manifests cut", fault: fault{gets("manifests"), cutAnswer(10)}, small: true, always: each(exitUnavailable, inwards...)},
		{name: "manifests cut short", fault: fault{gets("manifests"), shorten(10)}, small: true, always: each(exitIntegrity, inwards...)},
		{name: "manifests with a wrong bit", fault: fault{gets("manifests"), flipAnswer(100)}, small: true, always: each(exitIntegrity, inwards...)},
		{name: "manifests that do not come", fault: fault{gets("manifests"), stalls}, small: true, always: each(exitUnavailable, inwards...)},
		// Requests.
		{name: "uploads cut at once", fault: fault{uploads, cutRequest(0)}, always: each(exitUnavailable, outwards...)},
		{name: "uploads cut after 5 MiB", fault: fault{uploads, cutRequest(5 * mib)}, always: each(exitOK, outwards...)},
		{name: "uploads with a wrong bit", fault: fault{uploads, flipRequest(100)}, always: each(exitIntegrity, outwards...)},
		{name: "uploads that get no answer", fault: fault{uploads, stalls}, always: each(exitUnavailable, outwards...)},
		{name: "uploads whose answers are lost", fault: fault{uploads, lost}, always: each(exitOK, outwards...)},
		{name: "uploads that are forgotten", fault: fault{func(x exchange) bool { return x.later }, answers(http.StatusNotFound)}, always: each(0, outwards...)}, // at last it is sent whole
		{name: "uploads whose openings are lost", fault: fault{methods(http.MethodPost), lost}, small: true, always: each(exitUnavailable, outwards...)},
		{name: "manifests put with a wrong letter", fault: fault{puts("manifests"), flipRequest(letter)}, small: true, always: each(exitIntegrity, outwards...)},
		{name: "tags put with a wrong letter", fault: fault{tagged, flipRequest(letter)}, small: true, once: true, always: each(exitOK, outwards...)},
		{name: "manifests put as no JSON", fault: fault{puts("manifests"), flipRequest(0)}, small: true, always: each(exitFailed, outwards...)},
		{name: "manifests put and not answered", fault: fault{puts("manifests"), lost}, small: true, always: each(exitUnavailable, outwards...)},
		{name: "manifests put and cut", fault: fault{puts("manifests"), cutRequest(20)}, small: true, always: each(exitUnavailable, outwards...)},
	}
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut} {
		ways := outwards // a pull asks for what it needs, and not whether it is there
		if method == http.MethodGet {
			ways = inwards
		}
		for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
			code := exitUnavailable
			if status == http.StatusInternalServerError {
				code = exitFailed
			}
			for _, nth := range []int{1, 2} {
				list = append(list, spoiling{
					name: fmt.Sprintf("%s from the %d. answered %d", method, nth, status), small: method != http.MethodPatch,
					fault: fault{after(nth, methods(method)), answers(status)}, always: each(code, ways...), once: nth > 1,
				})
			}
		}
	}
	return list
}

// parcel is what is moved: a directory, and what it is in the registry.
type parcel struct {
	dir      string
	tree     tree
	name     string // data/NAME:v1 has it
	manifest []byte
	digest   digest.Digest
	image    image // provisioning-platform/NAME:v1
}

// newParcel makes a directory with a random file and pushes it.
func newParcel(t *testing.T, s *server, name string, size int) *parcel {
	t.Helper()
	p := &parcel{dir: filepath.Join(t.TempDir(), name), name: name}
	if err := os.MkdirAll(filepath.Join(p.dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	_, _ = rand.Read(data)
	writeFile(t, p.dir, "random", string(data))
	writeFile(t, filepath.Join(p.dir, "below"), "text", "text")
	p.tree = readTree(t, p.dir)
	newUser(t, s.port, account(t, s)).must("push", "data", p.dir, "--version", "1.0.0", "--tag", "v1")
	var err error
	if _, p.manifest, err = s.client.manifest(t.Context(), "data/"+name, "v1"); err != nil {
		t.Fatal(err)
	}
	if p.digest, err = newPuller(s.client, "data/"+name).pull(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	p.image = newImage([]blob{newBlob(digest.SHA256, data)}, nil)
	if err := s.client.push(t.Context(), "provisioning-platform/"+name, "v1", p.image); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMoving moves artifacts through a proxy that spoils exchanges: once, and each
// time. Once must not matter. Whatever happens, no tag names anything broken, no
// output is touched by what is not whole, and the next run, with nothing in its
// way, gets it done.
func TestMoving(t *testing.T) {
	needsBerth(t)
	t.Run("berth serve", func(t *testing.T) {
		moving(t, newServer(t, setup{user: user, password: password}), func(spoiling) bool { return true })
	})
	// How uploads go on is up to a registry.
	t.Run("distribution", func(t *testing.T) {
		moving(t, newDistribution(t).server, func(c spoiling) bool {
			return strings.HasPrefix(c.name, "uploads") || strings.HasPrefix(c.name, "PATCH")
		})
	})
}

func moving(t *testing.T, s *server, tried func(spoiling) bool) {
	large, small := newParcel(t, s, "large", 18*mib), newParcel(t, s, "small", 100_000)
	storage, asked := newStorage(t, s)
	letter := bytes.Index(small.manifest, []byte("directory"))
	for n, c := range spoilings(storage, int64(letter)) {
		if !tried(c) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, often := range []string{"once", "always"} {
				if often == "always" && c.once {
					continue
				}
				for _, way := range slices.Sorted(maps.Keys(c.always)) {
					t.Run(often+"/"+way, func(t *testing.T) {
						t.Parallel()
						m := &move{server: s, parcel: large, proxy: newProxy(t, s.url), to: fmt.Sprintf("%d%s", n, often)}
						if c.small {
							m.parcel = small
						}
						if often == "once" {
							m.try(t, c, 1, way, exitOK)
							return
						}
						m.try(t, c, -1, way, c.always[way])
					})
				}
			}
		})
	}
	t.Cleanup(func() {
		if header := asked.Load(); header != nil {
			t.Errorf("the storage that blobs are redirected to was shown credentials: %s", *header)
		}
	})
}

// move is one artifact on its way through one proxy.
type move struct {
	server *server
	*parcel
	proxy *proxy
	to    string // begins the name of the repository that is made
}

// try runs a command with the fault, and again without.
func (m *move) try(t *testing.T, c spoiling, times int, way string, want int) {
	u := newUser(t, m.proxy.port, account(t, m.server))
	u.config["namespaces"] = map[string]any{"custom": map[string]any{"data": "data", "new": m.to + "-" + way}}
	u.write()
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	writeFile(t, u.home, "config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, m.proxy.alias(), auth))
	run, check := m.ways(t, u, way)
	m.proxy.spoil(c.fault, times)
	o := run()
	if hits := m.proxy.heal(); hits == 0 {
		t.Errorf("nothing was spoilt; berth said: %s", o.stderr)
	}
	if o.code != want {
		t.Errorf("exit code %d, not %d: %s", o.code, want, o.stderr)
	}
	if o.code != 0 && o.stdout != "" {
		t.Errorf("it failed, and printed a result: %s", o.stdout)
	}
	if strings.Contains(o.stderr, "make it again") {
		t.Errorf("it blames what was made here: %s", o.stderr)
	}
	check(o.code == 0)
	noRemains(t, u.home)
	noRemains(t, u.path("tmp"))
	if t.Failed() || o.code == 0 {
		return
	}
	if o := run(); o.code != 0 {
		t.Errorf("with nothing in its way it ends with %d: %s", o.code, o.stderr)
	}
	check(true)
}

// ways returns the command of a way, and what looks at what it has done.
func (m *move) ways(t *testing.T, u *berthUser, way string) (run func() outcome, check func(done bool)) {
	repo := m.to + "-" + way + "/" + m.name
	switch way {
	case "push":
		return func() outcome {
			return u.run("push", "new", m.dir, "--version", "1.0.0", "--tag", "v1")
		}, func(done bool) { m.arrived(t, repo, done) }
	case "copy":
		from, to := m.proxy.host()+"/data/"+m.name+":v1", m.proxy.alias()+"/"+repo+":v1"
		return func() outcome { return u.run("copy", from, to) }, func(done bool) { m.arrived(t, repo, done) }
	case "image":
		return m.pullImage(t, u)
	}
	out := u.path("out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, out, "old", "old")
	before := readTree(t, out)
	return func() outcome { return u.run("pull", "data/"+m.name+":v1", "-o", out, "--force") }, func(done bool) {
		want := before
		if done {
			want = m.tree
		}
		sameTree(t, out, want)
	}
}

func (m *move) pullImage(t *testing.T, u *berthUser) (run func() outcome, check func(done bool)) {
	out := writeFile(t, u.home, "image.tar", "old")
	return func() outcome {
			return u.run("pull", "image/"+m.name+":v1", "-o", out, "--as", "oci-archive", "--force")
		}, func(done bool) {
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if !done {
				if string(data) != "old" {
					t.Error("the archive that was there was replaced")
				}
				return
			}
			dir := t.TempDir()
			untar(t, out, dir)
			sameLayout(t, dir, m.image)
		}
}

// arrived looks at a tag, past the proxy. When it was not done, the tag is not
// there, or all that it names is.
func (m *move) arrived(t *testing.T, repo string, done bool) {
	t.Helper()
	got, err := newPuller(m.server.client, repo).pull(context.Background(), "v1")
	if r, ok := err.(*refusal); ok && r.status == http.StatusNotFound && !done && strings.Contains(r.what, "/manifests/v1") {
		return
	}
	if err != nil || got != m.digest {
		t.Errorf("%s:v1 names %s, not %s: %v", repo, got, m.digest, err)
	}
}

// newStorage serves blobs as the storage of a registry does, without asking for
// credentials. asked holds those that it was shown.
func newStorage(t *testing.T, s *server) (base string, asked *atomic.Pointer[string]) {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	asked = &atomic.Pointer[string]{}
	port := serveHTTP(t, &httputil.ReverseProxy{ErrorLog: quiet(), Rewrite: func(r *httputil.ProxyRequest) {
		if auth := r.In.Header.Get("Authorization"); auth != "" {
			asked.Store(&auth)
		}
		r.SetURL(to)
		r.Out.SetBasicAuth(user, password)
	}})
	return fmt.Sprintf("http://127.0.0.1:%d", port), asked
}

// account is the part of a config that says who berth is for a server.
func account(t testing.TB, s *server) map[string]any {
	t.Helper()
	if s.client.user == "" {
		return nil
	}
	return map[string]any{
		"auth_required": true, "username": s.client.user,
		"password_path": writeFile(t, t.TempDir(), "password", s.client.pass),
	}
}

// untar unpacks an archive.
func untar(t testing.TB, name, dir string) {
	t.Helper()
	if out, err := exec.Command(program(t, "tar"), "-xf", name, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar -x: %v: %s", err, out)
	}
}

package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Who gets into the registries that ask.
const (
	user     = "admin"
	password = "correct horse: battery"
	token    = "static-token-of-the-tests"
)

// kit is a registry and the environment of clients that talk to it.
type kit struct {
	*server
	host string
	tls  bool
	env  []string
}

// newKit starts a registry, and with secure one that speaks TLS and asks for a
// password. Clients find both in the environment, as a user would set them.
func newKit(t *testing.T, secure bool) *kit {
	t.Helper()
	var s setup
	if secure {
		s = setup{tls: newKeyPair(t), user: user, password: password, token: token}
	}
	return kitOf(t, newServer(t, s), s)
}

// kitOf is the kit of a registry that runs.
func kitOf(t *testing.T, server *server, s setup) *kit {
	t.Helper()
	home, secure := t.TempDir(), s.tls != nil
	k := &kit{server: server, tls: secure}
	k.host = fmt.Sprintf("127.0.0.1:%d", k.port)
	k.env = append(os.Environ(), "HOME="+home, "DOCKER_CONFIG="+home, "REGISTRY_AUTH_FILE="+home+"/config.json",
		"REGCTL_CONFIG="+home+"/regctl.json", "XDG_RUNTIME_DIR="+home, "TMPDIR="+t.TempDir())
	if secure {
		k.env = append(k.env, "SSL_CERT_FILE="+s.tls.cert)
		auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		writeFile(t, home, "config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, k.host, auth))
	}
	writeFile(t, home, "policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	return k
}

// at is a kit whose failures belong to a subtest.
func (k *kit) at(t *testing.T) *kit {
	s, c := *k.server, *k
	s.t, c.server = t, &s
	return &c
}

// run runs a client, which must succeed, and returns what it prints.
func (k *kit) run(name string, args ...string) string {
	k.t.Helper()
	out, err := k.try(name, args...)
	if err != nil {
		k.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func (k *kit) try(name string, args ...string) (string, error) {
	k.t.Helper()
	cmd := exec.Command(program(k.t, name), args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = k.env, k.t.TempDir(), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

func (k *kit) oras(args ...string) string {
	if !k.tls {
		args = append(args, "--plain-http")
	}
	return k.run("oras", args...)
}

func (k *kit) crane(args ...string) string { return k.run("crane", args...) }

func (k *kit) regctl(args ...string) string {
	if !k.tls {
		args = append([]string{"--host", "reg=" + k.host + ",tls=disabled"}, args...)
	}
	return k.run("regctl", args...)
}

// skopeo runs a command; flags of TLS go after its name.
func (k *kit) skopeo(command string, args ...string) string {
	var flags []string
	switch {
	case k.tls:
	case command == "copy":
		flags = []string{"--src-tls-verify=false", "--dest-tls-verify=false"}
	default:
		flags = []string{"--tls-verify=false"}
	}
	return k.run("skopeo", append(append([]string{"--insecure-policy", command}, flags...), args...)...)
}

// mover is a client that moves an image between an OCI layout and a registry.
type mover struct {
	name string
	push func(k *kit, dir, tag, to string)
	pull func(k *kit, from, dir string)
}

var movers = []mover{
	{"oras",
		func(k *kit, dir, tag, to string) {
			k.run("oras", "cp", "--from-oci-layout", dir+":"+tag, to, "--to-plain-http="+fmt.Sprint(!k.tls))
		},
		func(k *kit, from, dir string) {
			k.run("oras", "cp", "--from-plain-http="+fmt.Sprint(!k.tls), from, "--to-oci-layout", dir+":pulled")
		}},
	{"crane",
		func(k *kit, dir, _, to string) { k.crane("push", dir, to) },
		func(k *kit, from, dir string) { k.crane("pull", "--format", "oci", from, dir) }},
	{"regctl",
		func(k *kit, dir, tag, to string) { k.regctl("image", "copy", "ocidir://"+dir+":"+tag, to) },
		func(k *kit, from, dir string) { k.regctl("image", "copy", from, "ocidir://"+dir+":pulled") }},
	{"skopeo",
		func(k *kit, dir, tag, to string) { k.skopeo("copy", "--all", "oci:"+dir+":"+tag, "docker://"+to) },
		func(k *kit, from, dir string) { k.skopeo("copy", "--all", "docker://"+from, "oci:"+dir+":pulled") }},
}

// TestClients moves images with the clients that people use, over HTTP and over
// TLS with a password.
func TestClients(t *testing.T) {
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "http", true: "tls"}[secure]
		t.Run(name, func(t *testing.T) {
			k := newKit(t, secure)
			for n, m := range movers {
				t.Run(m.name, func(t *testing.T) {
					program(t, m.name)
					moveAll(t, k.at(t), m, movers[(n+1)%len(movers)])
				})
			}
			t.Run("docker", func(t *testing.T) { dockerFormats(t, k.at(t)) })
			t.Run("referrers", func(t *testing.T) { referrers(t, k.at(t)) })
			t.Run("tags", func(t *testing.T) { tags(t, k.at(t)) })
			t.Run("copy", func(t *testing.T) { copies(t, k.at(t)) })
			if secure {
				t.Run("strangers", func(t *testing.T) { strangers(t, k.at(t)) })
				t.Run("token", func(t *testing.T) { staticToken(t, k.at(t)) })
			}
		})
	}
}

// moveAll pushes with one client and pulls with it, another and the test's own.
func moveAll(t *testing.T, k *kit, m, other mover) {
	single := realImage(t, "amd64")
	for name, i := range map[string]image{"image": single, "index": newIndex(single, realImage(t, "arm64"))} {
		push := m.push
		if m.name == "crane" && name == "index" {
			push = func(k *kit, dir, _, to string) { k.crane("push", "--index", dir, to) }
		}
		to := k.host + "/clients/" + m.name + ":" + name
		push(k, writeLayout(t, i, name), name, to)
		if name == "index" && m.name == "crane" {
			i = wrapped(t, k, i, to)
		}
		got, err := newPuller(k.client, "clients/"+m.name).pull(context.Background(), name)
		if err != nil || got != i.root().digest {
			t.Errorf("%s pushed %s, and the tag is %s: %v", m.name, i.root().digest, got, err)
		}
		for _, by := range []mover{m, other} {
			if _, err := exec.LookPath(by.name); err != nil {
				continue // its own subtest says so
			}
			dir := t.TempDir()
			by.pull(k, to, dir)
			sameLayout(t, dir, i)
		}
	}
}

// wrapped is what crane makes of an index in a layout: it pushes the index.json
// of the layout itself, which lists the index.
func wrapped(t *testing.T, k *kit, i image, to string) image {
	_, repo, _ := strings.Cut(to, "/")
	repo, tag, _ := strings.Cut(repo, ":")
	mediaType, data, err := k.client.manifest(context.Background(), repo, tag)
	if err != nil || !bytes.Contains(data, []byte(i.root().digest)) {
		t.Fatalf("crane pushed %s: %v", data, err)
	}
	i.manifests = append(i.manifests, manifest{newBlob("sha256", data), mediaType, ""})
	return i
}

// dockerFormats pushes what docker itself does: schema 2 images and manifest lists.
func dockerFormats(t *testing.T, k *kit) {
	ctx := context.Background()
	for n, architecture := range []string{"amd64", "arm64"} {
		dir := writeLayout(t, realImage(t, architecture), "image")
		k.skopeo("copy", "--format", "v2s2", "oci:"+dir+":image", fmt.Sprintf("docker://%s/clients/docker:%d", k.host, n))
	}
	repo := k.host + "/clients/docker"
	k.crane("index", "append", "--docker-empty-base", "-m", repo+":0", "-m", repo+":1", "-t", repo+":list")
	for tag, want := range map[string]string{"0": dockerManifest, "1": dockerManifest, "list": dockerList} {
		mediaType, data, err := k.client.manifest(ctx, "clients/docker", tag)
		if err != nil || mediaType != want {
			t.Errorf("%s is of type %s: %v", tag, mediaType, err)
		}
		root, err := newPuller(k.client, "clients/docker").pull(ctx, tag)
		if err != nil || root != newBlob("sha256", data).digest {
			t.Errorf("pull %s: %v", tag, err)
		}
		if got := strings.TrimSpace(k.crane("digest", repo+":"+tag)); got != root.String() {
			t.Errorf("crane digest %s is %s, not %s", tag, got, root)
		}
		k.skopeo("copy", "--all", "docker://"+repo+":"+tag, "dir:"+t.TempDir())
	}
}

// referrers attaches artifacts to an image and lists them by their type.
func referrers(t *testing.T, k *kit) {
	const sbom, signature = "application/vnd.berth.sbom", "application/vnd.berth.signature"
	repo := k.host + "/clients/referrers"
	i := realImage(t, "amd64")
	if err := k.client.push(context.Background(), "clients/referrers", "v1", i); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, t.TempDir(), "sbom.json", `{"sbom": true}`)
	k.oras("attach", "--disable-path-validation", "--artifact-type", sbom, repo+":v1", file+":application/json")
	k.regctl("artifact", "put", "--artifact-type", signature, "--subject", repo+":v1", "-f", file, "--file-media-type", "application/json")
	for filter, want := range map[string]int{"": 2, sbom: 1, signature: 1, "application/vnd.berth.other": 0} {
		var discovered struct {
			Referrers []struct{ ArtifactType string }
		}
		args := []string{"discover", "--format", "json", repo + ":v1"}
		regctl := []string{"artifact", "list", "--format", "{{len .Descriptors}}", repo + ":v1"}
		if filter != "" {
			args = append(args, "--artifact-type", filter)
			regctl = append(regctl, "--filter-artifact-type", filter)
		}
		if err := json.Unmarshal([]byte(k.oras(args...)), &discovered); err != nil {
			t.Fatal(err)
		}
		if len(discovered.Referrers) != want {
			t.Errorf("oras discovers %d of type %q, not %d", len(discovered.Referrers), filter, want)
		}
		if got := strings.TrimSpace(k.regctl(regctl...)); got != fmt.Sprint(want) {
			t.Errorf("regctl lists %s of type %q, not %d", got, filter, want)
		}
		checkFilter(t, k, i, filter, want)
	}
}

// checkFilter asks the referrers API itself: a client can hide what it lacks.
func checkFilter(t *testing.T, k *kit, i image, filter string, want int) {
	path := "/v2/clients/referrers/referrers/" + i.root().digest.String()
	if filter != "" {
		path += "?artifactType=" + filter
	}
	a, err := k.client.get(path)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("GET %s: %v, %v", path, a, err)
	}
	var index struct{ Manifests []any }
	if err := json.Unmarshal(a.body, &index); err != nil {
		t.Fatal(err)
	}
	applied := a.header.Get("OCI-Filters-Applied")
	if len(index.Manifests) != want || (filter != "") != strings.Contains(applied, "artifactType") {
		t.Errorf("GET %s lists %d, not %d; OCI-Filters-Applied: %q", path, len(index.Manifests), want, applied)
	}
}

// tags lists and deletes tags; the manifest stays under its other tag.
func tags(t *testing.T, k *kit) {
	repo := k.host + "/clients/tags"
	i := realImage(t, "amd64")
	for _, tag := range []string{"a", "b", "c"} {
		if err := k.client.push(context.Background(), "clients/tags", tag, i); err != nil {
			t.Fatal(err)
		}
	}
	list := func(want string) {
		t.Helper()
		for name, out := range map[string]string{
			"oras": k.oras("repo", "tags", repo), "crane": k.crane("ls", repo), "regctl": k.regctl("tag", "ls", repo),
		} {
			if got := strings.Join(strings.Fields(out), " "); got != want {
				t.Errorf("%s lists %s, not %s", name, got, want)
			}
		}
		var listed struct{ Tags []string }
		if err := json.Unmarshal([]byte(k.skopeo("list-tags", "docker://"+repo)), &listed); err != nil || strings.Join(listed.Tags, " ") != want {
			t.Errorf("skopeo lists %v, not %s: %v", listed.Tags, want, err)
		}
	}
	list("a b c")
	k.regctl("tag", "rm", repo+":b")
	list("a c")
	k.crane("delete", repo+":c")
	list("a")
	if got := strings.TrimSpace(k.crane("digest", repo+":a")); got != i.root().digest.String() {
		t.Errorf("a is %s now", got)
	}
}

// copies moves images between repositories, by tag and by digest.
func copies(t *testing.T, k *kit) {
	ctx := context.Background()
	i := newIndex(realImage(t, "amd64"), realImage(t, "arm64"))
	if err := k.client.push(ctx, "clients/source", "v1", i); err != nil {
		t.Fatal(err)
	}
	byTag, byDigest := k.host+"/clients/source:v1", k.host+"/clients/source@"+i.root().digest.String()
	k.crane("copy", byTag, k.host+"/clients/crane-tag:v1")
	k.crane("copy", byDigest, k.host+"/clients/crane-digest:v1")
	k.regctl("image", "copy", byDigest, k.host+"/clients/regctl:v1")
	k.skopeo("copy", "--all", "docker://"+byDigest, "docker://"+k.host+"/clients/skopeo-digest:v1")
	k.run("oras", "cp", fmt.Sprintf("--from-plain-http=%t", !k.tls), fmt.Sprintf("--to-plain-http=%t", !k.tls), byDigest, k.host+"/clients/oras-digest:v1")
	for _, repo := range []string{"crane-tag", "crane-digest", "regctl", "skopeo-digest", "oras-digest"} {
		if got, err := newPuller(k.client, "clients/"+repo).pull(ctx, "v1"); err != nil || got != i.root().digest {
			t.Errorf("copy to %s: %s, %v", repo, got, err)
		}
	}
}

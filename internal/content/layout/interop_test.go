package layout

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// run runs a real program in a directory and returns what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, program), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", program, args, err, out.String(), faults.String())
	}
	return out.String()
}

func TestInterop(t *testing.T) {
	s := store{}
	// Not zstd, which Docker's manifests and so some of these programs do not know.
	types := []string{ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip}
	amd, arm := s.imageOf("amd64", types...), s.imageOf("arm64", types...)
	multi := s.index(amd, arm)
	sig := s.signature(amd, "signed")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	s.write(t, at("dir"), OCIDir, amd, "one", multi, "multi", sig, "")
	s.write(t, at("oci.tar"), OCITar, amd, "one", multi, "multi")
	s.write(t, at("docker.tar"), DockerTar, amd, "ns/app:one")
	host := strings.TrimPrefix(testtool.Serve(t, testtool.Registry(t.Context())).URL, "http://")

	policy := []string{"--insecure-policy", "copy", "--override-os", "linux", "--override-arch", "amd64"}
	skopeo := func(t *testing.T, args ...string) { run(t, dir, "skopeo", append(policy, args...)...) }
	// config returns the digest of an image's config, which survives every form.
	config := func(t *testing.T, l *Layout, ref string) string {
		t.Helper()
		d, err := l.Resolve(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		data, err := l.Manifest(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		wantArtifact(t, l, nil, d)
		var m ocispec.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		return m.Config.Digest.String()
	}
	want := config(t, open(t, at("dir")), "one")

	for name, args := range map[string][]string{
		"oci to docker-archive":         {"oci:dir:one", "docker-archive:a.tar:x/y:1"},
		"oci-archive to docker-archive": {"oci-archive:oci.tar:one", "docker-archive:b.tar:x/y:1"},
		"docker-archive to itself":      {"docker-archive:docker.tar:ns/app:one", "docker-archive:c.tar:x/y:1"},
		"multi to docker-archive":       {"oci:dir:multi", "docker-archive:d.tar:x/y:1"},
		"oci to oci":                    {"--preserve-digests", "--all", "oci:dir:multi", "oci:e:1"},
		"oci-archive to oci-archive":    {"--preserve-digests", "--all", "oci-archive:oci.tar:multi", "oci-archive:f.tar:1"},
	} {
		t.Run("skopeo "+name, func(t *testing.T) {
			skopeo(t, args...)
			written := at(strings.Split(args[len(args)-1], ":")[1])
			l := open(t, written)
			if strings.HasPrefix(args[len(args)-1], "docker-archive") {
				if got := config(t, l, "1"); got != want {
					t.Errorf("config %s, want %s", got, want)
				}
				return
			}
			wantResolve(t, l, "1", multi)
			wantArtifact(t, l, s, multi)
		})
	}
	t.Run("skopeo adds to a directory", func(t *testing.T) {
		s.write(t, at("both"), OCIDir, amd, "one")
		skopeo(t, "oci:dir:one", "oci:both:two")
		s.write(t, at("both"), OCIDir, arm, "three")
		wantTags(t, open(t, at("both")), "one", "three", "two")
	})
	t.Run("crane", func(t *testing.T) {
		run(t, dir, "crane", "validate", "--tarball", "docker.tar")
		run(t, dir, "crane", "push", "--insecure", "docker.tar", host+"/crane/docker:1")
		s.write(t, at("single"), OCIDir, multi, "x")
		run(t, dir, "crane", "push", "--insecure", "single", host+"/crane/multi:1")
		if got := strings.TrimSpace(run(t, dir, "crane", "digest", "--insecure", host+"/crane/multi:1")); got != multi.Digest.String() {
			t.Errorf("pushed %s, want %s", got, multi.Digest)
		}
		run(t, dir, "crane", "pull", "--insecure", "--platform", "linux/amd64", host+"/crane/multi:1", "crane.tar")
		if got := config(t, open(t, at("crane.tar")), ""); got != want {
			t.Errorf("config %s, want %s", got, want)
		}
		run(t, dir, "crane", "pull", "--insecure", "--format", "oci", host+"/crane/multi:1", "crane")
		l := open(t, at("crane"))
		wantResolve(t, l, "", multi)
		wantArtifact(t, l, s, multi)
	})
	t.Run("oras", func(t *testing.T) {
		run(t, dir, "oras", "cp", "-r", "--from-oci-layout", "dir:one", "--to-plain-http", host+"/oras/one:1")
		if got := run(t, dir, "oras", "discover", "--plain-http", "--format", "json", host+"/oras/one:1"); !strings.Contains(got, sig.Digest.String()) {
			t.Errorf("the signature did not come along: %s", got)
		}
		run(t, dir, "oras", "cp", "--from-oci-layout", "oci.tar:multi", "--to-oci-layout", "oras:1")
		l := open(t, at("oras"))
		wantResolve(t, l, "1", multi)
		wantResolve(t, l, "", multi)
		run(t, dir, "oras", "cp", "-r", "--from-plain-http", host+"/oras/one:1", "--to-oci-layout", "signed:1")
		refs, err := open(t, at("signed")).Referrers(t.Context(), amd)
		if err != nil || len(refs) != 1 || refs[0].Digest != sig.Digest {
			t.Errorf("referrers %v (%v)", refs, err)
		}
	})
	t.Run("regctl", func(t *testing.T) {
		reg := "reg=" + host + ",tls=disabled"
		run(t, dir, "regctl", "--host", reg, "image", "copy", "ocidir://dir:multi", host+"/regctl/multi:1")
		if got := strings.TrimSpace(run(t, dir, "regctl", "--host", reg, "image", "digest", host+"/regctl/multi:1")); got != multi.Digest.String() {
			t.Errorf("pushed %s, want %s", got, multi.Digest)
		}
		run(t, dir, "oras", "cp", "-r", "--from-oci-layout", "dir:one", "--to-plain-http", host+"/regctl/one:1")
		run(t, dir, "regctl", "--host", reg, "image", "copy", "--referrers", host+"/regctl/one:1", "ocidir://regctl:1")
		l := open(t, at("regctl"))
		wantResolve(t, l, "1", amd)
		wantResolve(t, l, "", amd)
		refs, err := l.Referrers(t.Context(), amd)
		if err != nil || len(refs) != 1 || refs[0].Digest != sig.Digest {
			t.Errorf("referrers %v (%v)", refs, err)
		}
		run(t, dir, "regctl", "--host", reg, "image", "export", host+"/regctl/one:1", "regctl.tar")
		if got := config(t, open(t, at("regctl.tar")), ""); got != want {
			t.Errorf("config %s, want %s", got, want)
		}
		run(t, dir, "regctl", "--host", reg, "image", "import", host+"/regctl/imported:1", "oci.tar", "--name", "one")
	})
}

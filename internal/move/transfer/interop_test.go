package transfer

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

func TestInterop(t *testing.T) {
	target := targetOf(t, testtool.Registry(t.Context()))
	dir := tree(t)
	pushed, err := push(t, target, dir)
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, program string, args ...string) string {
		cmd := exec.Command(testtool.Path(t, program), args...)
		cmd.Dir = filepath.Dir(dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
		return string(out)
	}
	t.Run("oras pulls", func(t *testing.T) {
		out := t.TempDir()
		run(t, "oras", "pull", "--plain-http", "-o", out, pushed.References[0])
		wantSame(t, dir, filepath.Join(out, "aws"))
	})
	t.Run("oras pushes", func(t *testing.T) {
		ref := target.Endpoint.HostPort() + "/other/thing:1"
		run(t, "oras", "push", "--plain-http", ref, "tree")
		out := filepath.Join(t.TempDir(), "out")
		if _, err := pull(t, target, ref, out); err != nil {
			t.Fatal(err)
		}
		wantSame(t, dir, out)
	})
	t.Run("oras pushes files", func(t *testing.T) {
		ref := target.Endpoint.HostPort() + "/other/files:1"
		run(t, "oras", "push", "--plain-http", ref, "tree/big", "tree/sub/run.sh:text/x-shellscript")
		out := filepath.Join(t.TempDir(), "out")
		if _, err := pull(t, target, ref, out); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"big", "sub/run.sh"} {
			want, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(out, "tree", name))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: got %d bytes, want %d (%v)", name, len(got), len(want), err)
			}
		}
	})
	t.Run("regctl reads", func(t *testing.T) {
		host := "reg=" + target.Endpoint.HostPort() + ",tls=disabled"
		if got := run(t, "regctl", "--host", host, "manifest", "get", "--format", "raw-body", pushed.References[0]); !strings.Contains(got, "application/vnd.berth.extension.v1") {
			t.Error(got)
		}
		if got := run(t, "regctl", "--host", host, "tag", "ls", target.Endpoint.HostPort()+"/ext/aws"); strings.TrimSpace(got) != "1.0.0" {
			t.Error(got)
		}
	})
	t.Run("crane reads", func(t *testing.T) {
		if got := run(t, "crane", "manifest", "--insecure", pushed.References[0]); !strings.Contains(got, "application/vnd.berth.extension.v1") {
			t.Error(got)
		}
	})
}

// The connection breaks in the middle of the layer's upload. Once, the upload
// starts again; always, it fails as a connection does, and no tag is there.
func TestDroppedUpload(t *testing.T) {
	for name, c := range map[string]struct{ drops int32 }{"once": {1}, "always": {1 << 30}} {
		t.Run(name, func(t *testing.T) {
			var dropped atomic.Int32
			real := testtool.Registry(t.Context())
			target := targetOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/uploads/") && r.ContentLength > 1000 && dropped.Add(1) <= c.drops {
					io.CopyN(io.Discard, r.Body, 500)
					panic(http.ErrAbortHandler)
				}
				real.ServeHTTP(w, r)
			}))
			dir, out := tree(t), filepath.Join(t.TempDir(), "out")
			_, err := push(t, target, dir)
			if dropped.Load() == 0 {
				t.Fatal("no upload was dropped")
			}
			if c.drops > 1 {
				wantCode(t, err, diag.Unreachable)
				_, err = pull(t, target, "extension/aws:1.0.0", out)
				wantCode(t, err, diag.NotFound)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pull(t, target, "extension/aws:1.0.0", out); err != nil {
				t.Fatal(err)
			}
			wantSame(t, dir, out)
		})
	}
}

// {commit} in tag_format is the commit of the repository around the directory.
func TestCommitInTagFormat(t *testing.T) {
	git := testtool.Path(t, "git")
	dir, format := tree(t), "{version}-{commit}"
	// No repository further up may answer.
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	target := targetOf(t, testtool.Registry(t.Context()))
	target.Push.AutoTag, target.Push.TagFormat = true, &format
	_, err := push(t, target, dir)
	wantCode(t, err, diag.ConfigConflict)
	run := func(args ...string) string {
		args = append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.invalid"}, args...)
		out, err := exec.Command(git, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q")
	run("add", "extension.yaml")
	run("commit", "-q", "-m", "first")
	pushed, err := push(t, target, dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "/ext/aws:1.0.0-" + run("rev-parse", "HEAD")[:12] + "@"
	if got := pushed.References[0]; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

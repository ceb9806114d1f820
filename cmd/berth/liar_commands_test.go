package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// liarCommand is a command that is run against lies. right fails unless what it left
// is right for how it ended: all, or nothing.
type liarCommand struct {
	name, args string // ${NAME} is a digest of the seed
	before     func(t *testing.T, v *victim)
	right      func(v *victim, code int, stdout string) error
}

const liarRepository = "provisioning-platform/app"

var liarCommands = []liarCommand{
	{"push image", "push image ${layout} --source-tag v1 --name fresh --tag v1", nil, stored("provisioning-platform/fresh", "v1", "app")},
	{"push extension", "push extension tool --name fresh --tag v1", nil, stored("provisioning-extensions/fresh", "v1", "")},
	{"push again", "push image ${layout} --source-tag v1 --name app --tag v1", nil, stored(liarRepository, "v1", "app")},
	{"pull image", "pull image/app:v1 -o out --as oci", nil, layoutOf("out", "app")},
	{"pull @digest", "pull image/app@${app} -o out --as oci", nil, layoutOf("out", "app")},
	{"pull --locked", "pull image/app:v1 -o out --as oci --locked", lock, layoutOf("out", "app")},
	{"pull index", "pull image/multi:v1 -o out --as oci", nil, layoutOf("out", "multi")},
	{"pull index @digest", "pull image/multi@${multi} -o out --as oci", nil, layoutOf("out", "multi")},
	{"pull extension", "pull extension/tool:v1 -o out", nil, directoryOfTool("out")},
	{"pull extension @digest", "pull extension/tool@${tool} -o out", nil, directoryOfTool("out")},
	{"copy from", "copy image/app:v1 oci:out:v1", nil, layoutOf("out", "app")},
	{"copy from @digest", "copy image/app@${app} oci:out", nil, layoutOf("out", "app")},
	{"copy from --all-tags", "copy image/app oci-archive:out.tar --all-tags", nil, archiveOfApp("out.tar")},
	{"copy to", "copy oci:${layout}:v1 image/fresh:v1", nil, stored("provisioning-platform/fresh", "v1", "app")},
	{"copy within", "copy image/app:v1 image/fresh:v1", nil, stored("provisioning-platform/fresh", "v1", "app")},
	{"inspect", "inspect image/app:v1 --format json", nil, inspected},
	{"inspect @digest", "inspect image/app@${app} --format json", nil, inspected},
	{"tag", "tag image/app:v1 v3", nil, stored(liarRepository, "v3", "app")},
	{"tag @digest", "tag image/app@${app} v3", nil, stored(liarRepository, "v3", "app")},
	{"rm tag", "rm image/app:v2@${app}", nil, removed},
	{"rm @digest", "rm image/app@${twin}", nil, removed},
	{"ls", "ls image/app --format json", nil, listedTags},
	{"ls all", "ls image --format json", nil, listedRepositories},
	{"login", "login HOST -u user --password-stdin", nil, func(*victim, int, string) error { return nil }},
	{"scrub --repair", "scrub --repair http://HOST", damage, repaired},
}

// lock writes a lockfile as berth pull --lock does.
func lock(t *testing.T, v *victim) {
	t.Helper()
	content := fmt.Sprintf(`{"version":1,"artifacts":{"%s/%s:v1":%q}}`, v.host, liarRepository, v.digest["app"])
	if err := os.WriteFile(filepath.Join(v.home, "berth.lock"), []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// called returns what the tests call a digest of the seed, by whichever algorithm; ""
// for any other.
func (v *victim) called(d digest.Digest) string {
	for name, known := range v.digest {
		repository := liarRepository
		if name == "multi" {
			repository = "provisioning-platform/multi"
		}
		data, _ := v.get(repository + "/manifests/" + known)
		if d.String() == known || d.Validate() == nil && d.Algorithm().FromBytes(data) == d {
			return name
		}
	}
	return ""
}

// get asks the registry itself, behind its lies.
func (v *victim) get(path string) ([]byte, int) {
	rec := httptest.NewRecorder()
	v.server.Honest.ServeHTTP(rec, httptest.NewRequest("GET", "/v2/"+path, nil))
	return rec.Body.Bytes(), rec.Code
}

// stored fails unless the registry has all of an artifact, or does not have the tag.
func stored(repository, tag, name string) func(*victim, int, string) error {
	return func(v *victim, code int, stdout string) error {
		data, status := v.get(repository + "/manifests/" + tag)
		if status != 200 {
			if code == 0 {
				return fmt.Errorf("%s has no tag %s", repository, tag)
			}
			return nil
		}
		d := digest.FromBytes(data)
		if name != "" && d.String() != v.digest[name] {
			return fmt.Errorf("%s names %s", tag, d)
		}
		if code == 0 && !strings.Contains(stdout, d.String()) && !strings.Contains(stdout, digest.SHA512.FromBytes(data).String()) {
			return fmt.Errorf("%s names %s, and the command says %s", tag, d, stdout)
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		for _, b := range append(m.Layers, m.Config) {
			if content, _ := v.get(repository + "/blobs/" + b.Digest.String()); digest.FromBytes(content) != b.Digest {
				return fmt.Errorf("the registry does not have %s", b.Digest)
			}
		}
		return nil
	}
}

// layoutOf fails unless a layout holds an image, with what refers to it or without,
// and nothing else.
func layoutOf(dir, name string) func(*victim, int, string) error {
	return func(v *victim, code int, _ string) error {
		return v.isLayout(os.DirFS(filepath.Join(v.home, dir)), code, map[string]string{"": name})
	}
}

// archiveOfApp is for all tags, in a tar.
func archiveOfApp(file string) func(*victim, int, string) error {
	return func(v *victim, code int, _ string) error {
		data, err := os.ReadFile(filepath.Join(v.home, file))
		if err != nil {
			if code == 0 {
				return err
			}
			return nil
		}
		if code != 0 {
			return errors.New("there is an archive")
		}
		files, err := untar(bytes.NewReader(data))
		if err != nil {
			return err
		}
		return v.isLayout(files, code, map[string]string{"v1": "app", "v2": "app", "other": "twin"})
	}
}

// isLayout fails unless an OCI layout holds what is right under these tags, one
// called "" being any.
func (v *victim) isLayout(files fs.FS, code int, tags map[string]string) error {
	data, err := fs.ReadFile(files, ocispec.ImageIndexFile)
	if err != nil {
		if code == 0 {
			return err
		}
		return nil
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return err
	}
	got, listed := map[string]string{}, map[string]bool{}
	for _, d := range index.Manifests {
		name := v.called(d.Digest)
		if name == "" {
			return fmt.Errorf("it lists %s", d.Digest)
		}
		listed[name] = true
		if tag := d.Annotations[ocispec.AnnotationRefName]; tag != "" {
			got[tag] = name
		}
	}
	if code != 0 {
		return fmt.Errorf("it lists %v", got)
	}
	for tag, name := range tags {
		if tag == "" && !listed[name] || tag != "" && got[tag] != name {
			return fmt.Errorf("%s is not tagged %q: it lists %v", name, tag, index.Manifests)
		}
	}
	if tags[""] == "" && len(got) != len(tags) {
		return fmt.Errorf("it has the tags %v", got)
	}
	return v.areBlobs(files, index.Manifests)
}

// areBlobs fails unless all that is listed is there, and right.
func (v *victim) areBlobs(files fs.FS, list []ocispec.Descriptor) error {
	for _, d := range list {
		data, err := fs.ReadFile(files, "blobs/"+d.Digest.Algorithm().String()+"/"+d.Digest.Encoded())
		if err != nil {
			return err
		}
		if d.Digest.Algorithm().FromBytes(data) != d.Digest || int64(len(data)) != d.Size {
			return fmt.Errorf("%s has other content", d.Digest)
		}
		if d.MediaType == ocispec.MediaTypeImageIndex {
			var index ocispec.Index
			if err := json.Unmarshal(data, &index); err != nil {
				return err
			}
			if err := v.areBlobs(files, index.Manifests); err != nil {
				return err
			}
			continue
		}
		if d.MediaType != ocispec.MediaTypeImageManifest {
			if v.called(d.Digest) != "" {
				return fmt.Errorf("%s is called a %q", d.Digest, d.MediaType)
			}
			continue
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		if err := v.areBlobs(files, append(m.Layers, m.Config)); err != nil {
			return err
		}
	}
	return nil
}

// untar reads a tar into memory.
func untar(r io.Reader) (fs.FS, error) {
	files, archive := fstest.MapFS{}, tar.NewReader(r)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		files[header.Name] = &fstest.MapFile{Data: data}
	}
}

func directoryOfTool(dir string) func(*victim, int, string) error {
	return func(v *victim, code int, _ string) error {
		for _, name := range []string{"extension.yaml", "content"} {
			got, err := os.ReadFile(filepath.Join(v.home, dir, name))
			want, _ := os.ReadFile(filepath.Join(v.home, "tool", name))
			switch {
			case code != 0 && err == nil:
				return errors.New("there is an output")
			case code == 0 && !bytes.Equal(got, want):
				return fmt.Errorf("%s is %.20q (%v)", name, got, err)
			}
		}
		return nil
	}
}

func inspected(v *victim, code int, stdout string) error {
	if code != 0 {
		if stdout != "" {
			return fmt.Errorf("it says %s", stdout)
		}
		return nil
	}
	type node struct {
		Digest    digest.Digest
		Referrers []node
	}
	var got node
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		return err
	}
	var say func(n node) string
	say = func(n node) string {
		var below []string
		for _, r := range n.Referrers {
			below = append(below, say(r))
		}
		return v.called(n.Digest) + "(" + strings.Join(below, " ") + ")"
	}
	if said := say(got); said != "app(sbom(sig()))" {
		return fmt.Errorf("it says %s: %s", said, stdout)
	}
	return nil
}

// removed fails when anything is gone but what was named, and unless that is.
func removed(v *victim, code int, stdout string) error {
	for tag, want := range map[string]bool{"v1": true, "v2": !strings.Contains(stdout, "removed tag"), "other": !strings.Contains(stdout, "removed manifest")} {
		if _, status := v.get(liarRepository + "/manifests/" + tag); code == 0 && (status == 200) != want || code != 0 && status != 200 {
			return fmt.Errorf("tag %s: %d; it says %s", tag, status, stdout)
		}
	}
	if code == 0 && strings.Contains(stdout, "manifest") && !strings.Contains(stdout, "with its tags: other\n") {
		return fmt.Errorf("it says %s", stdout)
	}
	return nil
}

func listedTags(v *victim, code int, stdout string) error {
	if code != 0 {
		return nothing(stdout)
	}
	var list []struct {
		Tag    string
		Digest digest.Digest
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		return err
	}
	var got []string
	for _, tag := range list {
		got = append(got, tag.Tag+" "+v.called(tag.Digest))
	}
	if !slices.Equal(got, []string{"other twin", "v1 app", "v2 app"}) {
		return fmt.Errorf("it lists %q", got)
	}
	return nil
}

func listedRepositories(_ *victim, code int, stdout string) error {
	if code != 0 {
		return nothing(stdout)
	}
	var got []struct{ Repository string }
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		return err
	}
	if len(got) != 2 || got[0].Repository != liarRepository || got[1].Repository != "provisioning-platform/multi" {
		return fmt.Errorf("it lists %v", got)
	}
	return nil
}

func nothing(stdout string) error {
	if stdout != "" {
		return fmt.Errorf("it says %s", stdout)
	}
	return nil
}

// Of the registry that scrub looks at, one blob is damaged.
func damagedBlob(v *victim) string {
	data, _ := v.get(liarRepository + "/manifests/" + v.digest["app"])
	var m ocispec.Manifest
	_ = json.Unmarshal(data, &m)
	hex := m.Layers[0].Digest.Encoded()
	return filepath.Join(v.home, "data/docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
}

func damage(t *testing.T, v *victim) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(v.home, "data"), os.DirFS(v.seed.dir)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(damagedBlob(v))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(damagedBlob(v), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func repaired(v *victim, code int, _ string) error {
	name := damagedBlob(v)
	data, err := os.ReadFile(name)
	right := digest.FromBytes(data).Encoded() == filepath.Base(filepath.Dir(name))
	if (code == 0) != (err == nil && right) {
		return fmt.Errorf("the blob has %d bytes (%v), right: %t", len(data), err, right)
	}
	return nil
}

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestHostile sends what no client of good will would send.
func TestHostile(t *testing.T) {
	t.Run("wire", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T){
			"paths": hostilePaths, "headers": hostileHeaders, "bodies": hostileBodies, "manifests": hostileManifests,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // most of them wait
				test(t)
			})
		}
	})
	t.Run("passwords", hostilePasswords)
	t.Run("tags", manyTags)
	s := newServer(t, setup{})
	for name, test := range map[string]func(*testing.T, *server){
		"catalog": catalogPages, "digest": wrongDigest, "range": wrongRange, "resume": resumeAfterCrash, "cancel": cancelUpload,
		"parallel": parallelPushes, "missing": missingBlobs, "manifest": badManifests,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// refused fails the test unless the registry refused with an error code of the spec.
func refused(t *testing.T, what string, a answer, err error, code string) {
	t.Helper()
	if r := new(refusal); errors.As(err, &r) {
		a, err = r.answer, nil
	}
	if err == nil && a.status == 0 {
		t.Errorf("%s: accepted; want a refusal with %s", what, code)
		return
	}
	if err != nil || a.status < 400 || a.status >= 500 || !slices.Contains(a.codes(), code) {
		t.Errorf("%s: %v, %v; want a refusal with %s", what, a, err, code)
	}
}

// hostilePasswords guesses; the right one still works after that.
func hostilePasswords(t *testing.T) {
	s := newServer(t, setup{user: user, password: password})
	for _, guess := range []string{"", " ", password + "x", password[1:], strings.ToUpper(password), password + "\x00", strings.Repeat("x", 73), strings.Repeat("x", 30_000)} {
		for _, name := range []string{user, "", "nobody", strings.ToUpper(user)} {
			c := *s.client
			c.user, c.pass = name, guess
			if name == "" {
				c.user = ":" // an empty name, with one more colon
			}
			if a, err := c.get("/v2/"); err != nil || a.status != http.StatusUnauthorized {
				t.Errorf("%q with a password of %d bytes: %v, %v", name, len(guess), a, err)
			}
		}
	}
	if a, err := s.client.get("/v2/"); err != nil || a.status != http.StatusOK {
		t.Errorf("the right password: %v, %v", a, err)
	}
}

// catalogPages reads the list of repositories in pages.
func catalogPages(t *testing.T, s *server) {
	ctx := context.Background()
	var want []string
	i := newImage([]blob{randomBlob(10)}, nil)
	for n := range 23 {
		repo := fmt.Sprintf("catalog/r%02d", n)
		if err := s.client.push(ctx, repo, "v1", i); err != nil {
			t.Fatal(err)
		}
		want = append(want, repo)
	}
	for _, n := range []int{1, 5, 23, 100} {
		var got []string
		err := s.client.pages(ctx, fmt.Sprintf("/v2/_catalog?n=%d", n), func(page []byte) error {
			var list struct{ Repositories []string }
			err := json.Unmarshal(page, &list)
			if len(list.Repositories) > n {
				t.Errorf("a page of %d has %d repositories", n, len(list.Repositories))
			}
			got = append(got, list.Repositories...)
			return err
		})
		got = slices.DeleteFunc(got, func(name string) bool { return !strings.HasPrefix(name, "catalog/") })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("n=%d: %v, %v", n, got, err)
		}
	}
	if a, err := s.client.get("/v2/_catalog?n=-1"); err != nil || a.status != http.StatusBadRequest {
		t.Errorf("n=-1: %v, %v", a, err)
	}
}

func wrongDigest(t *testing.T, s *server) {
	b := randomBlob(5000)
	for name, claimed := range map[string]digest.Digest{"sha256": randomBlob(1).digest, "sha512": digest.SHA512.FromString("other")} {
		for _, chunk := range []int{0, 1000} {
			err := s.client.pushBlob(t.Context(), "hostile/digest", claimed, b.data, chunk)
			refused(t, fmt.Sprintf("%s, chunks of %d", name, chunk), answer{}, err, "DIGEST_INVALID")
		}
		for _, d := range []digest.Digest{claimed, b.digest} {
			if has, err := s.client.hasBlob(t.Context(), "hostile/digest", d); has || err != nil {
				t.Errorf("%s is there: %t, %v", d, has, err)
			}
		}
	}
	for _, unusable := range []digest.Digest{"", "sha256:", "sha256:xyz", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256"} {
		err := s.client.pushBlob(t.Context(), "hostile/digest", unusable, b.data, 0)
		refused(t, fmt.Sprintf("digest %q", unusable), answer{}, err, "DIGEST_INVALID")
	}
}

// wrongRange sends chunks out of order; the upload can go on where it was.
func wrongRange(t *testing.T, s *server) {
	b := randomBlob(9000)
	location, err := s.client.begin(t.Context(), "hostile/range")
	if err == nil {
		location, err = s.client.patch(t.Context(), location, 0, b.data[:3000])
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int{0, 2999, 3001, 100_000} {
		_, err := s.client.patch(t.Context(), location, offset, b.data[3000:6000])
		r := new(refusal)
		if !errors.As(err, &r) || r.status != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("a chunk at %d after 3000 bytes: %v", offset, err)
		}
	}
	location = progress(t, s, location, 3000)
	if location, err = s.client.patch(t.Context(), location, 3000, b.data[3000:6000]); err != nil {
		t.Fatal(err)
	}
	if err := s.client.finish(t.Context(), location, b.digest, 6000, b.data[6000:]); err != nil {
		t.Fatal(err)
	}
	same(t, s, "hostile/range", b)
}

// progress asks how far an upload is and returns where to go on.
func progress(t *testing.T, s *server, location string, want int) (next string) {
	t.Helper()
	a, err := s.client.want(t.Context(), http.StatusNoContent, http.MethodGet, location, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.header.Get("Range"); got != fmt.Sprintf("0-%d", want-1) {
		t.Errorf("Range is %q after %d bytes", got, want)
	}
	if next = a.header.Get("Location"); next == "" {
		return location
	}
	return next
}

func same(t *testing.T, s *server, repo string, b blob) {
	t.Helper()
	if data, err := s.client.blob(t.Context(), repo, b.digest); err != nil || !bytes.Equal(data, b.data) {
		t.Errorf("%s: %d bytes come back as %d: %v", repo, len(b.data), len(data), err)
	}
}

// resumeAfterCrash goes on with an upload whose registry was killed: what was
// acknowledged is there.
func resumeAfterCrash(t *testing.T, s *server) {
	b := randomBlob(3 << 20)
	location, err := s.client.begin(t.Context(), "hostile/resume")
	if err == nil {
		location, err = s.client.patch(t.Context(), location, 0, b.data[:2<<20])
	}
	if err != nil {
		t.Fatal(err)
	}
	s.kill()
	s.start()
	location = progress(t, s, location, 2<<20)
	if err := s.client.finish(t.Context(), location, b.digest, 2<<20, b.data[2<<20:]); err != nil {
		t.Fatal(err)
	}
	same(t, s, "hostile/resume", b)
}

func cancelUpload(t *testing.T, s *server) {
	b := randomBlob(1000)
	location, err := s.client.begin(t.Context(), "hostile/cancel")
	if err == nil {
		location, err = s.client.patch(t.Context(), location, 0, b.data)
	}
	if err == nil {
		_, err = s.client.want(t.Context(), http.StatusNoContent, http.MethodDelete, location, nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.client.get(location)
	refused(t, "progress of a cancelled upload", a, err, "BLOB_UPLOAD_UNKNOWN")
	err = s.client.finish(t.Context(), location, b.digest, 0, nil)
	refused(t, "end of a cancelled upload", answer{}, err, "BLOB_UPLOAD_UNKNOWN")
}

// parallelPushes uploads the same blob many times at once.
func parallelPushes(t *testing.T, s *server) {
	b := randomBlob(1 << 20)
	var pushes sync.WaitGroup
	for n := range 50 {
		pushes.Go(func() {
			repo := fmt.Sprintf("hostile/parallel%d", n%3)
			if err := s.client.pushBlob(context.Background(), repo, b.digest, b.data, (n%2)*300_000); err != nil {
				t.Error(err)
				return
			}
			same(t, s, repo, b)
		})
	}
	pushes.Wait()
}

// missingBlobs pushes manifests before what they name: the error names it.
func missingBlobs(t *testing.T, s *server) {
	i := newImage([]blob{randomBlob(10), randomBlob(10)}, nil)
	index := newIndex(i)
	for name, m := range map[string]manifest{"image": i.root(), "index": index.root()} {
		err := s.client.putManifest(t.Context(), "hostile/missing", "v1", m.mediaType, m.data)
		refused(t, name, answer{}, err, "MANIFEST_BLOB_UNKNOWN")
		missing := i.root().digest
		if name == "image" {
			missing = i.blobs[1].digest
		}
		if err == nil || !strings.Contains(errorText(err), missing.String()) {
			t.Errorf("the error does not name %s: %s", missing, errorText(err))
		}
	}
}

func errorText(err error) string {
	if r := new(refusal); errors.As(err, &r) {
		return string(r.body)
	}
	return fmt.Sprint(err)
}

// badManifests pushes what is no manifest, or not the one it is said to be.
func badManifests(t *testing.T, s *server) {
	const repo = "hostile/manifest"
	i := newImage([]blob{randomBlob(10)}, nil)
	if err := s.client.push(t.Context(), repo, "v1", i); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "an array": "[]", "a string": `"x"`, "no version": "{}",
		"version 1":     `{"schemaVersion":1}`,
		"deep":          strings.Repeat("[", 100_000),
		"negative size": strings.Replace(string(i.root().data), `"size":10`, `"size":-10`, 1),
		"bad digest":    strings.Replace(string(i.root().data), string(i.blobs[1].digest), "sha256:../../x", 1),
	} {
		err := s.client.putManifest(t.Context(), repo, "bad", v1.MediaTypeImageManifest, []byte(text))
		refused(t, name, answer{}, err, "MANIFEST_INVALID")
	}
	m := i.root()
	err := s.client.putManifest(t.Context(), repo, randomBlob(1).digest.String(), m.mediaType, m.data)
	refused(t, "by a digest that does not match", answer{}, err, "DIGEST_INVALID")
	a, err := s.client.get("/v2/" + repo + "/manifests/bad")
	refused(t, "tag of refused manifests", a, err, "MANIFEST_UNKNOWN")
}

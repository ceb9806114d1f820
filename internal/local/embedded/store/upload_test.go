package store

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// piece is what a client sends with one request.
type piece struct {
	content string
	from    int64    // -1: it does not say
	want    oci.Code // "" when it is taken
}

func TestUploadPieces(t *testing.T) {
	for name, test := range map[string]struct {
		pieces []piece
		want   string
	}{
		"none":             {nil, ""},
		"one":              {[]piece{{"abc", 0, ""}}, "abc"},
		"in order":         {[]piece{{"abc", 0, ""}, {"de", 3, ""}, {"f", 5, ""}}, "abcdef"},
		"without offsets":  {[]piece{{"abc", -1, ""}, {"de", -1, ""}}, "abcde"},
		"a gap":            {[]piece{{"abc", 0, ""}, {"de", 4, oci.CodeBlobUploadInvalid}, {"de", 3, ""}}, "abcde"},
		"once more":        {[]piece{{"abc", 0, ""}, {"abc", 0, oci.CodeBlobUploadInvalid}}, "abc"},
		"not at the start": {[]piece{{"abc", 1, oci.CodeBlobUploadInvalid}}, ""},
		"empty pieces":     {[]piece{{"", 0, ""}, {"abc", 0, ""}, {"", 3, ""}}, "abc"},
		"large":            {[]piece{{strings.Repeat("x", 300<<10), 0, ""}, {strings.Repeat("y", 600<<10), 300 << 10, ""}}, strings.Repeat("x", 300<<10) + strings.Repeat("y", 600<<10)},
	} {
		for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			for _, way := range []string{"one process", "announced", "idle between", "restart between"} {
				t.Run(fmt.Sprintf("%s, %s, %s", name, a, way), func(t *testing.T) {
					t.Parallel()
					r := open(t, memory(t))
					u := r.StartUpload("a")
					if way == "announced" {
						u.Expect(a)
					}
					for _, p := range test.pieces {
						before := u.Offset(t.Context())
						_, err := u.Append(r.ctx, reader(p.content), p.from)
						r.wants(err, p.want)
						if now := u.Offset(t.Context()); err != nil && now != before {
							t.Errorf("a refused piece moves the upload from %d to %d", before, now)
						}
						u = r.goOn(u, way)
					}
					if got := u.Offset(t.Context()); got != int64(len(test.want)) {
						t.Errorf("at %d, want %d", got, len(test.want))
					}
					b, err := u.Commit(r.ctx, reader("!"), int64(len(test.want)), a.FromString(test.want+"!"))
					r.must(err)
					if want := (Blob{digest.FromString(test.want + "!"), int64(len(test.want) + 1)}); b != want {
						t.Errorf("%+v, want %+v", b, want)
					}
					r.holds("a", test.want+"!", digest.SHA256)
					r.holds("a", test.want+"!", a)
					if left := r.snapshot()[uploadPath("a", u.ID)]; left != "" {
						t.Errorf("the upload left %q", left)
					}
				})
			}
		}
	}
}

// goOn is between two requests of an upload.
func (r *registry) goOn(u *Upload, way string) *Upload {
	r.t.Helper()
	switch way {
	case "idle between":
		u.used = time.Now().Add(-time.Minute)
		r.Tidy()
		if u.writer != nil {
			r.t.Error("the file of an idle upload is open")
		}
	case "restart between":
		if u.offset == 0 {
			break // nobody knows of it
		}
		r.must(r.Close())
		r.Store = open(r.t, r.driver).Store
		again, err := r.Upload(r.ctx, u.Repo, u.ID)
		r.must(err)
		return again
	}
	return u
}

func TestUploadEnds(t *testing.T) {
	for name, end := range map[string]func(r *registry, u *Upload) error{
		"committed": func(r *registry, u *Upload) error {
			_, err := u.Commit(r.ctx, reader(""), -1, digest.FromString("abc"))
			return err
		},
		"cancelled": func(r *registry, u *Upload) error { return u.Cancel(r.ctx) },
		"wrong digest": func(r *registry, u *Upload) error {
			_, err := u.Commit(r.ctx, reader(""), -1, digest.FromString("other"))
			r.wants(err, oci.CodeDigestInvalid)
			if _, err := r.Blob(r.ctx, "a", digest.FromString("abc")); code(err) != oci.CodeBlobUnknown {
				r.t.Errorf("content of a wrong digest was stored: %v", err)
			}
			return nil
		},
		"wrong SHA-512": func(r *registry, u *Upload) error {
			_, err := u.Commit(r.ctx, reader(""), -1, digest.SHA512.FromString("other"))
			r.wants(err, oci.CodeDigestInvalid)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, files(t))
			u := r.StartUpload("a")
			_, err := u.Append(r.ctx, reader("abc"), 0)
			r.must(err)
			r.must(end(r, u))
			_, err = u.Append(r.ctx, reader("d"), 3)
			r.wants(err, oci.CodeBlobUploadUnknown)
			_, err = u.Commit(r.ctx, reader(""), -1, digest.FromString("abc"))
			r.wants(err, oci.CodeBlobUploadUnknown)
			_, err = r.Upload(r.ctx, "a", u.ID)
			r.wants(err, oci.CodeBlobUploadUnknown)
			if _, ok := u.Resumable(); ok {
				t.Error("it can go on")
			}
			if left, err := r.list(r.ctx, uploadsPath("a")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

func TestUploadUnknown(t *testing.T) {
	r := open(t, files(t))
	u := r.StartUpload("a")
	_, err := u.Append(r.ctx, reader("abc"), 0)
	r.must(err)
	for _, test := range []struct{ repo, id string }{
		{"a", strings.Repeat("0", 32)}, {"a", ""}, {"a", ".."}, {"a", "../../a"}, {"a", strings.ToUpper(u.ID)}, {"b", u.ID},
	} {
		_, err := r.Upload(r.ctx, test.repo, test.id)
		if code(err) != oci.CodeBlobUploadUnknown {
			t.Errorf("%s/%s: %v", test.repo, test.id, err)
		}
	}
}

// A client that breaks off can go on from what came.
func TestUploadBreaksOff(t *testing.T) {
	r := open(t, files(t))
	u := r.StartUpload("a")
	gone := errors.New("gone")
	broken := io.MultiReader(reader("abc"), iotest.ErrReader(gone))
	if n, err := u.Append(r.ctx, broken, 0); n != 3 || !errors.Is(err, gone) {
		t.Errorf("at %d, %v; want 3 and the client's error", n, err)
	}
	if _, err := u.Commit(r.ctx, io.MultiReader(reader("de"), iotest.ErrReader(gone)), 3, digest.FromString("abcdef")); !errors.Is(err, gone) {
		t.Errorf("%v, want the client's error", err)
	}
	if n, ok := u.Resumable(); n != 5 || !ok {
		t.Errorf("goes on at %d (%v), want 5", n, ok)
	}
	_, err := u.Commit(r.ctx, reader("f"), 5, digest.FromString("abcdef"))
	r.must(err)
	r.holds("a", "abcdef", digest.SHA256)
}

// Requests for the same upload do not mix: one is at it, and the others are told
// to come back.
func TestUploadParallel(t *testing.T) {
	r := open(t, memory(t))
	u := r.StartUpload("a")
	body, write := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, err := u.Append(r.ctx, body, 0)
		first <- err
	}()
	_, err := write.Write([]byte("abc")) // and so it is at it
	r.must(err)
	_, err = u.Append(r.ctx, reader("other"), 0)
	r.wants(err, oci.CodeBlobUploadInvalid)
	_, err = u.Commit(r.ctx, reader("other"), 0, digest.FromString("other"))
	r.wants(err, oci.CodeBlobUploadInvalid)
	if _, ok := u.Resumable(); ok {
		t.Error("it can go on while a request is at it")
	}
	r.Tidy() // waits for nobody
	r.must(write.Close())
	r.must(<-first)
	_, err = u.Commit(r.ctx, reader(""), 3, digest.FromString("abc"))
	r.must(err)
}

// Between two requests of an upload its file may just be closed for idleness: the
// second one waits for that, and is not told of another request.
func TestUploadRests(t *testing.T) {
	r := open(t, memory(t))
	u := r.StartUpload("a")
	_, err := u.Append(r.ctx, reader("a"), 0)
	r.must(err)
	over := make(chan struct{})
	var tidying sync.WaitGroup
	tidying.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				u.rest(0, func() {})
			}
		}
	})
	for i := range int64(3000) {
		if _, err := u.Append(r.ctx, reader(""), 1); err != nil {
			t.Errorf("request %d: %v", i, err)
			break
		}
	}
	close(over)
	tidying.Wait()
}

// Nor does a request wait for the body of another one, whatever is done to their
// upload as they come.
func TestUploadParallelRests(t *testing.T) {
	r := open(t, memory(t))
	u := r.StartUpload("a")
	body, write := io.Pipe()
	ended := make(chan error, 2)
	u.rest(0, func() {
		for range 2 {
			go func() {
				_, err := u.Append(r.ctx, body, 0)
				ended <- err
			}()
		}
		select {
		case err := <-ended:
			r.wants(err, oci.CodeBlobUploadInvalid)
		case <-time.After(10 * time.Second):
			t.Error("two requests wait for one upload")
		}
	})
	r.must(write.Close())
	r.must(<-ended)
}

// Many who look for the same upload after a restart get the same one.
func TestUploadFoundOnce(t *testing.T) {
	r := open(t, files(t))
	u := r.StartUpload("a")
	_, err := u.Append(r.ctx, reader("abc"), 0)
	r.must(err)
	r.must(r.Close())
	r = open(t, r.driver)
	found := make([]*Upload, 8)
	var all sync.WaitGroup
	for i := range found {
		all.Go(func() { found[i], _ = r.Upload(r.ctx, "a", u.ID) })
	}
	all.Wait()
	for _, f := range found {
		if f == nil || f != found[0] {
			t.Fatalf("found %v", found)
		}
	}
	_, err = found[0].Commit(r.ctx, reader("d"), 3, digest.FromString("abcd"))
	r.must(err)
}

// The same content is stored once, and what another repository has is not
// replaced.
func TestUploadSameContent(t *testing.T) {
	moves := 0
	r := open(t, &around{StorageDriver: memory(t), before: func(op, path string) error {
		if op == "Move" && strings.HasPrefix(path, blobsPath(digest.SHA256)) {
			moves++
		}
		return nil
	}})
	for _, repo := range []string{"a", "b", "a"} {
		r.blob(repo, "same")
		r.holds(repo, "same", digest.SHA256)
	}
	if moves != 1 {
		t.Errorf("stored %d times", moves)
	}
	// Content of another size is damaged, and so it is replaced.
	r.must(r.driver.PutContent(r.ctx, blobData(digest.FromString("same")), []byte("sam")))
	r.blob("b", "same")
	r.holds("a", "same", digest.SHA256)
}

func TestTidyForgets(t *testing.T) {
	r := open(t, files(t))
	u := r.StartUpload("a")
	_, err := u.Append(r.ctx, reader("abc"), 0)
	r.must(err)
	u.used = time.Now().Add(-time.Hour)
	r.Tidy()
	if n := len(r.uploads.all); n > 0 {
		t.Errorf("%d uploads are remembered", n)
	}
	again, err := r.Upload(r.ctx, "a", u.ID)
	r.must(err)
	_, err = again.Commit(r.ctx, reader("d"), 3, digest.FromString("abcd"))
	r.must(err)
}

// A storage that fails while bytes come does not make a blob of something else:
// what it has then is not known, and is read before the blob gets its name.
func TestUploadWriteFails(t *testing.T) {
	for _, op := range []string{"Write", "Commit", "Close", "Writer"} {
		t.Run(op, func(t *testing.T) {
			n := 0
			r := open(t, &around{StorageDriver: files(t), before: func(o, _ string) error {
				if o == op {
					if n++; n == 1 {
						return errStorage
					}
				}
				return nil
			}})
			u := r.StartUpload("a")
			_, _ = u.Append(r.ctx, reader("abc"), -1)
			_, _ = u.Commit(r.ctx, reader("def"), 3, digest.FromString("abcdef"))
			if n == 0 {
				t.Fatal("nothing failed")
			}
			content := "abcdef"
			if offset, ok := u.Resumable(); ok {
				_, err := u.Commit(r.ctx, reader(content[offset:]), offset, digest.FromString(content))
				r.must(err)
			}
			r.holds("a", content, digest.SHA256)
		})
	}
}

package store

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/oci"
)

// By its id alone an upload is known again, until something came of it.
func TestUploadIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids, others := newUploadIDs(), newUploadIDs()
		seen := map[string]bool{}
		for range 1000 { // within no time
			id := ids.make("a", digest.SHA256)
			if seen[id] || !isUploadID(id) {
				t.Fatalf("%s is no id, or the second such", id)
			}
			seen[id] = true
		}
		is := func(repo, id string, a digest.Algorithm, fresh bool) {
			t.Helper()
			if got, ok := ids.fresh(repo, id); ok != fresh || ok && got != a {
				t.Errorf("%s: %s, %v; want %s, %v", id, got, ok, a, fresh)
			}
		}
		one, two := ids.make("a", digest.SHA256), ids.make("a", digest.SHA512)
		is("a", one, digest.SHA256, true)
		is("a", two, digest.SHA512, true)
		is("b", one, "", false)
		is("a", others.make("a", digest.SHA256), "", false)
		is("a", one[:16]+two[16:], "", false)
		is("a", "01234567-89ab-cdef-0123-456789abcdef", "", false)
		if !ids.begin("a", one) || ids.begin("a", one) || ids.begin("b", two) {
			t.Error("an id is good once, for its repository")
		}
		is("a", one, "", false)
		time.Sleep(startWithin)
		is("a", two, digest.SHA512, true)
		time.Sleep(time.Millisecond)
		is("a", two, "", false)
	})
}

// What is remembered of ids is bounded, and none that was used counts as fresh.
func TestUploadIDsMany(t *testing.T) {
	ids := newUploadIDs()
	early := ids.make("a", digest.SHA256)
	used := make([]string, maxBegun+100)
	for i := range used {
		used[i] = ids.make("a", digest.SHA256)
		if !ids.begin("a", used[i]) {
			t.Fatalf("%d: not fresh", i)
		}
	}
	late := ids.make("a", digest.SHA256)
	for _, id := range append(used, early) {
		if _, ok := ids.fresh("a", id); ok {
			t.Fatalf("%s is fresh", id)
		}
	}
	if _, ok := ids.fresh("a", late); !ok {
		t.Error("a new one is not fresh")
	}
	if len(ids.begun) != maxBegun || len(ids.order) != maxBegun {
		t.Errorf("%d and %d are remembered", len(ids.begun), len(ids.order))
	}
}

// Of two requests that begin one upload the first byte decides.
func TestUploadBegunTwice(t *testing.T) {
	r := open(t, files(t))
	id := r.StartUpload("a").ID
	one, err := r.Upload(r.ctx, "a", id)
	r.must(err)
	two, err := r.Upload(r.ctx, "a", id)
	r.must(err)
	_, err = two.Append(r.ctx, reader("ab"), 0)
	r.must(err)
	_, err = one.Append(r.ctx, reader("other"), 0)
	r.wants(err, oci.CodeBlobUploadInvalid)
	again, err := r.Upload(r.ctx, "a", id)
	r.must(err)
	_, err = again.Commit(r.ctx, reader("c"), 2, digest.FromString("abc"))
	r.must(err)
	late, err := r.Upload(r.ctx, "a", id)
	if late != nil || code(err) != oci.CodeBlobUploadUnknown {
		t.Errorf("after its end: %v, %v", late, err)
	}
	_, err = one.Append(r.ctx, reader("other"), 0)
	r.wants(err, oci.CodeBlobUploadUnknown)
}

// SHA-512 is known again from the id: the content need not be read once more.
func TestUploadExpected(t *testing.T) {
	reads := 0
	r := open(t, &around{StorageDriver: files(t), before: func(op, _ string) error {
		if op == "Reader" {
			reads++
		}
		return nil
	}})
	u := r.StartUpload("a")
	u.Expect(digest.SHA512)
	u, err := r.Upload(r.ctx, "a", u.ID)
	r.must(err)
	_, err = u.Commit(r.ctx, reader("abc"), 0, digest.SHA512.FromString("abc"))
	r.must(err)
	if reads > 0 {
		t.Errorf("the content was read %d times", reads)
	}
}

// An upload that nothing came of costs nothing, nor does a name that somebody
// asks for.
func TestNothingKept(t *testing.T) {
	r := open(t, files(t))
	d := digest.FromString("unknown")
	ask := func(i int) {
		repo := fmt.Sprintf("r/%d/%s", i, strings.Repeat("x", 200))
		u, err := r.Upload(r.ctx, repo, r.StartUpload(repo).ID)
		r.must(err)
		u.Offset(r.ctx)
		_, err = u.Append(r.ctx, reader(""), 0)
		r.must(err)
		_, err = r.Blob(r.ctx, repo, d)
		r.wants(err, oci.CodeBlobUnknown)
		_, err = r.Manifest(r.ctx, repo, "latest")
		r.wants(err, oci.CodeManifestUnknown)
		r.wants(r.Rely(r.ctx, repo, d), oci.CodeManifestUnknown)
		_, err = r.Tags(r.ctx, repo)
		r.wants(err, oci.CodeNameUnknown)
		r.wants(r.Mount(r.ctx, repo, "from/"+repo, d), oci.CodeBlobUnknown)
		r.wants(r.DeleteTag(r.ctx, repo, "latest"), oci.CodeManifestUnknown)
		r.wants(r.DeleteManifest(r.ctx, repo, d), oci.CodeManifestUnknown)
		r.wants(r.DeleteBlob(r.ctx, repo, d), oci.CodeBlobUnknown)
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const many = 3000
	for i := range many {
		ask(i)
	}
	before := heap()
	for i := range many {
		ask(many + i)
	}
	if grown := heap() - before; grown > 64*many {
		t.Errorf("%d bytes are kept of each", grown/many)
	}
}

// Uploads that nobody is at have few files open, however many there are.
func TestUploadFiles(t *testing.T) {
	d := &openWriters{StorageDriver: files(t)}
	const many, writers = 200, 8
	r := openWith(t, d, Options{Delay: grace, Writers: writers})
	all := make([]*Upload, many)
	for i := range all {
		all[i] = r.StartUpload("a")
		_, err := all[i].Append(r.ctx, reader("abc"), 0)
		r.must(err)
	}
	if d.most > writers {
		t.Errorf("%d were open", d.most)
	}
	for i, u := range all {
		content := fmt.Sprint("abc", i)
		_, err := u.Commit(r.ctx, reader(content[3:]), 3, digest.FromString(content))
		r.must(err)
		r.holds("a", content, digest.SHA256)
	}
	if d.now != 0 || len(r.writers.idle) != 0 {
		t.Errorf("left open: %d; %d", d.now, len(r.writers.idle))
	}
}

// openWriters counts those of a storage.
type openWriters struct {
	storagedriver.StorageDriver
	now, most int
}

func (o *openWriters) Writer(ctx context.Context, path string, resume bool) (storagedriver.FileWriter, error) {
	w, err := o.StorageDriver.Writer(ctx, path, resume)
	if err != nil {
		return nil, err
	}
	o.now++
	o.most = max(o.most, o.now)
	return &openWriter{FileWriter: w, o: o}, nil
}

type openWriter struct {
	storagedriver.FileWriter
	o      *openWriters
	closed bool
}

func (w *openWriter) end() {
	if !w.closed {
		w.closed = true
		w.o.now--
	}
}

func (w *openWriter) Close() error {
	w.end()
	return w.FileWriter.Close()
}

func (w *openWriter) Cancel(ctx context.Context) error {
	w.end()
	return w.FileWriter.Cancel(ctx)
}

// Uploads under way are bounded, for all and for each client. Those that rest make
// room and go on all the same.
func TestUploadLimits(t *testing.T) {
	r := open(t, files(t))
	r.uploads.maxAll, r.uploads.maxEach = 5, 3
	begin := func(client string) (*Upload, error) {
		u := r.StartUpload("a")
		_, err := u.Append(WithClient(r.ctx, client), reader("abc"), 0)
		return u, err
	}
	var all []*Upload
	for _, client := range strings.Fields("one one one two two") {
		u, err := begin(client)
		r.must(err)
		all = append(all, u)
	}
	for _, client := range strings.Fields("one two three") {
		_, err := begin(client)
		r.wants(err, oci.CodeTooMany)
		r.wants(r.UploadRoom(WithClient(r.ctx, client)), oci.CodeTooMany)
	}
	// One that is finished makes room for its client, and for others.
	_, err := all[0].Commit(r.ctx, reader(""), 3, digest.FromString("abc"))
	r.must(err)
	_, err = begin("three")
	r.must(err)
	_, err = begin("one")
	r.wants(err, oci.CodeTooMany)
	// And so does one that rests.
	r.uploads.looked = time.Time{}
	all[1].used = time.Now().Add(-uploadIdle)
	again, err := begin("one")
	r.must(err)
	r.must(again.Cancel(r.ctx))
	rested, err := r.Upload(WithClient(r.ctx, "one"), "a", all[1].ID)
	r.must(err)
	_, err = rested.Commit(r.ctx, reader("d"), 3, digest.FromString("abcd"))
	r.must(err)
	// A client that has too many costs no other its own.
	all[3].used = time.Now().Add(-time.Hour / 2)
	r.uploads.maxEach, r.uploads.looked = 0, time.Time{}
	_, err = begin("one")
	r.wants(err, oci.CodeTooMany)
	if r.uploads.get("a", all[3].ID) == nil {
		t.Error("another client's upload was forgotten")
	}
}

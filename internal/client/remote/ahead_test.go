package remote

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
)

// growing is content of which the test says how much there is.
type growing struct {
	data  []byte
	state string

	mu    sync.Mutex
	cond  *sync.Cond
	size  int64
	ended bool
}

func grow(data []byte) *growing {
	g := &growing{data: data}
	g.cond = sync.NewCond(&g.mu)
	return g
}

func (g *growing) to(size int, ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.size, g.ended = int64(size), ended
	g.cond.Broadcast()
}

func (g *growing) Grown(ctx context.Context, size int64) (int64, error) {
	defer context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.cond.Broadcast()
	})()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.size < size && !g.ended && ctx.Err() == nil {
		g.cond.Wait()
	}
	return g.size, ctx.Err()
}

func (g *growing) State() string { return g.state }

func (g *growing) Open(offset int64) (io.ReadCloser, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return io.NopCloser(bytes.NewReader(g.data[offset:g.size])), nil
}

const aheadSize = 3*piece + 100

// sending is content that is sent ahead to a fake.
type sending struct {
	t *testing.T
	f *fake
	*growing
	ahead *Ahead
}

// sendAhead begins in a journal, and lets size bytes be there.
func sendAhead(ctx context.Context, t *testing.T, f *fake, address, dir string, data []byte, size int) *sending {
	t.Helper()
	s := &sending{t: t, f: f, growing: grow(data)}
	s.ahead = repository(t, address, Uploads{Journal: OpenJournal(dir)}).SendAhead(ctx, "key", s.growing)
	s.to(size, size == len(data))
	return s
}

// sent waits until the registry has at least size bytes of the first upload.
func (s *sending) sent(size int) {
	s.t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		s.f.mu.Lock()
		got := len(s.f.uploads["u0"])
		s.f.mu.Unlock()
		if got >= size {
			return
		}
		if time.Now().After(until) {
			s.t.Fatalf("%d bytes were sent, want %d at least: %q", got, size, s.f.log)
		}
	}
}

// finish sends the rest, and looks at what the registry has.
func (s *sending) finish() {
	s.t.Helper()
	s.to(len(s.data), true)
	d, _, _ := content(0)
	d.Digest, d.Size = digest.FromBytes(s.data), int64(len(s.data))
	err := s.ahead.Finish(s.t.Context(), d, s.Open)
	if err != nil {
		s.t.Fatal(err)
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if !bytes.Equal(s.f.blobs[d.Digest], s.data) {
		s.t.Error("the blob is another")
	}
}

func noTags(http.ResponseWriter, *http.Request) bool { return false }

// tagged answers that there is a tag.
func tagged(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"name":"ns/repo","tags":["1"]}`)
}

func TestSendAhead(t *testing.T) {
	_, data, _ := content(aheadSize)
	for name, c := range map[string]struct {
		hook   func(w http.ResponseWriter, r *http.Request) bool
		first  int // bytes that are there before the end
		before int // bytes sent by then
		begun  int // requests that send the beginning
		post   int
	}{
		"while it grows":         {noTags, 2*piece + 1, 2 * piece, 1, 1},
		"all at once":            {noTags, aheadSize, 3 * piece, 1, 1},
		"too little to begin":    {noTags, piece - 1, 0, 1, 1},
		"to a repository in use": {times(always, "GET", "tags/list", tagged), 2*piece + 1, 0, 1, 1},
		"lists refused":          {times(always, "GET", "tags/list", answer(403)), 2*piece + 1, 0, 1, 1},
		"no upload at first":     {times(1, "POST", "", answer(403)), 2*piece + 1, 0, 1, 2},
		"a piece refused":        {after(1, 1, "PATCH", "", answer(403)), 2*piece + 1, piece, 1, 1},
		"no pieces taken":        {times(always, "PATCH", "", answer(405)), 2*piece + 1, 0, 2, 2},
		"a session forgotten":    {after(1, always, "", "uploads/u0", answer(404)), 2*piece + 1, piece, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
			f.hook = c.hook
			_, server := f.start(t, Uploads{})
			s := sendAhead(t.Context(), t, f, server.URL, dir, data, c.first)
			if c.before > 0 {
				s.sent(c.before)
			}
			s.finish()
			s.ahead.Close(t.Context(), Published)
			f.wantRequests(t, c.begun, "PATCH", " 0-")
			f.wantRequests(t, c.post, "POST", "")
			if list := notes(t, dir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// killed sends two pieces ahead and stops as a process that is killed does.
func killed(t *testing.T, data []byte) (f *fake, address, dir string) {
	t.Helper()
	f, dir = newFake(), filepath.Join(t.TempDir(), "uploads")
	_, server := f.start(t, Uploads{})
	ctx, cancel := context.WithCancel(t.Context())
	s := sendAhead(ctx, t, f, server.URL, dir, data, 2*piece+1)
	s.sent(2 * piece)
	cancel()
	s.ahead.Close(ctx, Interrupted)
	if list := notes(t, dir); len(list) != 1 {
		t.Fatalf("notes: %v", list)
	}
	return f, server.URL, dir
}

func TestSendAheadGoesOn(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, address, dir := killed(t, data)
	s := sendAhead(t.Context(), t, f, address, dir, data, 2*piece+1)
	s.finish()
	s.ahead.Close(t.Context(), Published)
	f.wantRequests(t, 1, "PATCH", " 0-")
	f.wantRequests(t, 1, "PATCH", " 32769-")
	f.wantRequests(t, 1, "POST", "")
	if list := notes(t, dir); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// What another process has sent ahead and nobody can go on with is sent again.
func TestSendAheadUnusable(t *testing.T) {
	_, data, _ := content(aheadSize)
	for name, hook := range unusable {
		t.Run(name, func(t *testing.T) {
			f, address, dir := killed(t, data)
			f.mu.Lock()
			f.hook = hook
			f.mu.Unlock()
			s := sendAhead(t.Context(), t, f, address, dir, data, 2*piece+1)
			s.finish()
			s.ahead.Close(t.Context(), Published)
			if list := notes(t, dir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// TestSendAheadAfter: what the next process does with what one that was killed has
// left, by what happened meanwhile.
func TestSendAheadAfter(t *testing.T) {
	_, data, _ := content(aheadSize)
	other := bytes.Repeat([]byte("x"), aheadSize)
	commit := func(status int) func(http.ResponseWriter, *http.Request) bool {
		return times(1, "PUT", "uploads/u0", answer(status))
	}
	for name, c := range map[string]struct {
		data    []byte
		state   string
		hook    func(w http.ResponseWriter, r *http.Request) bool
		begun   int // how often the beginning is sent, in all
		dropped int // uploads that the registry is told of
	}{
		"nothing":                         {data, "", noTags, 1, 0},
		"a change":                        {other, "changed", noTags, 2, 1},
		"a change that nobody sees":       {other, "", noTags, 2, 0},
		"a change that shortens it":       {other[:2*piece], "", noTags, 2, 1},
		"a change that is called 403":     {other, "", commit(403), 2, 0},
		"a change that is called 409":     {other, "", commit(409), 2, 0},
		"a change that is called 422":     {other, "", commit(422), 2, 0},
		"a change that is called 500":     {other, "", commit(500), 2, 0},
		"a registry that is not there":    {data, "", times(3, "GET", "uploads/u0", answer(503)), 1, 0},
		"a registry that asks for time":   {data, "", times(3, "GET", "uploads/u0", answer(429)), 1, 0},
		"a session that is gone":          {data, "", times(always, "", "uploads/u0", answer(404)), 2, 0},
		"somebody who pushed another tag": {data, "", times(always, "GET", "tags/list", tagged), 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, address, dir := killed(t, data)
			f.mu.Lock()
			f.hook = c.hook
			f.mu.Unlock()
			s := &sending{t: t, f: f, growing: grow(c.data)}
			s.state = c.state
			s.ahead = repository(t, address, Uploads{Journal: OpenJournal(dir)}).SendAhead(t.Context(), "key", s.growing)
			s.finish()
			s.ahead.Close(t.Context(), Published)
			f.wantRequests(t, c.begun, "PATCH", " 0-")
			f.wantRequests(t, c.dropped, "DELETE", "uploads/u0")
			if list := notes(t, dir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// TestSendAheadInLargePieces: what the registry takes at least is remembered.
func TestSendAheadInLargePieces(t *testing.T) {
	const least = 40000
	_, data, _ := content(3 * least)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			w.Header().Set("OCI-Chunk-Min-Length", strconv.Itoa(least))
		}
		if r.Method == http.MethodPatch && r.ContentLength < least && !strings.HasSuffix(r.Header.Get("Content-Range"), strconv.Itoa(len(data)-1)) {
			t.Errorf("%d bytes at %s", r.ContentLength, r.Header.Get("Content-Range"))
		}
		return false
	}
	_, server := f.start(t, Uploads{})
	ctx, cancel := context.WithCancel(t.Context())
	s := sendAhead(ctx, t, f, server.URL, dir, data, least+1)
	s.sent(least)
	cancel()
	s.ahead.Close(ctx, Interrupted)
	s = sendAhead(t.Context(), t, f, server.URL, dir, data, 2*least+100)
	s.finish()
	s.ahead.Close(t.Context(), Published)
}

// TestFinishTwice: once more, after the content was damaged on its way.
func TestFinishTwice(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	f.hook = times(2, "PUT", "uploads", func(w http.ResponseWriter, r *http.Request) { refuse(w, 400, "DIGEST_INVALID") })
	_, server := f.start(t, Uploads{})
	s := sendAhead(t.Context(), t, f, server.URL, dir, data, aheadSize)
	d, _, open := content(aheadSize)
	wantCode(t, s.ahead.Finish(t.Context(), d, open), diag.DigestMismatch)
	s.finish()
	s.ahead.Close(t.Context(), Published)
}

// TestSentButNotPublished: one that was killed after the blob was there. The next
// must not send it before it knows that it is not.
func TestSentButNotPublished(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	_, server := f.start(t, Uploads{})
	s := sendAhead(t.Context(), t, f, server.URL, dir, data, aheadSize)
	s.finish()
	s.ahead.Close(t.Context(), Interrupted)
	f.mu.Lock()
	f.log = nil
	f.mu.Unlock()
	s = sendAhead(t.Context(), t, f, server.URL, dir, data, aheadSize)
	<-s.ahead.ended
	s.ahead.Close(t.Context(), Published)
	if list := f.requests("", ""); len(list) > 0 {
		t.Errorf("asked: %q", list)
	}
	if list := notes(t, dir); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// TestSentForNothing: the upload is given up where nobody wants it.
func TestSentForNothing(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	_, server := f.start(t, Uploads{})
	s := sendAhead(t.Context(), t, f, server.URL, dir, data, 2*piece+1)
	s.sent(2 * piece)
	s.ahead.Close(t.Context(), Unwanted)
	f.wantRequests(t, 1, "DELETE", "uploads/u0")
	if list := notes(t, dir); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// TestSendAheadTwice: of two processes with the same to send one sends ahead.
func TestSendAheadTwice(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	_, server := f.start(t, Uploads{})
	first := sendAhead(t.Context(), t, f, server.URL, dir, data, 2*piece+1)
	first.sent(2 * piece)
	second := sendAhead(t.Context(), t, f, server.URL, dir, data, 2*piece+1)
	<-second.ahead.ended
	f.wantRequests(t, 1, "POST", "")
	first.finish()
	second.finish()
	first.ahead.Close(t.Context(), Published)
	second.ahead.Close(t.Context(), Published)
	f.wantRequests(t, 2, "POST", "")
	if list := notes(t, dir); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

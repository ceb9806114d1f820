package remote

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// growing is content of which the test says how much there is.
type growing struct {
	data []byte

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
			s.ahead.Close(t.Context(), true)
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
	s.ahead.Close(ctx, false)
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
	s.ahead.Close(t.Context(), true)
	f.wantRequests(t, 1, "PATCH", " 0-")
	f.wantRequests(t, 1, "PATCH", " 32769-")
	f.wantRequests(t, 1, "POST", "")
	if list := notes(t, dir); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// TestSendAheadOfOtherContent: what was sent for the same key was something else.
func TestSendAheadOfOtherContent(t *testing.T) {
	_, data, _ := content(aheadSize)
	for name, other := range map[string][]byte{
		"as long":             bytes.Repeat([]byte("x"), aheadSize),
		"shorter than before": bytes.Repeat([]byte("x"), piece+10),
	} {
		t.Run(name, func(t *testing.T) {
			f, address, dir := killed(t, data)
			s := sendAhead(t.Context(), t, f, address, dir, other, len(other))
			s.finish()
			s.ahead.Close(t.Context(), true)
			if list := notes(t, dir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// TestSentButNotPublished: one that was killed after the blob was there. The next
// must not send it before it knows that it is not.
func TestSentButNotPublished(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	_, server := f.start(t, Uploads{})
	s := sendAhead(t.Context(), t, f, server.URL, dir, data, aheadSize)
	s.finish()
	s.ahead.Close(t.Context(), false)
	f.mu.Lock()
	f.log = nil
	f.mu.Unlock()
	s = sendAhead(t.Context(), t, f, server.URL, dir, data, aheadSize)
	<-s.ahead.ended
	s.ahead.Close(t.Context(), true)
	if list := f.requests("", ""); len(list) > 0 {
		t.Errorf("asked: %q", list)
	}
	if list := notes(t, dir); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// TestSentForNothing: the upload is given up when the blob is found to be there, or
// could not be made.
func TestSentForNothing(t *testing.T) {
	_, data, _ := content(aheadSize)
	f, dir := newFake(), filepath.Join(t.TempDir(), "uploads")
	_, server := f.start(t, Uploads{})
	s := sendAhead(t.Context(), t, f, server.URL, dir, data, 2*piece+1)
	s.sent(2 * piece)
	s.ahead.Close(t.Context(), false)
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
	first.ahead.Close(t.Context(), true)
	second.ahead.Close(t.Context(), true)
}

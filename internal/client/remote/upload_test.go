package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

// piece is what tests send at a time, and large is more than one.
const (
	piece = 16 << 10
	large = 20 << 10
)

// TestUpload is about what real registries answer, and what is sent then.
func TestUpload(t *testing.T) {
	type counts struct{ post, get, patch, put int }
	for name, c := range map[string]struct {
		set  func(f *fake)
		size int // large when 0
		want counts
	}{
		"as specified":        {func(*fake) {}, 0, counts{1, 0, 2, 1}},
		"small":               {func(*fake) {}, 1000, counts{1, 0, 0, 1}},
		"empty":               {func(*fake) {}, -1, counts{1, 0, 0, 1}},
		"Range with its unit": {func(f *fake) { f.ranges = "bytes=0-%d" }, 0, counts{1, 0, 2, 1}},
		"no Range": {func(f *fake) {
			f.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch {
					f.serve(without{w, "Range"}, r)
				}
				return r.Method == http.MethodPatch
			}
		}, 0, counts{1, 0, 2, 1}},
		"another state at every answer": {func(f *fake) {
			f.location = func(id string, size int) string {
				return fmt.Sprintf("/v2/ns/repo/blobs/uploads/%s?_state=%d%%2F&digest_algorithm=x", id, size)
			}
			f.hook = func(w http.ResponseWriter, r *http.Request) bool {
				id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
				if id == "" || r.Method == http.MethodHead {
					return false
				}
				f.mu.Lock()
				want := fmt.Sprintf("_state=%d%%2F&digest_algorithm=x", len(f.uploads[id]))
				f.mu.Unlock()
				if strings.HasPrefix(r.URL.RawQuery, want) {
					return false
				}
				answer(http.StatusForbidden)(w, r)
				return true
			}
		}, 0, counts{1, 0, 2, 1}},
		"lost at the second piece, with 404": {func(f *fake) { f.hook = after(1, 1, "PATCH", "", answer(404)) }, 0, counts{2, 0, 3, 1}},
		"lost at the second piece, with 410": {func(f *fake) { f.hook = after(1, 1, "PATCH", "", answer(410)) }, 0, counts{2, 0, 3, 1}},
		"lost at the second piece, with 400": {func(f *fake) { f.hook = after(1, 1, "PATCH", "", answer(400)) }, 0, counts{2, 0, 3, 1}},
		"lost at the end, with 404":          {func(f *fake) { f.hook = times(1, "PUT", "uploads", answer(404)) }, 0, counts{2, 0, 3, 2}},
		"it stands elsewhere, with 416": {func(f *fake) {
			f.hook = after(1, 1, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				f.cut(8 << 10)
				w.WriteHeader(416)
			})
		}, 0, counts{1, 1, 3, 1}},
		"it keeps less than it was sent": {func(f *fake) {
			f.hook = times(1, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				f.serve(httptest.NewRecorder(), r)
				f.cut(3 << 10)
				f.mu.Lock()
				f.stands(w, "u0", http.StatusAccepted)
				f.mu.Unlock()
			})
		}, 0, counts{1, 0, 2, 1}},
		"it takes no pieces, 405": {func(f *fake) { f.hook = times(always, "PATCH", "", answer(405)) }, 0, counts{2, 0, 1, 1}},
		"it takes no pieces, 501": {func(f *fake) { f.hook = times(always, "PATCH", "", answer(501)) }, 0, counts{2, 0, 1, 1}},
		"it took the piece, and answers 500": {func(f *fake) {
			f.hook = times(1, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				f.serve(httptest.NewRecorder(), r)
				w.WriteHeader(500)
			})
		}, 0, counts{1, 1, 2, 1}},
		"it took the piece, and hangs up": {func(f *fake) {
			f.hook = times(1, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				f.serve(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			})
		}, 0, counts{1, 1, 2, 1}},
		"the connection is cut in the piece": {func(f *fake) {
			f.hook = times(1, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				half, _ := io.ReadAll(io.LimitReader(r.Body, 5<<10))
				f.mu.Lock()
				f.uploads["u0"] = half
				f.mu.Unlock()
				panic(http.ErrAbortHandler)
			})
		}, 0, counts{1, 1, 2, 1}},
		"the last answer is lost": {func(f *fake) {
			f.hook = times(1, "PUT", "uploads", func(w http.ResponseWriter, r *http.Request) {
				f.serve(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			})
		}, 0, counts{1, 0, 2, 2}},
		"the last answer is 500, of a small blob": {func(f *fake) {
			f.hook = times(1, "PUT", "uploads", func(w http.ResponseWriter, r *http.Request) {
				f.serve(httptest.NewRecorder(), r)
				w.WriteHeader(500)
			})
		}, 1000, counts{1, 0, 0, 1}},
		"the digest is wrong once": {func(f *fake) {
			f.hook = times(1, "PUT", "uploads", func(w http.ResponseWriter, r *http.Request) { refuse(w, 400, "DIGEST_INVALID") })
		}, 0, counts{2, 0, 3, 2}},
		"busy for a moment": {func(f *fake) {
			f.hook = times(2, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(429)
			})
		}, 0, counts{1, 0, 4, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c.set(f)
			r, _ := f.start(t, Uploads{})
			if c.size = max(0, c.size); c.want.patch > 0 || c.want.post == 2 {
				c.size = large
			}
			d, data, open := content(c.size)
			if _, err := r.PutBlob(t.Context(), d, open, ""); err != nil {
				t.Fatalf("%v; %q", err, f.log)
			}
			if !bytes.Equal(f.blobs[d.Digest], data) {
				t.Error("the blob is another")
			}
			got := counts{len(f.requests("POST", "")), len(f.requests("GET", "/uploads/")), len(f.requests("PATCH", "")), len(f.requests("PUT", "/uploads/"))}
			if more := got.patch - c.want.patch; more > 0 && more < 3 { // pieces grow by time
				got.patch = c.want.patch
			}
			if got != c.want {
				t.Errorf("%+v, want %+v: %q", got, c.want, f.log)
			}
		})
	}
}

// cut takes the end of the first upload away.
func (f *fake) cut(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uploads["u0"] = f.uploads["u0"][:size]
}

// without drops a header.
type without struct {
	http.ResponseWriter
	name string
}

func (w without) WriteHeader(status int) {
	w.Header().Del(w.name)
	w.ResponseWriter.WriteHeader(status)
}

// TestAbsoluteLocation: also one that a proxy calls otherwise than the client.
func TestAbsoluteLocation(t *testing.T) {
	f := newFake()
	r, server := f.start(t, Uploads{})
	f.location = func(id string, _ int) string { return server.URL + "/v2/ns/repo/blobs/uploads/" + id }
	d, _, open := content(large)
	if _, err := r.PutBlob(t.Context(), d, open, ""); err != nil {
		t.Fatal(err)
	}
	f.wantRequests(t, 1, "POST", "")
}

// TestFailedUpload is about uploads that come to nothing, after a bounded number
// of requests.
func TestFailedUpload(t *testing.T) {
	for name, c := range map[string]struct {
		hook func(w http.ResponseWriter, r *http.Request) bool
		code diag.Code
		most int // requests
	}{
		"the digest is always wrong": {times(always, "PUT", "uploads", func(w http.ResponseWriter, r *http.Request) { refuse(w, 400, "DIGEST_INVALID") }), diag.DigestMismatch, 8},
		"always 416":                 {times(always, "", "uploads/u", answer(416)), diag.RegistryRefused, 30},
		"always 404":                 {times(always, "", "uploads/u", answer(404)), diag.RegistryRefused, 30},
		"always 500":                 {times(always, "PATCH", "", answer(500)), diag.RegistryRefused, 12},
		"denied":                     {times(always, "PATCH", "", answer(403)), diag.Forbidden, 2},
		"too large":                  {times(always, "PATCH", "", answer(413)), diag.RegistryRefused, 16},
		"no Location":                {times(always, "POST", "", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) }), diag.RegistryRefused, 1},
		"it says it has all, always": {times(always, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", r.URL.Path)
			w.Header().Set("Range", "0-999999999999")
			w.WriteHeader(202)
		}), diag.DigestMismatch, 7},
		"it says it has nothing, always": {times(always, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", r.URL.Path)
			w.Header().Set("Range", "0-0")
			w.WriteHeader(202)
		}), diag.DigestMismatch, 40},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var requests atomic.Int32
			f.hook = func(w http.ResponseWriter, r *http.Request) bool {
				if requests.Add(1) > 100 {
					cancel()
				}
				return c.hook(w, r)
			}
			r, _ := f.start(t, Uploads{})
			d, _, open := content(large)
			_, err := r.PutBlob(ctx, d, open, "")
			wantCode(t, r.Err(err), c.code)
			if n := int(requests.Load()); n > c.most {
				t.Errorf("%d requests, want %d at most: %q", n, c.most, f.log[:min(60, len(f.log))])
			}
			if len(f.blobs) > 0 {
				t.Error("there is a blob")
			}
		})
	}
}

// TestUnreadableContent: what cannot be read is not tried again, and the error is
// the reader's.
func TestUnreadableContent(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, open := range map[string]Content{
		"at the beginning": func(int64) (io.ReadCloser, error) { return nil, broken },
		"in the middle": func(int64) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("some"), failing{broken})), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			r, _ := f.start(t, Uploads{})
			d, _, _ := content(large)
			if _, err := r.PutBlob(t.Context(), d, open, ""); !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
			if n := len(f.requests("PATCH", "")); n > 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestCancelledUpload(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	f.hook = after(1, 1, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	r, _ := f.start(t, Uploads{})
	d, _, open := content(large)
	if _, err := r.PutBlob(ctx, d, open, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestMount: what is mounted is not sent, and what is not mounted, for whatever
// reason, is.
func TestMount(t *testing.T) {
	for name, c := range map[string]struct {
		there   bool
		hook    func(w http.ResponseWriter, r *http.Request) bool
		mounted bool
		posts   int
	}{
		"it is there":     {there: true, mounted: true, posts: 1},
		"it is not there": {posts: 1}, // the upload that was opened instead is used
		"denied":          {hook: times(1, "POST", "", answer(403)), posts: 2},
		"not known":       {hook: times(1, "POST", "", answer(404)), posts: 2},
		"not allowed":     {hook: times(1, "POST", "", answer(405)), posts: 2},
		"broken":          {hook: times(1, "POST", "", answer(502)), posts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			r, _ := f.start(t, Uploads{})
			d, data, open := content(10)
			f.hook = c.hook
			if c.there {
				f.blobs[d.Digest] = data
			}
			mounted, err := r.PutBlob(t.Context(), d, open, "ns/other")
			if err != nil || mounted != c.mounted {
				t.Errorf("mounted %v, %v", mounted, err)
			}
			if !bytes.Equal(f.blobs[d.Digest], data) {
				t.Error("it is not there")
			}
			f.wantRequests(t, c.posts, "POST", "")
		})
	}
}

// TestPiecesRefused is about registries that say they take pieces, and do not.
func TestPiecesRefused(t *testing.T) {
	for name, hook := range map[string]func(f *fake) func(w http.ResponseWriter, r *http.Request) bool{
		"none": func(*fake) func(http.ResponseWriter, *http.Request) bool {
			return times(always, "PATCH", "", answer(416))
		},
		"no session": func(*fake) func(http.ResponseWriter, *http.Request) bool {
			return times(always, "PATCH", "", answer(404))
		},
		"it tells of the first piece alone": func(f *fake) func(http.ResponseWriter, *http.Request) bool {
			return times(always, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				f.serve(rec, r)
				w.Header().Set("Location", rec.Header().Get("Location"))
				w.Header().Set("Range", "0-16777215")
				w.WriteHeader(http.StatusCreated)
			})
		},
		"no second Location": func(f *fake) func(http.ResponseWriter, *http.Request) bool {
			return times(always, "PATCH", "", func(w http.ResponseWriter, r *http.Request) {
				f.serve(without{w, "Location"}, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = hook(f)
			r, _ := f.start(t, Uploads{})
			d, data, open := content(large)
			if _, err := r.PutBlob(t.Context(), d, open, ""); err != nil {
				t.Fatalf("%v; %q", err, f.log)
			}
			if !bytes.Equal(f.blobs[d.Digest], data) {
				t.Error("the blob is another")
			}
		})
	}
}

func TestReceived(t *testing.T) {
	for text, want := range map[string]int64{
		"0-9": 10, "bytes=0-9": 10, "0-0": 0, "bytes=0-0": 0, "": 0, "x": 0, "0--1": 0, "0-x": 0, "0-": 0, "-5": 6, "0-99999999999999999999": 0,
	} {
		resp := &http.Response{Header: http.Header{"Range": {text}}}
		if got := received(resp); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestHas(t *testing.T) {
	d, data, _ := content(10)
	for name, c := range map[string]struct {
		hook func(w http.ResponseWriter, r *http.Request) bool
		want bool
		code diag.Code
	}{
		"there":          {nil, true, ""},
		"missing":        {times(always, "HEAD", "", answer(404)), false, ""},
		"another length": {times(always, "HEAD", "", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "3") }), false, ""},
		"another digest": {times(always, "HEAD", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			w.Header().Set("Docker-Content-Digest", digest.FromString("other").String())
		}), false, ""},
		"another algorithm": {times(always, "HEAD", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			w.Header().Set("Docker-Content-Digest", digest.SHA512.FromBytes(data).String())
		}), true, ""},
		"denied": {times(always, "HEAD", "", answer(403)), false, diag.Forbidden},
	} {
		f := newFake()
		f.hook = c.hook
		f.blobs[d.Digest] = data
		r, _ := f.start(t, Uploads{})
		got, err := r.Has(t.Context(), d)
		if got != c.want || (err != nil) != (c.code != "") {
			t.Errorf("%s: %v (%v)", name, got, err)
		}
		if c.code != "" {
			wantCode(t, r.Err(err), c.code)
		}
	}
}

// TestRange: a registry that gives another part than it was asked for is not
// believed; one that gives all is read to the part.
func TestRange(t *testing.T) {
	d, data, _ := content(1000)
	for name, c := range map[string]struct {
		hook   func(w http.ResponseWriter, r *http.Request) bool
		ranged bool
		fails  bool
	}{
		"parts": {nil, true, false},
		"all":   {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(data) }), false, false},
		"another part": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-99/1000")
			w.WriteHeader(206)
			_, _ = w.Write(data[:100])
		}), false, true},
		"no Content-Range": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206) }), false, true},
		"of something larger": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 100-199/1001")
			w.WriteHeader(206)
			_, _ = w.Write(data[100:200])
		}), false, true},
		"of a size that is not told": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 100-199/*")
			w.WriteHeader(206)
			_, _ = w.Write(data[100:200])
		}), true, false},
		"all, and it is larger": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(append(data, data...)) }), false, true},
		"more than asked for": {times(1, "GET", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 100-999/1000")
			w.WriteHeader(206)
			_, _ = w.Write(data[100:])
		}), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.hook = c.hook
			f.blobs[d.Digest] = data
			r, _ := f.start(t, Uploads{})
			body, ranged, err := r.Range(t.Context(), d, 100, 200)
			if c.fails {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if err != nil || ranged != c.ranged {
				t.Fatalf("%v, ranged %v", err, ranged)
			}
			defer body.Close()
			if got, err := io.ReadAll(body); err != nil || !slices.Equal(got, data[100:200]) {
				t.Errorf("%d bytes (%v)", len(got), err)
			}
		})
	}
}

// TestSlowCommit: a registry that puts a large blob together may take longer to
// answer than anything else may.
func TestSlowCommit(t *testing.T) {
	f := newFake()
	f.hook = times(1, "PUT", "/blobs/uploads/", func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(1500 * time.Millisecond):
			f.serve(w, req)
		case <-req.Context().Done():
		}
	})
	server := testtool.Serve(t, f)
	r := within(t, server.URL, Uploads{}, time.Second)
	d, _, open := content(3 * assembledPerSecond)
	if _, err := r.PutBlob(t.Context(), d, open, ""); err != nil {
		t.Fatal(err)
	}
	f.wantRequests(t, 1, "PUT", "/blobs/uploads/")
	if f.blobs[d.Digest] == nil {
		t.Error("it is not there")
	}
}

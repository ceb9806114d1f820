package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/transport"
)

// Content gives the bytes of a blob from offset on, as often as it is asked: an
// upload that breaks begins again where the registry stands.
type Content func(offset int64) (io.ReadCloser, error)

// Sizes of the pieces that a blob is sent in. What one takes is what a crash
// can cost with a registry that keeps only whole pieces, so a piece grows while
// it is sent within pieceTime, and shrinks when it fails.
const (
	smallestPiece = 1 << 20
	firstPiece    = 16 << 20
	largestPiece  = 256 << 20
	pieceTime     = time.Second
)

// maxFresh bounds how often an upload begins anew, or goes back, because the
// registry lost some of it.
const maxFresh = 4

// PutBlob sends a blob, by the pieces that the specification calls chunks, or in
// one request when it is small or the registry takes no pieces. Whatever breaks is
// asked about and gone on with, by the target's retries, for as long as no
// progress is made. With a journal, a later process goes on as well. mounted is
// true when the registry took the blob from the repository called from instead,
// unless that is "".
//
// It fails with diag.DigestMismatch when the registry received other bytes than
// d describes, and with what open or its reader fails with.
func (r *Repository) PutBlob(ctx context.Context, d ocispec.Descriptor, open Content, from string) (mounted bool, err error) {
	u := &upload{Repository: r, blob: d, open: open, from: from, piece: r.piece}
	done := u.remember()
	defer done()
	return u.run(ctx)
}

// remember opens the note of an upload that is worth one, and goes on where that
// says, unless the upload has begun. done ends the use of the note.
func (u *upload) remember() (done func()) {
	u.whole = u.location == nil && u.blob.Size <= u.Repository.piece
	if u.whole || u.uploads.Journal == nil {
		u.note = nil
		return func() {}
	}
	u.note, done = u.openNote(u.blob.Digest.String())
	if u.location == nil {
		u.location, u.least = u.note.location(), u.note.read().Least
		u.piece = max(u.piece, u.least)
		u.uncertain, u.inherited = u.location != nil, u.location != nil
	}
	return done
}

// run brings an upload to its end.
func (u *upload) run(ctx context.Context) (mounted bool, err error) {
	for !u.done {
		if err := u.client.Retry(ctx, func() error { return u.step(ctx) }); err != nil {
			if u.inherited && status(err) >= http.StatusInternalServerError {
				u.note.forget() // it can be asked, and takes nothing more
			}
			return false, err
		}
		if u.failed != nil {
			return false, u.failed
		}
	}
	u.note.forget()
	return u.mounted, nil
}

// upload is a blob on its way.
type upload struct {
	*Repository
	blob ocispec.Descriptor
	open Content
	from string // repository to mount from; "" when there is none, or it was tried
	note *note  // in the journal; nil for none

	location  *url.URL // nil before the registry opened the upload
	offset    int64    // what the registry has
	piece     int64
	least     int64 // what the registry takes at a time, but for the last
	whole     bool  // in one request
	uncertain bool  // how much of the last request arrived
	asked     bool  // right before the last request
	damaged   bool  // the registry received something else once
	doubtful  bool  // another process began it, before the digest was known
	inherited bool  // another process was told the location, and nothing was taken there since
	fresh     int   // how often it began anew or went back
	done      bool
	mounted   bool
	failed    error // what ends the upload although it looks as if it might pass
}

// step makes progress, or fails.
func (u *upload) step(ctx context.Context) (err error) {
	if u.asked = u.uncertain; u.uncertain {
		before := u.offset
		// A question is repeated by the transport.
		if u.failed = u.ask(ctx); u.failed != nil || u.done || u.offset > before {
			return nil
		}
	}
	if u.location == nil {
		if err := u.begin(ctx); err != nil || u.done || u.failed != nil {
			return err
		}
	}
	if u.whole || u.offset == u.blob.Size {
		err = u.commit(ctx)
	} else {
		err = u.patch(ctx)
	}
	if err == nil {
		return nil
	}
	u.uncertain = true
	err = u.refused(ctx, err)
	u.piece = max(u.piece/2, smallestPiece)
	return err
}

// begin opens the upload, or mounts the blob. A registry may have its reasons not
// to mount, which are none not to send it.
func (u *upload) begin(ctx context.Context) (err error) {
	u.offset = 0
	if u.from != "" {
		opened, err := u.startUpload(ctx, u.blob.Digest, u.from)
		u.from = ""
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && opened.location == nil {
			u.done, u.mounted = true, true
			return nil
		}
		if err == nil {
			u.opened(opened)
			return nil
		}
	}
	opened, err := u.startUpload(ctx, "", "")
	if code := status(err); code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
		u.failed = err // which the transport has repeated
		return nil
	}
	if err != nil {
		return err
	}
	u.opened(opened)
	return nil
}

func (u *upload) opened(s session) {
	u.location, u.least = s.location, s.leastPiece
	u.piece = max(u.piece, u.least)
	u.note.record(u)
}

// refused decides what an answer means for the upload, and returns the error
// that is left.
func (u *upload) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[unsendable](err); ok {
		u.failed = e.error
		return nil
	}
	if u.doubtful && status(err) >= http.StatusBadRequest && !waits(err) {
		// It may be something else, which registries say in many ways.
		u.doubtful = false
		return u.anew(err)
	}
	switch code := status(err); code {
	case http.StatusUnauthorized, http.StatusForbidden:
		if u.inherited {
			u.disinherit()
			return nil
		}
		return err
	case 0:
		return err
	case http.StatusTooManyRequests: // which the transport has repeated
		u.failed = err
		return nil
	case http.StatusNotFound, http.StatusGone:
		return u.lost(ctx, err)
	case http.StatusRequestedRangeNotSatisfiable:
		if !u.asked {
			return nil // it stands elsewhere than it said: ask
		}
		return u.anew(err)
	case http.StatusRequestEntityTooLarge:
		if !u.whole && u.piece > smallestPiece {
			return nil // a smaller piece may do
		}
		return err
	case http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusUnsupportedMediaType, http.StatusLengthRequired:
		if u.whole || u.offset == u.blob.Size {
			return err
		}
		u.whole = true
		return u.anew(err)
	case http.StatusBadRequest:
		if !isDigestInvalid(err) {
			return u.anew(err)
		}
		if u.damaged {
			return invalid(u.blob.Digest, "something on the way damages content, or the file changed while it was sent; push again")
		}
		u.damaged = true
		return u.anew(err)
	}
	return err
}

// anew lets the upload begin again, unless that was tried often enough. After the
// second time it is sent whole: some registries say that they take pieces, and
// take only small ones, or one.
func (u *upload) anew(cause error) error {
	if u.fresh++; u.fresh > maxFresh {
		return cause
	}
	u.whole = u.whole || u.fresh >= 2
	u.location, u.offset, u.uncertain, u.inherited = nil, 0, false, false
	u.note.forget()
	return nil
}

// disinherit lets an upload begin anew that another process has begun and this one
// cannot go on with: who may do so, and where, are the registry's and may have
// changed. The note stays until the new one is opened, for when nothing can be.
func (u *upload) disinherit() {
	u.location, u.offset, u.uncertain, u.doubtful, u.inherited = nil, 0, false, false, false
}

func isDigestInvalid(err error) bool {
	answer, ok := errors.AsType[*errcode.ErrorResponse](err)
	return ok && slices.ContainsFunc(answer.Errors, func(e errcode.Error) bool { return e.Code == errcode.ErrorCodeDigestInvalid })
}

// session is an upload that a registry has opened.
type session struct {
	location   *url.URL // nil when it took the blob from elsewhere
	leastPiece int64    // what it takes at least at a time, in bytes
}

// startUpload opens an upload. With from it asks to mount d instead.
func (r *Repository) startUpload(ctx context.Context, d digest.Digest, from string) (s session, err error) {
	target := r.url("blobs", "uploads")
	target.Path += "/"
	if from != "" {
		target.RawQuery = url.Values{"mount": {d.String()}, "from": {from}}.Encode()
	}
	resp, err := r.do(ctx, request{method: http.MethodPost, url: target, mount: from}, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return s, err
	}
	defer discard(resp)
	if resp.StatusCode == http.StatusCreated && from != "" {
		return s, nil
	}
	s.leastPiece, _ = strconv.ParseInt(resp.Header.Get("OCI-Chunk-Min-Length"), 10, 64)
	s.leastPiece = min(s.leastPiece, largestPiece)
	s.location, err = locationOf(resp)
	return s, err
}

// locationOf returns where an upload goes on: it may change at every answer, and
// be relative (RFC 9110, section 10.2.2).
func locationOf(resp *http.Response) (*url.URL, error) {
	location, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, diag.Errorf(diag.RegistryRefused, "%s opened an upload and did not say where", resp.Request.URL.Host).
			WithHint("a proxy may drop the header Location")
	}
	return location, nil
}

// ask finds out how much of the blob the registry has.
func (u *upload) ask(ctx context.Context) error {
	if u.whole { // what was cut is of no use; the request may have arrived, though
		has, err := u.Has(ctx, u.blob)
		if err != nil {
			return err
		}
		u.done, u.uncertain, u.location = has, false, nil
		return nil
	}
	offset, err := u.where(ctx)
	if err != nil {
		if gone(err) {
			return u.lost(ctx, err)
		}
		if u.inherited && ctx.Err() == nil {
			u.disinherit()
			return nil
		}
		return err
	}
	offset = min(offset, u.blob.Size)
	if u.uncertain = false; offset < u.offset { // of what it had acknowledged
		if u.fresh++; u.fresh > maxFresh {
			return u.forgot()
		}
	}
	u.offset = offset
	return nil
}

// gone reports whether a registry does not know an upload that it was asked about.
func gone(err error) bool {
	code := status(err)
	return code != 0 && code != http.StatusUnauthorized && code != http.StatusForbidden && !transport.Transient(err)
}

// waits reports whether a registry asks for patience or credentials.
func waits(err error) bool {
	code := status(err)
	return code == http.StatusUnauthorized || code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable
}

// where asks the registry how many bytes it has.
func (u *upload) where(ctx context.Context) (offset int64, err error) {
	resp, err := u.do(ctx, request{method: http.MethodGet, url: u.location}, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return 0, err
	}
	defer discard(resp)
	if resp.Header.Get("Location") != "" {
		if u.location, err = locationOf(resp); err != nil {
			return 0, err
		}
	}
	u.note.record(u)
	return received(resp), nil
}

// lost is for an upload that the registry does not know: it may be complete.
func (u *upload) lost(ctx context.Context, cause error) error {
	has, err := u.Has(ctx, u.blob)
	if err != nil {
		return err
	}
	if u.done = has; has {
		return nil
	}
	if u.fresh == maxFresh {
		return u.forgot()
	}
	return u.anew(cause)
}

func (u *upload) forgot() error {
	return diag.Errorf(diag.RegistryRefused, "%s forgot the upload of %s, %d times", u.Host(), u.blob.Digest, maxFresh+1).
		WithHint("where several registries share one name, a client has to come to the same one each time; the registry's log says more")
}

// received returns how many bytes a registry says it has. "0-0" means none:
// whether it is one byte cannot be told, and one is never sent alone.
func received(resp *http.Response) int64 {
	_, last, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Range"), "bytes="), "-")
	n, err := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || n <= 0 {
		return 0
	}
	return n + 1
}

// patch sends the next piece.
func (u *upload) patch(ctx context.Context) error {
	size := min(u.piece, u.blob.Size-u.offset)
	began := time.Now()
	resp, err := u.do(ctx, request{
		method: http.MethodPatch, url: u.location, bulk: true, size: size, open: u.body(u.offset, size),
		header: http.Header{"Content-Type": {"application/octet-stream"}, "Content-Range": {fmt.Sprintf("%d-%d", u.offset, u.offset+size-1)}},
	}, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
	if err != nil {
		return err
	}
	defer discard(resp)
	if resp.Header.Get("Location") != "" { // else it goes on where it was
		if u.location, err = locationOf(resp); err != nil {
			return err
		}
	}
	// It may have less than was sent. Some say each time what they said at first,
	// and the digest will tell.
	sent := u.offset + size
	if has := received(resp); has > u.offset && has < sent {
		sent = has
	}
	u.offset, u.inherited = sent, false
	u.note.record(u)
	if time.Since(began) < pieceTime {
		u.piece = min(4*u.piece, largestPiece)
	}
	return nil
}

// assembledPerSecond is what a registry is expected to put together of a blob in a
// second, in bytes, before it answers.
const assembledPerSecond = 16 << 20

// commit ends the upload, with all of the blob in the request when it is sent
// whole.
func (u *upload) commit(ctx context.Context) error {
	location := *u.location
	query := "digest=" + url.QueryEscape(u.blob.Digest.String())
	if location.RawQuery != "" { // as it came: it may be signed
		query = location.RawQuery + "&" + query
	}
	location.RawQuery = query
	q := request{method: http.MethodPut, url: &location, header: http.Header{"Content-Type": {"application/octet-stream"}}}
	if u.whole {
		q.size, q.open, q.bulk = u.blob.Size, u.body(0, u.blob.Size), true
	}
	// Putting it together takes some registries time, by its size.
	ctx = transport.Patient(ctx, time.Duration(u.blob.Size/assembledPerSecond)*time.Second)
	resp, err := u.do(ctx, q, http.StatusCreated, http.StatusOK, http.StatusNoContent, http.StatusAccepted)
	if err != nil {
		return err
	}
	discard(resp)
	u.done = true
	return nil
}

// body gives a part of the blob.
func (u *upload) body(offset, size int64) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		content, err := u.open(offset)
		if err != nil {
			return nil, unsendable{err}
		}
		return outgoing{io.LimitReader(content, size), content}, nil
	}
}

// unsendable is the failure of reading what is to be sent: nothing that the
// registry answered, whatever it looks like. No retry here mends it.
type unsendable struct{ error }

// outgoing marks the failures of what it reads.
type outgoing struct {
	io.Reader
	io.Closer
}

func (o outgoing) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unsendable{err}
	}
	return n, err
}

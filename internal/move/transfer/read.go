package transfer

import (
	"context"
	"errors"
	"io"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/remote"
	"github.com/berth-oci/berth/internal/client/transport"
)

// steady reads bytes that are fetched, in order, up to an end. When the
// connection breaks it asks for the rest, so that what has been used need not be
// fetched again. It never gives more bytes than there are to the end, and io.EOF
// only after all of them; it does not verify them.
type steady struct {
	ctx         context.Context // of the one transfer that reads it
	open        func(ctx context.Context, offset int64) (io.ReadCloser, error)
	pause       func(ctx context.Context, retry int) error // before asking again; nil for none
	offset, end int64

	// net/http closes a body while it may still be read.
	mu     sync.Mutex
	closed bool

	body   io.ReadCloser
	broken int   // failures since the last byte arrived
	err    error // what ended reading, other than the end
}

// errClosed is what reading after Close fails with.
var errClosed = errors.New("closed")

// maxBroken is how often the rest is asked for in a row without getting a byte.
const maxBroken = 4

// Read implements io.Reader.
func (s *steady) Read(p []byte) (int, error) {
	for s.err == nil {
		if s.offset >= s.end {
			return 0, io.EOF
		}
		n, err := s.some(p[:min(int64(len(p)), s.end-s.offset)])
		if n > 0 {
			s.broken = 0
			return n, nil
		}
		if err == nil { // a body that gives nothing, again and again
			err = io.ErrNoProgress
		}
		s.err = s.recover(err)
	}
	return 0, s.err
}

func (s *steady) some(p []byte) (n int, err error) {
	body, err := s.current()
	if err != nil {
		s.broken = maxBroken // the transport has tried that by the config's policy
		return 0, err
	}
	n, err = body.Read(p)
	s.offset += int64(n)
	if err == io.EOF { // Read asks for no byte beyond the end
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// recover decides whether reading goes on after a failure.
func (s *steady) recover(err error) error {
	s.drop()
	if s.broken++; s.broken > maxBroken || !transport.Transient(err) {
		return err
	}
	if s.pause != nil && s.broken > 1 {
		return s.pause(s.ctx, s.broken-2)
	}
	return s.ctx.Err()
}

// current returns the body that is read, and opens it if need be.
func (s *steady) current() (io.ReadCloser, error) {
	s.mu.Lock()
	body, closed := s.body, s.closed
	s.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if body != nil {
		return body, nil
	}
	body, err := s.open(s.ctx, s.offset)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // meanwhile
		return nil, errors.Join(errClosed, body.Close())
	}
	s.body = body
	return body, nil
}

// drop closes the body that broke.
func (s *steady) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body != nil {
		_ = s.body.Close()
		s.body = nil
	}
}

// Close implements io.Closer. It may be called while Read is, which fails then.
func (s *steady) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	return err
}

// readBlob returns a blob small enough for memory, verified.
func (s *session) readBlob(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	body := &steady{ctx: ctx, end: d.Size, pause: s.Pause, open: func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return s.Blob(ctx, d, offset)
	}}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest {
		return nil, diag.Errorf(diag.DigestMismatch, "the registry's content for %s is %s", d.Digest, got).WithHint("%s", remote.DamagedHint)
	}
	return data, nil
}

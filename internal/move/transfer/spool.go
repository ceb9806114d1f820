package transfer

import (
	"context"
	"io"
	"os"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// spool is a temporary file that one goroutine writes, while others read what
// there is of it. It implements remote.Growing.
type spool struct {
	file *os.File
	name string // "" when it has none any more
	dir  string // that is packed

	telling sync.Mutex // keeps events in order
	events  Events
	event   Event // of the sending of what is read

	mu    sync.Mutex
	size  int64
	ended bool
	err   error         // why there will be no more, unless it is whole
	grown chan struct{} // closed at the next change; nil while nobody waits
}

// newSpool makes a spool for the layer of the given name, of a directory.
func newSpool(name, dir string, events Events) (*spool, error) {
	file, err := os.CreateTemp("", "berth-layer-*")
	if err != nil {
		return nil, spoolFault(err)
	}
	s := &spool{file: file, name: file.Name(), dir: dir, events: events, event: Event{Step: Uploading, Name: name}}
	// Where an open file can be without a name, none is left however this ends.
	if os.Remove(s.name) == nil {
		s.name = ""
	}
	return s, nil
}

func spoolFault(err error) error {
	return diag.Errorf(diag.StorageFailed, "cannot spool: %w", err).WithHint("set TMPDIR to a directory with space")
}

// Write implements io.Writer. It tells its failures from those of packing.
func (s *spool) Write(b []byte) (int, error) {
	n, err := s.file.Write(b)
	s.change(func() { s.size += int64(n) })
	if err != nil {
		err = spoolFault(err)
	}
	return n, err
}

// end says that there will be no more, because of err or because it is whole.
func (s *spool) end(err error) { s.change(func() { s.ended, s.err = true, err }) }

func (s *spool) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if s.grown != nil {
		close(s.grown)
		s.grown = nil
	}
}

// packed tells that the layer is whole, and what it is.
func (s *spool) packed(layer ocispec.Descriptor) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.event.Digest, s.event.Total = layer.Digest, layer.Size
	s.events.send(Event{Step: Packed, Name: s.event.Name, Digest: layer.Digest, Total: layer.Size})
}

// tell tells how much of the layer was read to be sent.
func (s *spool) tell(done int64) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.event.Done = done
	s.events.send(s.event)
}

// Grown implements remote.Growing.
func (s *spool) Grown(ctx context.Context, size int64) (int64, error) {
	for {
		s.mu.Lock()
		if s.size >= size || s.ended {
			defer s.mu.Unlock()
			return s.size, s.err
		}
		if s.grown == nil {
			s.grown = make(chan struct{})
		}
		grown := s.grown
		s.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Open implements remote.Growing.
func (s *spool) Open(offset int64) (io.ReadCloser, error) {
	return io.NopCloser(&spoolReader{s, offset}), nil
}

// State implements remote.Growing.
func (s *spool) State() string { return artifact.StateOf(s.dir) }

func (s *spool) close() {
	s.file.Close()
	if s.name != "" {
		os.Remove(s.name)
	}
}

type spoolReader struct {
	spool  *spool
	offset int64
}

// Read implements io.Reader.
func (r *spoolReader) Read(b []byte) (int, error) {
	n, err := r.spool.file.ReadAt(b, r.offset)
	r.offset += int64(n)
	if n > 0 {
		r.spool.tell(r.offset)
	}
	return n, err
}

package transfer

import "context"

// What goes on at a time: blobs that fill the way together, and as many questions,
// manifests and small blobs beside them, which mostly wait for answers.
const (
	parallel      = 4
	parallelQuick = 32
	quickSize     = 1 << 20 // bytes of the largest small blob
)

// slots bound what goes on at a time.
type slots struct{ large, quick chan struct{} }

func newSlots() slots {
	return slots{large: make(chan struct{}, parallel), quick: make(chan struct{}, parallelQuick)}
}

// do calls f, which moves size bytes, when there is a slot for it.
func (s slots) do(ctx context.Context, size int64, f func() error) error {
	free := s.quick
	if size > quickSize {
		free = s.large
	}
	select {
	case free <- struct{}{}:
		defer func() { <-free }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

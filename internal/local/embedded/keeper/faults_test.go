package keeper

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/inmemory"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// stuck is a storage whose listings begin and end when the test wants it.
type stuck struct {
	storagedriver.StorageDriver
	begun chan struct{}
	fault chan error
}

func (s *stuck) List(ctx context.Context, _ string) ([]string, error) {
	select {
	case s.begun <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case err := <-s.fault:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startStuck returns a client of a keeper whose storage is stuck.
func startStuck(t *testing.T) (*Client, *Keeper, *stuck) {
	t.Helper()
	driver := &stuck{inmemory.New(), make(chan struct{}), make(chan error)}
	dir := t.TempDir()
	s := store.New(driver, store.Options{Log: slog.New(slog.DiscardHandler)})
	k, err := Start(s, settings.Settings{State: dir}, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Stop() })
	return dial(t, dir), k, driver
}

// collect begins a collection and returns when it is at work.
func collect(ctx context.Context, c *Client, driver *stuck) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := c.Collect(ctx, false, nil, nil)
		ended <- err
	}()
	<-driver.begun
	return ended
}

func wantCode(t *testing.T, err error, code diag.Code) {
	t.Helper()
	var d *diag.Diagnostic
	if !errors.As(err, &d) || d.Code != code || d.Hint == "" {
		t.Fatalf("got %v, want %s with a hint", err, code)
	}
}

// A command that goes away stops its work, so that the next one begins at once.
func TestInterruptedCommand(t *testing.T) {
	c, _, driver := startStuck(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := collect(ctx, c, driver)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	ended = collect(t.Context(), c, driver)
	driver.fault <- errors.New("the disk is on fire")
	wantCode(t, <-ended, diag.StorageFailed)
}

func TestStoppedRegistry(t *testing.T) {
	c, k, driver := startStuck(t)
	ended := collect(t.Context(), c, driver)
	if err := k.Stop(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-ended, diag.NotRunning)
	_, err := c.Collect(t.Context(), false, nil, nil)
	wantCode(t, err, diag.NotRunning)
}

func TestOnePassAtATime(t *testing.T) {
	c, _, driver := startStuck(t)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Scrub(t.Context())
		ended <- err
	}()
	<-driver.begun
	_, err := c.Scrub(t.Context())
	wantCode(t, err, diag.Busy)
	for driver.fault <- nil; ; driver.fault <- nil { // blobs, and then quarantine
		select {
		case <-driver.begun:
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// A first start notes the time, so that restarts do not put the first scrub off
// for ever, and a pass that was stopped goes on soon.
func TestFirstScrubIsNotPutOff(t *testing.T) {
	k := &Keeper{set: settings.Settings{State: t.TempDir(), Scrub: settings.Scrub{Interval: time.Hour}}}
	first := k.untilScrub()
	time.Sleep(20 * time.Millisecond)
	if again := k.untilScrub(); again >= first {
		t.Errorf("a restart puts it off: %s, then %s", first, again)
	}
	next := `{"next":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}`
	if err := Progress(k.set.State).Write([]byte(next)); err != nil {
		t.Fatal(err)
	}
	if due := k.untilScrub(); due > time.Minute {
		t.Errorf("a stopped pass waits %s", due)
	}
}

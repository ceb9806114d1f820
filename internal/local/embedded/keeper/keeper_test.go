package keeper

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// patience is for what happens at once unless the machine is busy.
const patience = 30 * time.Second

// self is who runs the tests.
var self = []int{os.Geteuid()}

// kept is a store that a keeper keeps.
type kept struct {
	*store.Store
	keeper *Keeper
	dir    string
	set    settings.Settings
	driver *watched
}

// watched is storage that tells when it is listed, and can let that wait.
type watched struct {
	storagedriver.StorageDriver
	at    string                // a path, or the beginning of one
	seen  chan struct{}         // takes one each time
	until func(context.Context) // lets it wait; nil does not
}

func (w *watched) List(ctx context.Context, path string) ([]string, error) {
	if w.at != "" && strings.HasPrefix(path, w.at) {
		select {
		case w.seen <- struct{}{}:
		default:
		}
		if w.until != nil {
			w.until(ctx)
		}
	}
	return w.StorageDriver.List(ctx, path)
}

const (
	repositories = "/docker/registry/v2/repositories"
	blobs        = "/docker/registry/v2/blobs"
)

// start opens a store in a directory and begins to keep it.
func start(t *testing.T, dir string, set settings.Settings, at string, until func(context.Context)) *kept {
	t.Helper()
	d, err := storage.NewFilesystem(dir)
	if err != nil {
		t.Fatal(err)
	}
	set.State = dir
	log := slog.New(slog.DiscardHandler)
	w := &watched{StorageDriver: d, at: at, until: until, seen: make(chan struct{}, 1)}
	s := store.New(w, store.Options{Log: log, Delay: set.GC.Delay, Untagged: set.GC.Untagged})
	k, err := Start(s, set, dir, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(k.Stop(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return &kept{s, k, dir, set, w}
}

// shortDir is a directory whose socket has a short path, which those of the
// testing package do not always have.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (k *kept) blob(t *testing.T, content string) digest.Digest {
	t.Helper()
	d := digest.FromString(content)
	if _, err := k.StartUpload("a").Commit(t.Context(), strings.NewReader(content), -1, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// file is where the content of a blob is.
func (k *kept) file(d digest.Digest) string {
	return filepath.Join(k.dir, blobs, "sha256", d.Encoded()[:2], d.Encoded(), "data")
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
}

// The work of the clock is done again and again.
func TestSchedules(t *testing.T) {
	for name, test := range map[string]struct {
		set settings.Settings
		at  string
	}{
		"gc interval": {settings.Settings{GC: settings.GC{Interval: time.Millisecond, Delay: time.Hour}}, repositories},
		"gc schedule": {settings.Settings{GC: settings.GC{Schedule: "@every 1s", Delay: time.Hour}}, repositories},
		"scrub":       {settings.Settings{Scrub: settings.Scrub{Interval: time.Millisecond}}, blobs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := start(t, shortDir(t), test.set, test.at, nil)
			wait(t, k.driver.seen, "the first run")
			if name != "scrub" { // the second comes a minute after the first
				wait(t, k.driver.seen, "the second run")
			}
		})
	}
}

func TestBadSchedule(t *testing.T) {
	dir := shortDir(t)
	d, err := storage.NewFilesystem(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if _, err := Start(store.New(d, store.Options{Log: log}), settings.Settings{GC: settings.GC{Schedule: "now and then"}}, dir, log); err == nil {
		t.Fatal("it started")
	}
	if _, err := find(dir, self); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// Stop ends what is at work, whoever asked for it, and waits for it: the next
// process may use the storage then.
func TestStop(t *testing.T) {
	for name, test := range map[string]struct {
		set settings.Settings
		at  string
		ask func(ctx context.Context, c *Client) error
	}{
		"gc by the clock":    {settings.Settings{GC: settings.GC{Interval: time.Millisecond}}, repositories, nil},
		"scrub by the clock": {settings.Settings{Scrub: settings.Scrub{Interval: time.Millisecond}}, blobs, nil},
		"gc by a command": {settings.Settings{}, repositories, func(ctx context.Context, c *Client) error {
			_, err := c.Collect(ctx, false, nil, nil)
			return err
		}},
		"scrub by a command": {settings.Settings{}, blobs, func(ctx context.Context, c *Client) error {
			_, err := c.Scrub(ctx)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resume := make(chan struct{})
			k := start(t, shortDir(t), test.set, test.at, func(ctx context.Context) {
				<-ctx.Done()
				<-resume
			})
			asked := make(chan error, 1)
			if test.ask != nil {
				client := dial(t, k.dir)
				go func() { asked <- test.ask(context.WithoutCancel(t.Context()), client) }()
			}
			wait(t, k.driver.seen, "the work")
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				_ = k.keeper.Stop()
			}()
			select {
			case <-stopped:
				t.Error("it stopped while something is at work")
			case <-time.After(20 * time.Millisecond):
			}
			close(resume)
			wait(t, stopped, "the stop")
			if test.ask != nil {
				if err := <-asked; err == nil {
					t.Error("the command was told that it is done")
				}
			}
			if _, err := find(k.dir, self); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

// A command that goes away takes its work with it, and leaves the registry to
// the next one.
func TestCommandGoesAway(t *testing.T) {
	k := start(t, shortDir(t), settings.Settings{}, repositories, func(ctx context.Context) { <-ctx.Done() })
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		asked, client := make(chan error, 1), dial(t, k.dir)
		go func() {
			_, err := client.Collect(ctx, false, nil, nil)
			asked <- err
		}()
		wait(t, k.driver.seen, "the collection") // and so the one before has ended
		cancel()
		if err := <-asked; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that it was cancelled", err)
		}
	}
}

// A scrub that was stopped goes on soon, and a restart does not put off one that
// is overdue.
func TestUntilScrub(t *testing.T) {
	const interval = 24 * time.Hour
	for name, test := range map[string]struct {
		ago  time.Duration // since the last one made a note; 0 for none
		want time.Duration
	}{
		"never":    {0, interval},
		"just now": {time.Nanosecond, interval},
		"an hour":  {time.Hour, interval - time.Hour},
		"overdue":  {2 * interval, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			k := &Keeper{set: settings.Settings{State: t.TempDir(), Scrub: settings.Scrub{Interval: interval}}}
			if test.ago > 0 {
				p := Progress(k.set.State)
				if err := p.Write([]byte("{}")); err != nil {
					t.Fatal(err)
				}
				then := time.Now().Add(-test.ago)
				if err := os.Chtimes(p.file(), then, then); err != nil {
					t.Fatal(err)
				}
			}
			if got := k.untilScrub(); got > test.want || got < test.want-time.Minute {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	p := Progress(t.TempDir())
	if data, err := p.Read(); err != nil || len(data) > 0 {
		t.Errorf("before the first: %q, %v", data, err)
	}
	for _, want := range []string{"a longer note", "note"} {
		if err := p.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if data, err := p.Read(); err != nil || string(data) != want {
			t.Errorf("%q, %v; want %q", data, err, want)
		}
	}
}

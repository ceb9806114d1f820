// Package keeper keeps the store of the built-in registry in order while it
// serves: it collects garbage and verifies blobs when their time has come, and
// when a command of the same machine asks for it, over a socket in the data
// directory. It decides when; package store does the work.
package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// Keeper is at work until Stop.
type Keeper struct {
	store *store.Store
	set   settings.Settings
	log   *slog.Logger

	cancel context.CancelFunc
	ctx    context.Context // of all work; done by cancel
	work   sync.WaitGroup
	server interface{ Close() error } // nil without a socket

	mu sync.Mutex // held while cancel is called, and while a command is let in
}

// tidyEvery is how often what is idle is let go.
const tidyEvery = time.Minute

// firstCollection is when garbage is collected first: a registry may be started
// for less than an interval each time.
const firstCollection = 5 * time.Minute

// Start begins to keep a store whose registry has its data directory in dir. Where
// no socket can be, which the log tells, commands cannot ask.
func Start(s *store.Store, set settings.Settings, dir string, log *slog.Logger) (*Keeper, error) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{store: s, set: set, log: log, ctx: ctx, cancel: cancel}
	if l, err := listen(dir); err != nil {
		log.Warn("no socket for berth gc and berth scrub", "error", err)
	} else {
		k.serve(l)
	}
	k.every(tidyEvery, tidyEvery, func(context.Context) { s.Tidy() })
	if set.GC.Interval > 0 {
		k.every(min(firstCollection, set.GC.Interval), set.GC.Interval, k.collect)
	}
	if set.GC.Schedule != "" {
		schedule, err := cron.ParseStandard(set.GC.Schedule)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("the schedule of garbage collection: %w", err), k.Stop())
		}
		k.loop(func(time.Time) time.Time { return schedule.Next(time.Now()) }, k.collect)
	}
	if set.Scrub.Interval > 0 {
		k.every(k.untilScrub(), set.Scrub.Interval, k.scrub)
	}
	return k, nil
}

// Stop ends all work, which it waits for, and removes the socket.
func (k *Keeper) Stop() error {
	k.mu.Lock()
	k.cancel()
	k.mu.Unlock()
	var err error
	if k.server != nil {
		err = k.server.Close() // which removes the socket, and waits for no command
	}
	k.work.Wait()
	return err
}

// every does work after first, and then an interval after each end.
func (k *Keeper) every(first, interval time.Duration, work func(context.Context)) {
	k.loop(func(last time.Time) time.Time {
		if last.IsZero() {
			return time.Now().Add(first)
		}
		return last.Add(interval)
	}, work)
}

// loop does work whenever next says; next gets the time of the last end, zero
// before the first.
func (k *Keeper) loop(next func(last time.Time) time.Time, work func(context.Context)) {
	k.work.Go(func() {
		var last time.Time
		for {
			t := time.NewTimer(time.Until(next(last)))
			select {
			case <-k.ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
			work(k.ctx)
			last = time.Now()
		}
	})
}

// collect is what the clock starts.
func (k *Keeper) collect(ctx context.Context) {
	r, err := k.store.Collect(ctx, store.Collection{Delay: k.set.GC.Delay})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		k.log.Error("garbage collection failed and comes again", "error", err)
	case r.Freed != (store.Freed{}):
		k.log.Info("garbage collected", "manifests", r.Freed.Manifests, "blobs", r.Freed.Blobs, "bytes", r.Freed.Bytes,
			"links", r.Freed.Links, "uploads", r.Freed.Uploads, "duration", r.Duration.Round(time.Millisecond))
	}
}

// scrub is what the clock starts.
func (k *Keeper) scrub(ctx context.Context) {
	r, err := k.store.Scrub(ctx, store.Scrub{Rate: k.set.Scrub.Rate, Progress: Progress(k.set.State)})
	switch {
	case errors.Is(err, store.ErrScrubbing) || ctx.Err() != nil:
	case err != nil:
		k.log.Error("verifying blobs failed and goes on later", "error", err)
	default:
		k.log.Info("blobs verified", "blobs", r.Blobs, "bytes", r.Bytes, "damaged", len(r.Damaged), "duration", r.Duration.Round(time.Millisecond))
		for _, d := range r.Damaged {
			what := "a blob is damaged"
			if d.Missing {
				what = "a blob that tags lead to is missing"
			}
			for _, p := range d.Places {
				k.log.Error(what, "digest", d.Digest, "repository", p.Repository, "tags", p.Tags)
			}
		}
		for _, t := range r.Lost {
			k.log.Error("a tag leads to no manifest", "repository", t.Repository, "tag", t.Tag, "why", t.Why)
		}
	}
}

// untilScrub returns when the next scrub is due: a pass that was stopped goes on
// soon, and a start does not put off one that is overdue.
func (k *Keeper) untilScrub() time.Duration {
	const soon = time.Minute
	p := Progress(k.set.State)
	info, err := os.Stat(p.file())
	if err != nil {
		// From now on the age of the file tells, across starts.
		if err := p.Write([]byte("{}")); err != nil {
			k.log.Warn("the progress of verifying blobs cannot be kept", "error", err)
		}
		return k.set.Scrub.Interval
	}
	var pass struct {
		Next string `json:"next"`
	}
	if data, err := p.Read(); err == nil && json.Unmarshal(data, &pass) == nil && pass.Next != "" {
		return min(soon, k.set.Scrub.Interval)
	}
	return max(soon, time.Until(info.ModTime().Add(k.set.Scrub.Interval)))
}

const (
	progressFile = "berth.scrub.json"
	socketFile   = "berth.sock"
	socketDir    = "berth.private"
)

// OwnFiles lists what of a data directory belongs to the keeper.
func OwnFiles(dir string) []string {
	return []string{filepath.Join(dir, progressFile), filepath.Join(dir, socketFile), filepath.Join(dir, socketDir, "sock")}
}

// Progress keeps how far a scrub came in a directory.
type Progress string

func (p Progress) file() string { return filepath.Join(string(p), progressFile) }

// Read implements store.Progress.
func (p Progress) Read() ([]byte, error) {
	data, err := os.ReadFile(p.file())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Write implements store.Progress. It follows no link, and what a power cut has
// lost of the file begins a new pass.
func (p Progress) Write(data []byte) error {
	return atomicfile.WriteVolatile(p.file(), data, 0o600)
}

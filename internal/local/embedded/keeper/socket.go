package keeper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// Store is what a command can ask of a store: of the running registry's, as a
// Client, or of one that no registry serves, as Offline. Both fail alike, see
// diagnose; a Client also with diag.NotRunning.
type Store interface {
	// Collect is store.Store.Collect; a nil delay is the registry's own.
	Collect(ctx context.Context, dryRun bool, delay *time.Duration, explain func(store.Verdict)) (store.Report, error)
	// Scrub is store.Store.Scrub.
	Scrub(ctx context.Context) (store.Scrubbed, error)
	// Restore is store.Store.Restore.
	Restore(ctx context.Context, d digest.Digest, r io.Reader) error
}

// Offline is a store that no registry serves; its user holds the lock of the
// data directory.
type Offline struct {
	Store    *store.Store
	Settings settings.Settings
}

// Collect implements Store.
func (o Offline) Collect(ctx context.Context, dryRun bool, delay *time.Duration, explain func(store.Verdict)) (store.Report, error) {
	c := store.Collection{DryRun: dryRun, Delay: o.Settings.GC.Delay, Explain: explain}
	if delay != nil {
		c.Delay = *delay
	}
	report, err := o.Store.Collect(ctx, c)
	return report, diagnose(ctx, "garbage collection", err)
}

// Scrub implements Store.
func (o Offline) Scrub(ctx context.Context) (store.Scrubbed, error) {
	scrubbed, err := o.Store.Scrub(ctx, store.Scrub{Rate: o.Settings.Scrub.Rate, Progress: Progress(o.Settings.State)})
	return scrubbed, diagnose(ctx, "verifying blobs", err)
}

// Restore implements Store.
func (o Offline) Restore(ctx context.Context, d digest.Digest, r io.Reader) error {
	return diagnose(ctx, "putting a blob back", o.Store.Restore(ctx, d, r))
}

// line is one of those that an answer on the socket consists of.
type line struct {
	Verdict  *store.Verdict  `json:"verdict,omitempty"`
	Report   *store.Report   `json:"report,omitempty"`
	Scrubbed *store.Scrubbed `json:"scrubbed,omitempty"`
	Fault    *fault          `json:"fault,omitempty"` // the last one
	Done     bool            `json:"done,omitempty"`  // the last one, after success
}

// serve answers on the socket, which only this user and root can open.
func (k *Keeper) serve(l net.Listener) {
	o := Offline{Store: k.store, Settings: k.set}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /gc", func(w http.ResponseWriter, r *http.Request) {
		answer(w, func(write func(line)) error {
			query := r.URL.Query()
			var delay *time.Duration
			if query.Has("delay") {
				d, err := time.ParseDuration(query.Get("delay"))
				if err != nil {
					return err
				}
				delay = &d
			}
			var explain func(store.Verdict)
			if query.Has("explain") {
				explain = func(v store.Verdict) { write(line{Verdict: &v}) }
			}
			ctx, stop := k.both(r)
			defer stop()
			report, err := o.Collect(ctx, query.Has("dry-run"), delay, explain)
			write(line{Report: &report})
			return err
		})
	})
	mux.HandleFunc("POST /scrub", func(w http.ResponseWriter, r *http.Request) {
		answer(w, func(write func(line)) error {
			ctx, stop := k.both(r)
			defer stop()
			scrubbed, err := o.Scrub(ctx)
			write(line{Scrubbed: &scrubbed})
			return err
		})
	})
	mux.HandleFunc("POST /restore", func(w http.ResponseWriter, r *http.Request) {
		answer(w, func(func(line)) error {
			d, err := store.CheckDigest(r.URL.Query().Get("digest"))
			if err != nil {
				return err
			}
			ctx, stop := k.both(r)
			defer stop()
			return o.Restore(ctx, d, r.Body)
		})
	})
	server := &http.Server{Handler: k.counted(mux), ReadHeaderTimeout: time.Minute}
	k.server = server
	k.work.Go(func() { _ = server.Serve(l) })
}

// counted makes Stop wait for what commands ask for, and lets none in after it.
func (k *Keeper) counted(h http.Handler) http.Handler {
	enter := func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.ctx.Err() != nil {
			return false
		}
		k.work.Add(1)
		return true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !enter() {
			http.Error(w, "the registry stops", http.StatusServiceUnavailable)
			return
		}
		defer k.work.Done()
		h.ServeHTTP(w, r)
	})
}

// both is done when the command goes away, or the registry stops.
func (k *Keeper) both(r *http.Request) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(r.Context())
	release := context.AfterFunc(k.ctx, cancel)
	return ctx, func() { release(); cancel() }
}

// answer writes what work does, and how it ended: nothing about that where it
// was stopped.
func answer(w http.ResponseWriter, work func(write func(line)) error) {
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }() // the client may be gone
	encoder := json.NewEncoder(out)
	err := work(func(l line) { _ = encoder.Encode(l) })
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		_ = encoder.Encode(line{Fault: faultOf(err)})
	default:
		_ = encoder.Encode(line{Done: true})
	}
}

// Client asks the keeper of a running registry.
type Client struct{ http *http.Client }

// Dial returns a client of the registry whose data directory is dir. It fails
// with fs.ErrNotExist where no keeper listens, which only the built-in registry
// has, and with diag.StorageFailed where somebody else could.
func Dial(dir string) (*Client, error) {
	users := trusted(dir)
	socket, err := find(dir, users)
	if err != nil {
		return nil, err
	}
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, err
			}
			if err := checkPeer(conn, users); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return conn, nil
		},
		DisableKeepAlives: true,
	}}}, nil
}

// Collect implements Store.
func (c *Client) Collect(ctx context.Context, dryRun bool, delay *time.Duration, explain func(store.Verdict)) (report store.Report, err error) {
	query := url.Values{}
	if dryRun {
		query.Set("dry-run", "")
	}
	if delay != nil {
		query.Set("delay", delay.String())
	}
	if explain != nil {
		query.Set("explain", "")
	}
	err = c.ask(ctx, "/gc?"+query.Encode(), nil, func(l line) {
		if l.Verdict != nil {
			explain(*l.Verdict)
		}
		if l.Report != nil {
			report = *l.Report
		}
	})
	return report, err
}

// Scrub implements Store.
func (c *Client) Scrub(ctx context.Context) (scrubbed store.Scrubbed, err error) {
	err = c.ask(ctx, "/scrub", nil, func(l line) {
		if l.Scrubbed != nil {
			scrubbed = *l.Scrubbed
		}
	})
	return scrubbed, err
}

// Restore implements Store.
func (c *Client) Restore(ctx context.Context, d digest.Digest, r io.Reader) error {
	return c.ask(ctx, "/restore?digest="+url.QueryEscape(d.String()), r, func(line) {})
}

func (c *Client) ask(ctx context.Context, path string, body io.Reader, read func(line)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://registry"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return gone(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return diag.Errorf(diag.RegistryRefused, "the running registry answers %s", resp.Status).
			WithHint("it may be of another version of berth: run berth restart")
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var l line
		if err := lines.Decode(&l); err != nil {
			return gone(ctx, err) // it ends without the last line
		}
		switch {
		case l.Fault != nil:
			return l.Fault.diagnostic()
		case l.Done:
			return nil
		}
		read(l)
	}
}

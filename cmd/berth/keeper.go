package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/embedded"
	"github.com/berth-oci/berth/internal/local/embedded/keeper"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch"
)

// keep calls work with the store of the local registry: of the running one, or
// else opened here, until the registry starts. task is what the user asked for.
func (a *app) keep(ctx context.Context, task string, t *resolve.Target, config *load.Config, work func(context.Context, keeper.Store) error) error {
	status, err := engine.Started(ctx, t.Local.DataDir)
	if err != nil {
		return placed(t, err)
	}
	switch {
	case status.Phase == engine.Busy:
		return status.Fault
	case status.Phase == engine.Unhealthy && !status.Ready:
		return diag.Errorf(diag.NotReady, "%w", status.Fault).WithHint("run berth %s again when berth status says that it runs", task)
	case status.Phase != engine.Stopped:
		client, err := keeper.Dial(t.Local.DataDir)
		if errors.Is(err, fs.ErrNotExist) {
			return diag.Errorf(diag.Unsupported, "%s runs, and berth %s works on the built-in registry only", status.Product, task).
				WithHint("stop it with berth down: berth %s works on what distribution stores while nothing serves it; if it is the built-in one, its log says why it has no socket", task)
		}
		if err != nil {
			return err
		}
		return work(ctx, client)
	}
	if t.Type != "distribution" {
		return t.Fault(diag.Unsupported, "type", "berth %s works on the built-in registry, and type is %s", task, t.Type).
			WithHint("it works on berth up --engine %s while that runs; %s looks after its own storage", launch.Embedded, t.Type)
	}
	u, err := unit(t, config, launch.Embedded)
	if err != nil {
		return err
	}
	held, release, err := engine.Hold(ctx, u, "berth "+task)
	if err != nil {
		return placed(t, err)
	}
	defer release()
	err = a.keepOffline(held, t, u, work)
	if ctx.Err() == nil && held.Err() != nil && errors.Is(err, context.Canceled) {
		return placed(t, context.Cause(held)) // a start ended it
	}
	return err
}

// keepOffline calls work with the store of u, opened here.
func (a *app) keepOffline(ctx context.Context, t *resolve.Target, u engine.Unit, work func(context.Context, keeper.Store) error) error {
	s, err := embedded.OpenStore(ctx, u, slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return t.Fault(diag.StorageFailed, "local.storage_config", "cannot open the storage: %w", err).
			WithHint("berth up would fail as well: check that it is there, and owner, permissions and credentials")
	}
	return errors.Join(work(ctx, keeper.Offline{Store: s.Store, Settings: s.Settings()}), s.Close())
}

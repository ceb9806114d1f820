package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
)

func (a *app) restartCommand() *cobra.Command {
	var opts upOptions
	cmd := &cobra.Command{
		Use:   "restart",
		Short: "Stop the local registry and start it with the config as it is now",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.check(); err != nil {
				return err
			}
			target, config, err := a.localTarget()
			if err != nil {
				return err
			}
			return a.restart(cmd.Context(), target, config, opts)
		},
	}
	opts.flags(cmd)
	return cmd
}

func (a *app) restart(ctx context.Context, t *resolve.Target, config *load.Config, opts upOptions) error {
	// A config that cannot run must not stop one that does.
	u, err := unit(t, config, opts.engine)
	if err == nil {
		err = engine.Usable(u)
	}
	if err != nil {
		return placed(t, err)
	}
	// A start that came in between read the config as it is now, or up says so.
	var d *diag.Diagnostic
	if err := a.down(ctx, t); err != nil && !(errors.As(err, &d) && d.Code == diag.AlreadyRunning) {
		return err
	}
	return a.up(ctx, t, config, opts)
}

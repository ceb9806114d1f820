package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/engine"
	"github.com/berth-oci/berth/internal/load"
	"github.com/berth-oci/berth/internal/product"
	"github.com/berth-oci/berth/internal/resolve"
)

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the local registry",
		Long:  "Stop the local registry, letting running requests finish. What it stores stays.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, _, err := a.localTarget()
			if err != nil {
				return err
			}
			return a.down(cmd.Context(), target)
		},
	}
}

func (a *app) down(ctx context.Context, t *resolve.Target) error {
	state, stopped, err := engine.Down(ctx, t.Local.DataDir)
	switch {
	case err != nil:
		return err
	case stopped:
		a.note("stopped %s: pid %d", state.Product, state.PID)
	default:
		a.note("the registry is not running")
	}
	return nil
}

// localTarget is the target of a command about the registry on this machine.
func (a *app) localTarget() (*resolve.Target, *load.Config, error) {
	target, config, err := a.target()
	if err != nil {
		return nil, nil, err
	}
	return target, config, product.Local(target)
}

package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch"
)

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the local registry",
		Long:  "Stop the local registry, letting running requests finish. What it stores stays.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, _, err := a.leftTarget()
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
		return placed(t, err)
	case stopped:
		a.note("stopped %s: pid %d", state.Product, state.PID)
	default:
		a.note("the registry is not running")
		if who := engine.Listener(ctx, t.Local.Listen()); who != "" {
			a.note("%s is in use by %s", t.Local.Listen(), who)
		}
	}
	return nil
}

// localTarget is the target of a command about the registry on this machine.
func (a *app) localTarget() (*resolve.Target, *load.Config, error) {
	target, config, err := a.target()
	if err != nil {
		return nil, nil, err
	}
	return target, config, launch.Local(target)
}

// leftTarget is localTarget for commands that look at a registry or stop it,
// which may still run when its config says "disabled" by now.
func (a *app) leftTarget() (*resolve.Target, *load.Config, error) {
	config, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	if config.Registry.Deployment != "disabled" || config.Registry.Local == nil {
		target, err := resolve.Resolve(config.Registry, config, options(config))
		if err != nil {
			return nil, nil, err
		}
		return target, config, launch.Local(target)
	}
	enabled := *config.Registry
	enabled.Deployment = "local"
	target, err := resolve.Resolve(&enabled, config, options(config))
	var conflicts diag.List // between values that a disabled registry does not use
	if target != nil && target.Local != nil && errors.As(err, &conflicts) {
		err = nil
	}
	return target, config, err
}

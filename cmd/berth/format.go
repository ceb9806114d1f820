package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/load"
	"github.com/berth-oci/berth/internal/resolve"
)

// connected returns the target of a command that talks to the registry. It is
// the one place where such a command can have a local registry started.
func (a *app) connected(opts load.Options) (*resolve.Target, *load.Config, error) {
	return a.target(opts)
}

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "`FORMAT` of the result: text or json")
}

func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return diag.Errorf(diag.Usage, "unknown format %q", format).WithHint("use text or json")
	}
	return nil
}

// json prints a result, unless there is an error.
func (a *app) json(result any, err error) error {
	if err != nil {
		return err
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return diag.Errorf(diag.Usage, "%s takes %s, got %d arguments", cmd.CommandPath(), strings.Join(names, " and "), len(args)).
			WithHint("see %s --help", cmd.CommandPath())
	}
}

func atMostArgs(n int, usage string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return diag.Errorf(diag.Usage, "%s takes [%s], got %d arguments", cmd.CommandPath(), usage, len(args)).
			WithHint("see %s --help", cmd.CommandPath())
	}
}

// size prints bytes for people.
func size(n int64) string {
	f, unit := float64(n), 0
	for f >= 1024 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, []string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

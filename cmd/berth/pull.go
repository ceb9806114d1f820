package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/product"
	"github.com/berth-oci/berth/internal/transfer"
)

func (a *app) pullCommand() *cobra.Command {
	var opts transfer.PullOptions
	var format string
	cmd := &cobra.Command{
		Use:   "pull KIND/NAME[:TAG|@DIGEST]",
		Short: "Pull an artifact, verify and unpack it",
		Args:  exactArgs("KIND/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			if opts.Ref, err = artifact.ParseRef(target, args[0]); err != nil {
				return err
			}
			if err := a.ensureUp(cmd.Context(), target, config); err != nil {
				return err
			}
			a.notes(product.PullNotes(config.Given))
			progress := a.progress()
			opts.Events = progress.event
			pulled, err := transfer.Pull(cmd.Context(), target, opts)
			progress.close()
			if err != nil || format == "json" {
				return a.result(pulled, err)
			}
			fmt.Fprintf(a.stdout, "%s %s\n", pulled.Dir, pulled.Digest)
			return nil
		},
	}
	cmd.Flags().StringVarP(&opts.Dir, "output", "o", "", "`DIR` to unpack into (default ./NAME)")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "replace what the directory holds")
	formatFlag(cmd, &format)
	return cmd
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/artifact"
	"github.com/berth-oci/berth/internal/product"
	"github.com/berth-oci/berth/internal/transfer"
)

func (a *app) pushCommand() *cobra.Command {
	var opts transfer.PushOptions
	var format string
	cmd := &cobra.Command{
		Use:   "push KIND PATH",
		Short: "Pack a directory and push it",
		Args:  exactArgs("KIND", "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			if opts.Kind, err = artifact.KindOf(target, args[0]); err != nil {
				return err
			}
			if err := a.ensureUp(cmd.Context(), target, config); err != nil {
				return err
			}
			a.notes(product.PushNotes(target))
			opts.Dir = args[1]
			progress := a.progress()
			opts.Events = progress.event
			pushed, err := transfer.Push(cmd.Context(), target, opts)
			progress.close()
			if err != nil || format == "json" {
				return a.result(pushed, err)
			}
			for _, reference := range pushed.References {
				fmt.Fprintln(a.stdout, reference)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Metadata.Name, "name", "", "`NAME` of the artifact, instead of extension.yaml's")
	flags.StringVar(&opts.Metadata.Version, "version", "", "`VERSION`, instead of extension.yaml's")
	flags.StringVar(&opts.Metadata.Kind, "kind", "", "`KIND` of the extension: provider, taskserv or cluster")
	flags.StringVar(&opts.Metadata.Description, "description", "", "`TEXT` that describes it")
	flags.StringArrayVar(&opts.Tags, "tag", nil, "`TAG` to push under; may be repeated (default by push_policy)")
	formatFlag(cmd, &format)
	return cmd
}

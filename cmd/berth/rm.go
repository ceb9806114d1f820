package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/move/transfer"
)

func (a *app) rmCommand() *cobra.Command {
	var format string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rm KIND/NAME:TAG|@DIGEST",
		Short: "Remove a tag, or a manifest with all its tags",
		Long: "Remove a tag or, by its digest, a manifest with all its tags. The content stays until\n" +
			"the registry collects its garbage, as berth gc does.",
		Args: exactArgs("KIND/NAME:TAG or @DIGEST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			target, ref, err := a.named(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			removed, err := transfer.Remove(cmd.Context(), target, ref, dryRun)
			if err != nil || format == "json" {
				return a.result(removed, err)
			}
			a.removed(removed)
			return nil
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "remove nothing, and say what would be")
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) removed(r *transfer.Removed) {
	verb, what := "removed", "tag"
	if r.DryRun {
		verb = "would remove"
	}
	if r.Manifest {
		what = "manifest"
	}
	a.print("%s %s %s", verb, what, r.Reference)
	if r.Manifest && len(r.Tags) > 0 {
		a.print("with its tags: %s", strings.Join(r.Tags, ", "))
	}
}

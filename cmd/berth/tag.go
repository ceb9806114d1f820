package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/move/transfer"
)

func (a *app) tagCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "tag KIND/NAME[:TAG|@DIGEST] TAG...",
		Short: "Give an artifact more tags",
		Long: "Give an artifact of a registry more tags, without pulling it. A tag that names\n" +
			"other content moves only when push_policy.allow_overwrite is set.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) >= 2 {
				return nil
			}
			return diag.Errorf(diag.Usage, "berth tag takes KIND/NAME and tags, got %s", plural(len(args), "argument")).WithHint("see berth tag --help")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			target, ref, err := a.named(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p := a.progress(format)
			tagged, err := transfer.Retag(cmd.Context(), target, ref, args[1:], p.event)
			return a.transferred(p, format, tagged, err, func() { a.references(tagged) })
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

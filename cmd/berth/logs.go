package main

import (
	"cmp"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/local/engine"
)

func (a *app) logsCommand() *cobra.Command {
	var lines, short int
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Print the log of the local registry",
		Long: "Print the end of the local registry's log.\n\n" +
			"A bare -f follows the log, as it does in tail and docker logs. With a file after it,\n" +
			"-f names the config, as it does everywhere in berth; --follow -f FILE does both.",
		Args: atMostArgs(1, "-f FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && short > 0 {
				a.file, short = args[0], short-1
			} else if err := noArgs(cmd, args); err != nil {
				return err
			}
			target, _, err := a.leftTarget()
			if err != nil {
				return err
			}
			file := cmp.Or(target.Local.LogFile, filepath.Join(target.Local.DataDir, "registry.log"))
			return engine.Logs(cmd.Context(), a.stdout, file, lines, follow || short > 0)
		},
	}
	flags := cmd.Flags()
	// This takes the place of the global flag, whose -f is needed for two here.
	flags.StringVar(&a.file, "file", "", "config `FILE`, - for standard input")
	flags.CountVarP(&short, "f", "f", "follow; or the config, with a file after it")
	flags.BoolVar(&follow, "follow", false, "go on with what is added, until interrupted")
	flags.IntVarP(&lines, "lines", "n", 100, "how many `LINES` of the end to print first, -1 for all")
	return cmd
}

package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/starter"
)

func (a *app) initCommand() *cobra.Command {
	var opts starter.Options
	var output string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented config to start from",
		Long:  "Write a commented config to start from, as registry.k, registry.yaml or registry.json in the working directory. Existing files are never overwritten.",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			for flag, words := range map[string][]string{"type": starter.Types, "deployment": starter.Deployments, "format": starter.Formats} {
				value := map[string]string{"type": opts.Type, "deployment": opts.Deployment, "format": opts.Format}[flag]
				if value == "" && flag == "deployment" {
					continue
				}
				if err := oneOf(flag, value, words...); err != nil {
					return err
				}
			}
			return a.init(opts, output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Type, "type", "distribution", "`TYPE` of the registry: distribution, zot, harbor or artifactory")
	flags.StringVar(&opts.Deployment, "deployment", "", "`DEPLOYMENT`: local or remote (default: local for distribution and zot, else remote)")
	flags.StringVar(&opts.Format, "format", "kcl", "`FORMAT` of the config: kcl, yaml or json")
	flags.StringVarP(&output, "output", "o", "", "`PATH` of the file to write")
	return cmd
}

func (a *app) init(opts starter.Options, path string) error {
	text, name, err := starter.Config(opts)
	if err != nil {
		return err
	}
	if path == "" {
		path = name
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return diag.Errorf(diag.FileExists, "%s exists already", path).WithHint("remove it, or write elsewhere with -o PATH")
	}
	if err != nil {
		return diag.Errorf(diag.StorageFailed, "cannot write config: %w", err).WithHint("write elsewhere with -o PATH")
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(diag.Errorf(diag.StorageFailed, "cannot write config: %w", err), f.Close(), os.Remove(path))
	}
	if err := f.Close(); err != nil {
		return diag.Errorf(diag.StorageFailed, "cannot write config: %w", err)
	}
	a.print("%s", path)
	a.note("next: look it over, then berth validate")
	return nil
}

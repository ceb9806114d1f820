package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/move/transfer"
)

func (a *app) inspectCommand() *cobra.Command {
	var format, platform string
	cmd := &cobra.Command{
		Use:   "inspect KIND/NAME[:TAG|@DIGEST]",
		Short: "Show what an artifact is, and what refers to it",
		Long: "Show the manifest, config, annotations, platforms and the tree of referrers of an\n" +
			"artifact, without pulling it. --format json has all of it, --format raw the bytes of\n" +
			"the manifest.",
		Args: exactArgs("KIND/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json", "raw"); err != nil {
				return err
			}
			target, ref, err := a.named(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p := a.progress(format)
			inspected, err := transfer.Inspect(cmd.Context(), target, ref, platform, p.event)
			p.close()
			switch {
			case err != nil:
				return err
			case format == "json":
				return a.printJSON(inspected)
			case format == "raw":
				_, err := a.stdout.exact().Write(inspected.Manifest)
				return err
			}
			return a.inspected(inspected)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` of the result: text, json or raw")
	platformFlag(cmd, &platform)
	return cmd
}

func (a *app) inspected(i *transfer.Inspected) error {
	t := a.table()
	line := func(name, format string, args ...any) { t.row(name, fmt.Sprintf(format, args...)) }
	line("reference", "%s", i.Reference)
	line("type", "%s", i.ArtifactType)
	line("media type", "%s", i.MediaType)
	line("size", "%s", size(i.Size))
	if i.Subject != "" {
		line("subject", "%s", i.Subject)
	}
	for _, name := range slices.Sorted(maps.Keys(i.Annotations)) {
		line("annotation", "%s = %s", name, i.Annotations[name])
	}
	for _, p := range i.Platforms {
		line("platform", "%s  %s", p.Platform, p.Digest)
	}
	for _, l := range i.Layers {
		line("layer", "%s  %s  %s", l.Digest, size(l.Size), strings.TrimSpace(l.MediaType+"  "+l.Title))
	}
	a.referrers(line, i.Referrers, 0)
	return t.print()
}

// referrers prints a tree, indented by depth.
func (a *app) referrers(line func(string, string, ...any), list []transfer.Referrer, depth int) {
	for _, r := range list {
		line("referrer", "%s%s  %s", strings.Repeat("  ", depth), r.Digest, strings.TrimSpace(r.ArtifactType+"  "+r.Tag))
		a.referrers(line, r.Referrers, depth+1)
	}
}

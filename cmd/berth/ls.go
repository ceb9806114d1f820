package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/move/transfer"
)

func (a *app) lsCommand() *cobra.Command {
	var format string
	var opts transfer.ListOptions
	cmd := &cobra.Command{
		Use:   "ls [KIND[/NAME]]",
		Short: "List repositories, or the tags of one",
		Args:  atMostArgs(1, "KIND[/NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			if err := opts.Check(); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			kinds := artifact.Kinds(target)
			var ref artifact.Ref
			if len(args) == 1 {
				if ref, err = artifact.ParseRef(target, args[0]); err != nil {
					return err
				}
				if ref.Tag != "" || ref.Digest != "" {
					return diag.Errorf(diag.BadReference, "%s is one artifact, and no list", args[0]).
						WithHint("berth inspect %s shows it; to list its repository leave out tag and digest", shellWord(args[0]))
				}
				kinds = []artifact.Kind{ref.Kind}
			}
			if err := a.ensureUp(cmd.Context(), target, config); err != nil {
				return err
			}
			if ref.Name != "" {
				tags, err := transfer.Tags(cmd.Context(), target, ref, opts)
				return a.tags(tags, format, err)
			}
			var odd []string
			opts.Skipped = func(name string) { odd = append(odd, name) }
			repos, err := transfer.Repositories(cmd.Context(), target, kinds, opts)
			if err == nil && len(odd) > 0 {
				a.note("note: left out %d of the registry's list, as no repository can be called %.200q", len(odd), odd[0])
			}
			return a.repositories(repos, format, err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Match, "match", "", "`PATTERN` of the names to list, as in 'v1.*'")
	flags.StringVar(&opts.After, "after", "", "list what comes behind `NAME`")
	flags.IntVar(&opts.Limit, "limit", 0, "list at most `N` names (default all)")
	flags.BoolVar(&opts.All, "all", false, "also the tags that only lead to referrers, such as signatures")
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) tags(tags []transfer.Tag, format string, err error) error {
	if err != nil || format == "json" {
		return a.result(tags, err)
	}
	table := a.table()
	table.row("TAG", "DIGEST", "SIZE", "TYPE", "VERSION")
	for _, t := range tags {
		table.row(t.Tag, t.Digest, size(t.Size), t.Type, t.Version)
	}
	return table.print()
}

func (a *app) repositories(repos []transfer.Repository, format string, err error) error {
	if err != nil || format == "json" {
		return a.result(repos, err)
	}
	for _, r := range repos {
		a.print("%s/%s", r.Kind, r.Name)
	}
	return nil
}

package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/move/transfer"
)

func (a *app) copyCommand() *cobra.Command {
	opts := transfer.CopyOptions{}
	var format string
	cmd := &cobra.Command{
		Use:   "copy SRC DST",
		Short: "Copy artifacts between registries and image layouts",
		Long: "Copy an artifact, or with --all-tags a repository, with all that is below it and all\n" +
			"that refers to it: signatures, SBOMs. SRC and DST are KIND/NAME[:TAG|@DIGEST], a full\n" +
			"reference, or oci:PATH[:TAG], oci-archive:PATH[:TAG], docker-archive:PATH[:TAG].\n" +
			"What is there already is not sent.",
		Args: exactArgs("SRC", "DST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json", jsonl); err != nil {
				return err
			}
			if err := (transfer.ListOptions{Match: opts.Match}).Check(); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			opts.AllTags = opts.AllTags || opts.Match != ""
			if opts.From, err = transfer.ParsePlace(target, args[0]); err != nil {
				return err
			}
			if opts.To, err = transfer.ParsePlace(target, args[1]); err != nil {
				return err
			}
			if err := a.placesUp(cmd, target, config, opts.From, opts.To); err != nil {
				return err
			}
			return a.copy(cmd, target, opts, format)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opts.AllTags, "all-tags", "a", false, "copy every tag of the repository, by its name")
	flags.StringVar(&opts.Match, "match", "", "`PATTERN` of the tags to copy, as in 'v1.*'; implies --all-tags")
	flags.BoolVar(&opts.Referrers, "referrers", true, "also copy what refers to a manifest")
	flags.BoolVar(&opts.KeepOn, "continue-on-error", false, "after a tag that fails, go on with the others")
	flags.BoolVar(&opts.Force, "force", false, "replace an archive that is there")
	platformFlag(cmd, &opts.Platform)
	a.progressFlag(cmd, &format)
	return cmd
}

// placesUp starts the config's registry when it is one of the places, and is to be
// started.
func (a *app) placesUp(cmd *cobra.Command, target *resolve.Target, config *load.Config, places ...transfer.Place) error {
	for _, p := range places {
		if p.Form == "" && p.Ref.Host == "" {
			return a.ensureUp(cmd.Context(), target, config)
		}
	}
	return nil
}

func (a *app) copy(cmd *cobra.Command, target *resolve.Target, opts transfer.CopyOptions, format string) error {
	p := a.progress(format)
	opts.Events = p.event
	copied, err := transfer.Copy(cmd.Context(), target, opts)
	if err != nil && (copied == nil || !opts.KeepOn) {
		return a.transferred(p, format, nil, err, nil)
	}
	if shown := a.transferred(p, format, copied, nil, func() { a.copiedTags(copied) }); shown != nil {
		return shown
	}
	if err == nil {
		return nil
	}
	d, _ := diagnostics(err)
	return diag.Errorf(d[0].Code, "%d of %s not copied; the first failure: %w", copied.Failed, plural(len(copied.Tags), "tag"), err).
		WithHint("run it again: what is there is not sent again")
}

func (a *app) copiedTags(c *transfer.Copied) {
	table := a.table()
	for _, t := range c.Tags {
		outcome := "copied"
		switch {
		case t.Error != "":
			outcome = "failed"
		case t.Unchanged:
			outcome = "unchanged"
		}
		table.row(outcome, t.Source, t.Target, t.Digest)
	}
	_ = table.print()
}

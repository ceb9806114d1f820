package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/local/launch"
	"github.com/berth-oci/berth/internal/move/transfer"
)

// pushFlags are the flags of push that need work before they are options.
type pushFlags struct {
	format      string
	compression string
	level       int
}

func (a *app) pushCommand() *cobra.Command {
	var opts transfer.PushOptions
	var o pushFlags
	cmd := &cobra.Command{
		Use:   "push KIND PATH",
		Short: "Pack a directory, or take an image, and push it",
		Long: "Push what is at PATH as an artifact of KIND: a directory with extension.yaml\n" +
			"(extension), a KCL module as kpm packs it (kcl), an image layout or an archive of\n" +
			"one (image, test-image), any directory (the kinds of namespaces.custom).\n" +
			"The tags are set last, when everything else is there. A push that was interrupted\n" +
			"goes on where it was when it is run again.",
		Args: exactArgs("KIND", "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", o.format, "text", "json", jsonl); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			if opts.Kind, err = artifact.KindOf(target, args[0]); err != nil {
				return err
			}
			if err := fits(cmd, opts.Kind); err != nil {
				return err
			}
			if opts.Compression, err = o.choose(cmd, target); err != nil {
				return err
			}
			if err := a.ensureUp(cmd.Context(), target, config); err != nil {
				return err
			}
			a.notes(launch.PushNotes(target))
			opts.Path = args[1]
			p := a.progress(o.format)
			opts.Events = p.event
			pushed, err := transfer.Push(cmd.Context(), target, opts)
			return a.transferred(p, o.format, pushed, err, func() { a.references(pushed) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Metadata.Name, "name", "", "`NAME` of the artifact, instead of the one in its files")
	flags.StringVar(&opts.Metadata.Version, "version", "", "`VERSION`, instead of the one in its files")
	flags.StringVar(&opts.Metadata.Kind, "kind", "", "`KIND` of an extension: provider, taskserv or cluster")
	flags.StringVar(&opts.Metadata.Description, "description", "", "`TEXT` that describes it")
	flags.StringArrayVar(&opts.Tags, "tag", nil, "`TAG` to push under; may be repeated (default by push_policy)")
	flags.StringVar(&o.compression, "compression", "", "`METHOD` for layers: gzip, zstd or none, of which oras unpacks gzip only (default by push_policy)")
	flags.IntVar(&o.level, "compression-level", 0, "`LEVEL` from 0 to 9 (default by push_policy)")
	flags.StringVar(&opts.SourceTag, "source-tag", "", "`TAG` of the image in a layout that has several")
	platformFlag(cmd, &opts.Platform)
	a.progressFlag(cmd, &o.format)
	return cmd
}

// fits refuses the flags that mean nothing for a kind.
func fits(cmd *cobra.Command, k artifact.Kind) error {
	flags, what := []string{"source-tag", "platform"}, "is made of a directory"
	if k.Form == artifact.FormImage {
		flags, what = []string{"compression", "compression-level", "kind", "description"}, "is pushed as it is"
	}
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return diag.Errorf(diag.Usage, "--%s has no meaning for the kind %s, which %s", name, k.Name, what).WithHint("leave it out")
		}
	}
	return nil
}

// choose returns what the flags say of compression, or nil when they say nothing.
func (o pushFlags) choose(cmd *cobra.Command, t *resolve.Target) (*artifact.Compression, error) {
	given := cmd.Flags().Changed("compression-level")
	if o.compression == "" && !given {
		return nil, nil
	}
	c := artifact.Compression{Enabled: t.Push.CompressionEnabled, Level: t.Push.CompressionLevel}
	if o.compression != "" {
		if err := oneOf("compression", o.compression, "gzip", "zstd", "none"); err != nil {
			return nil, err
		}
		c.Enabled, c.Zstd = o.compression != "none", o.compression == "zstd"
	}
	if given {
		c.Level = o.level
	}
	if c.Level < 0 || c.Level > 9 {
		return nil, diag.Errorf(diag.Usage, "--compression-level %d is not between 0 and 9", c.Level).WithHint("0 stores, 1 is fast, 9 is small")
	}
	return &c, nil
}

// references prints what was pushed.
func (a *app) references(p *transfer.Pushed) {
	for _, reference := range p.References {
		a.print("%s", reference)
	}
}

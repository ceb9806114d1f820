package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/content/lockfile"
	"github.com/berth-oci/berth/internal/move/transfer"
)

// pullFlags are the flags of pull that need work before they are options.
type pullFlags struct {
	format, policy, as string
	stale              bool
	lock, locked       bool
}

func (a *app) pullCommand() *cobra.Command {
	var opts transfer.PullOptions
	var o pullFlags
	cmd := &cobra.Command{
		Use:   "pull KIND/NAME[:TAG|@DIGEST]",
		Short: "Pull an artifact, verify and unpack it",
		Long: "Pull an artifact by the pull policy and through the cache, verify every byte and\n" +
			"unpack it; an image is written as a layout, or as an archive where the output ends\n" +
			"in .tar. Whatever fails, the output is as it was. A pull that was interrupted goes on\n" +
			"where it was when it is run again.",
		Args: exactArgs("KIND/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			if opts.Ref, err = artifact.ParseRef(target, args[0]); err != nil {
				return err
			}
			lock := lockfile.In(config.Dir())
			if o.locked {
				if opts.Ref, err = transfer.Locked(target, opts.Ref, lock); err != nil {
					return err
				}
			}
			if o.lock {
				opts.Lock = &lock
			}
			opts.Policy = transfer.PolicyOf(target)
			opts.Policy.Stale = o.stale
			if o.policy != "" {
				opts.Policy.Policy = o.policy
			}
			if opts.Form, err = o.form(opts); err != nil {
				return err
			}
			if opts.Form == "" && opts.Platform != "" {
				return diag.Errorf(diag.Usage, "--platform is for images, and %s is to be unpacked", args[0]).
					WithHint("leave it out, or pull it as an image with --as oci")
			}
			if opts.Policy.Policy != "never" {
				if err := a.ensureUp(cmd.Context(), target, config); err != nil {
					return err
				}
			}
			return a.pull(cmd, target, opts, o.format)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.Path, "output", "o", "", "`PATH` to write to (default ./NAME)")
	flags.BoolVar(&opts.Force, "force", false, "replace what the output holds")
	flags.StringVar(&o.policy, "policy", "", "`POLICY` instead of pull_policy.policy: always, if-not-present (missing) or never")
	flags.BoolVar(&o.stale, "stale-if-unreachable", false, "when the registry does not answer, take what the cache has, however old")
	flags.BoolVar(&o.lock, "lock", false, "note the digest in berth.lock, beside the config")
	flags.BoolVar(&o.locked, "locked", false, "pull the digest that berth.lock has for the tag, and nothing else")
	flags.StringVar(&o.as, "as", "", "`FORM` of an image: "+strings.Join(transfer.ImageForms(), ", "))
	platformFlag(cmd, &opts.Platform)
	a.progressFlag(cmd, &o.format)
	return cmd
}

// check looks at the flags, and makes one word of the two for one policy.
func (o *pullFlags) check() error {
	if o.policy == "missing" { // as compose says
		o.policy = "if-not-present"
	}
	if o.policy != "" {
		if err := oneOf("policy", o.policy, "always", "if-not-present", "never"); err != nil {
			return err
		}
	}
	if o.as != "" {
		if err := oneOf("as", o.as, transfer.ImageForms()...); err != nil {
			return err
		}
	}
	if o.lock && o.locked {
		return diag.Errorf(diag.Usage, "--lock and --locked exclude each other").
			WithHint("--lock writes berth.lock, --locked obeys it")
	}
	return oneOf("format", o.format, "text", "json", jsonl)
}

// form returns how an image is written, and "" for what is to be unpacked.
func (o *pullFlags) form(opts transfer.PullOptions) (transfer.ImageForm, error) {
	if o.as == "" && opts.Ref.Kind.Form != artifact.FormImage {
		return "", nil
	}
	for _, ending := range []string{".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(opts.Path, ending) {
			return "", diag.Errorf(diag.Usage, "-o %s: an image is written as it is, not compressed once more", opts.Path).
				WithHint("write -o %s.tar; its layers are compressed already", strings.TrimSuffix(opts.Path, ending))
		}
	}
	switch {
	case o.as != "":
		return transfer.ImageForm(o.as), nil
	case strings.HasSuffix(opts.Path, ".tar"):
		return transfer.OCIArchive, nil
	}
	return transfer.OCIDirectory, nil
}

func (a *app) pull(cmd *cobra.Command, target *resolve.Target, opts transfer.PullOptions, format string) error {
	p := a.progress(format)
	opts.Events = p.event
	pulled, err := transfer.Pull(cmd.Context(), target, opts)
	return a.transferred(p, format, pulled, err, func() { a.print("%s %s", pulled.Path, pulled.Digest) })
}
